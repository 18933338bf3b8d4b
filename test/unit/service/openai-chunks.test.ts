import { describe, expect, it } from '@jest/globals'
import { finishChunk, isUsageChunk, textChunk, usageChunk } from '../../../src/lib/service/openai-chunks.js'

describe('chunks of a stream', () => {
  it.each([
    [{ choices: [], usage: { prompt_tokens: 1 } }, true],
    [{ choices: [], usage: null }, false],
    [{ choices: [] }, false],
    [{ choices: [{ index: 0 }], usage: { prompt_tokens: 1 } }, false],
    [{ usage: { prompt_tokens: 1 } }, false],
  ])('hold nothing but the usage: %j is %s', (chunk, is) => {
    expect(isUsageChunk(chunk)).toBe(is)
  })

  it('with the usage carry the id of their answer', () => {
    const last = { id: 'chatcmpl-1', created: 7, object: 'chat.completion.chunk', choices: [{}] }

    expect(usageChunk('chat/completions', { total_tokens: 3 }, last)).toEqual({
      id: 'chatcmpl-1',
      created: 7,
      object: 'chat.completion.chunk',
      choices: [],
      usage: { total_tokens: 3 },
    })
    expect(usageChunk('completions', {}, null)).toEqual({ object: 'text_completion', choices: [], usage: {} })
  })

  it('stand for bare text and its end', () => {
    expect(textChunk('hi', true)).toMatchObject({
      choices: [{ delta: { role: 'assistant', content: 'hi' }, finish_reason: null }],
    })
    expect(textChunk('ho', false)).toMatchObject({ choices: [{ delta: { content: 'ho' } }] })
    expect(finishChunk()).toMatchObject({ choices: [{ delta: {}, finish_reason: 'stop' }] })
  })
})
