import { describe, expect, it } from '@jest/globals'
import { checkUsage, parseChatChunk, parseChatCompletion } from '../../../src/lib/router/openai.js'

const answer = (message: unknown, rest: object = {}) => ({
  choices: [{ message, finish_reason: 'stop' }],
  usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
  ...rest,
})

describe('the answer of a host', () => {
  it('is read with its text, reason and usage', () => {
    expect(parseChatCompletion(answer({ content: 'hi' }), 'h')).toEqual({
      hostId: 'h',
      text: 'hi',
      finishReason: 'stop',
      usage: { promptTokens: 5, completionTokens: 3 },
      usageFault: null,
    })
  })

  it('has an empty text when the content is null or missing', () => {
    expect(parseChatCompletion(answer({ content: null }), 'h').text).toBe('')
    expect(parseChatCompletion(answer({}), 'h').text).toBe('')
  })

  it.each([
    ['null', null],
    ['text', 'hi'],
    ['a list', []],
    ['an error in disguise', { error: { message: 'no' } }],
    ['no choice', { choices: [] }],
    ['choices that are text', { choices: 'hi' }],
    ['a choice that is text', { choices: ['hi'] }],
    ['a choice without message', { choices: [{}] }],
    ['content that is a list', answer({ content: ['hi'] })],
  ])('is refused when it is %s', (_what, body) => {
    expect(() => parseChatCompletion(body, 'h')).toThrow(
      expect.objectContaining({ code: 'HOST_NOT_READY', details: { hostId: 'h' } }),
    )
  })
})

describe('a chunk of a stream', () => {
  it('carries a piece of text', () => {
    const chunk = parseChatChunk({ choices: [{ delta: { content: 'hi' }, finish_reason: null }] }, 'h')

    expect(chunk).toEqual({ text: 'hi', finishReason: null, usage: null })
  })

  it('carries the usage without a choice', () => {
    expect(parseChatChunk({ choices: [], usage: { prompt_tokens: 1 } }, 'h')).toEqual({
      text: '',
      finishReason: null,
      usage: { prompt_tokens: 1 },
    })
  })

  it('carries the reason of the end', () => {
    expect(parseChatChunk({ choices: [{ finish_reason: 'length' }] }, 'h').finishReason).toBe('length')
  })

  it('can report a failure midway', () => {
    expect(() => parseChatChunk({ error: { message: 'secret prompt' } }, 'h')).toThrow(
      expect.objectContaining({
        code: 'HOST_FAILED',
        message: 'Host h reported a failure in the middle of its answer.',
      }),
    )
  })

  it.each([null, 'text', {}, { choices: [1] }, { choices: [{ delta: { content: 1 } }] }])(
    'is refused when it is %j',
    (body) => {
      expect(() => parseChatChunk(body, 'h')).toThrow(expect.objectContaining({ code: 'HOST_NOT_READY' }))
    },
  )
})

describe('the usage that a host reports', () => {
  it.each([
    [
      { prompt_tokens: 0, completion_tokens: 0 },
      { promptTokens: 0, completionTokens: 0 },
    ],
    [
      { prompt_tokens: 4294967295, completion_tokens: 1.0 },
      { promptTokens: 4294967295, completionTokens: 1 },
    ],
  ])('%j is taken', (usage, expected) => {
    expect(checkUsage(usage)).toEqual({ usage: expected, usageFault: null })
  })

  it.each([
    [undefined, 'no usage'],
    [null, 'no usage'],
    [[], 'not an object'],
    ['5', 'not an object'],
    [{}, 'prompt_tokens'],
    [{ prompt_tokens: 1 }, 'completion_tokens'],
    [{ prompt_tokens: -1, completion_tokens: 1 }, 'prompt_tokens'],
    [{ prompt_tokens: 1, completion_tokens: 1.5 }, 'completion_tokens'],
    [{ prompt_tokens: '1', completion_tokens: 1 }, 'prompt_tokens'],
    [{ prompt_tokens: 1, completion_tokens: 4294967296 }, 'completion_tokens'],
    [{ prompt_tokens: 1, completion_tokens: null }, 'completion_tokens'],
  ])('%j is no usage', (usage, fault) => {
    expect(checkUsage(usage)).toEqual({ usage: null, usageFault: expect.stringContaining(fault) })
  })
})
