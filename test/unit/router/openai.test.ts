import { describe, expect, it } from '@jest/globals'
import {
  checkUsage,
  parseChatChunk,
  parseChatCompletion,
  parseContainerAnswer,
  parseTextChunk,
  relayChat,
  relayEmbeddings,
  relayText,
} from '../../../src/lib/router/openai.js'

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
      usage: { promptTokens: 5, completionTokens: 3, cachedTokens: 0, reasoningTokens: 0 },
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
    const raw = { id: 'c', choices: [{ delta: { content: 'hi' }, finish_reason: null }] }

    expect(parseChatChunk(raw, 'h')).toEqual({
      text: 'hi',
      finishReason: null,
      usage: null,
      raw,
      isPreamble: false,
    })
  })

  it('carries the usage without a choice', () => {
    expect(parseChatChunk({ choices: [], usage: { prompt_tokens: 1 } }, 'h')).toMatchObject({
      text: '',
      finishReason: null,
      usage: { prompt_tokens: 1 },
      isPreamble: false,
    })
  })

  it('carries the reason of the end', () => {
    expect(parseChatChunk({ choices: [{ finish_reason: 'length' }] }, 'h').finishReason).toBe('length')
  })

  it.each<[string, object]>([
    ['a role', { choices: [{ delta: { role: 'assistant' } }] }],
    ['a role and an empty text', { choices: [{ delta: { role: 'assistant', content: '' } }] }],
    ['nothing', { choices: [{ delta: {} }] }],
    ['fields without a value', { choices: [{ delta: { tool_calls: null, refusal: '' } }] }],
    ['a remark on the prompt', { choices: [], prompt_filter_results: [] }],
  ])('is a preamble when it holds %s', (_what, body) => {
    expect(parseChatChunk(body, 'h').isPreamble).toBe(true)
  })

  it.each<[string, object]>([
    ['a word', { choices: [{ delta: { role: 'assistant', content: 'a' } }] }],
    ['a blank', { choices: [{ delta: { content: ' ' } }] }],
    ['a call of a tool', { choices: [{ delta: { tool_calls: [{ index: 0 }] } }] }],
    ['a thought', { choices: [{ delta: { reasoning_content: 'hm' } }] }],
    ['a refusal', { choices: [{ delta: { refusal: 'no' } }] }],
    ['the reason of the end', { choices: [{ delta: {}, finish_reason: 'stop' }] }],
    ['the usage', { choices: [], usage: {} }],
  ])('is no preamble when it holds %s', (_what, body) => {
    expect(parseChatChunk(body, 'h').isPreamble).toBe(false)
  })

  it('of a continued text has its text beside the choice', () => {
    const raw = { choices: [{ text: 'hi', finish_reason: 'length' }] }

    expect(parseTextChunk(raw, 'h')).toMatchObject({ text: 'hi', finishReason: 'length', raw })
    expect(() => parseTextChunk({ choices: [{ text: 1 }] }, 'h')).toThrow(
      expect.objectContaining({ code: 'HOST_NOT_READY' }),
    )
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
      { promptTokens: 0, completionTokens: 0, cachedTokens: 0, reasoningTokens: 0 },
    ],
    [
      { prompt_tokens: 4294967295, completion_tokens: 1.0 },
      { promptTokens: 4294967295, completionTokens: 1, cachedTokens: 0, reasoningTokens: 0 },
    ],
    [
      {
        prompt_tokens: 9,
        completion_tokens: 8,
        prompt_tokens_details: { cached_tokens: 9 },
        completion_tokens_details: { reasoning_tokens: 7 },
      },
      { promptTokens: 9, completionTokens: 8, cachedTokens: 9, reasoningTokens: 7 },
    ],
    [
      {
        prompt_tokens: 9,
        completion_tokens: 8,
        prompt_tokens_details: { cached_tokens: 10 },
        completion_tokens_details: { reasoning_tokens: -1 },
      },
      { promptTokens: 9, completionTokens: 8, cachedTokens: 0, reasoningTokens: 0 },
    ],
    [
      {
        prompt_tokens: 9,
        completion_tokens: 8,
        prompt_tokens_details: null,
        completion_tokens_details: 'none',
      },
      { promptTokens: 9, completionTokens: 8, cachedTokens: 0, reasoningTokens: 0 },
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

describe('an answer that is handed on', () => {
  const usage = { prompt_tokens: 5, completion_tokens: 3 }
  const counted = { promptTokens: 5, completionTokens: 3, cachedTokens: 0, reasoningTokens: 0 }

  it('holds calls of tools as the host wrote them', () => {
    const tool_calls = [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }]
    const body = answer({ content: null, tool_calls }, { id: 'c', system_fingerprint: 'fp' })

    expect(relayChat(body, 'h')).toEqual({
      hostId: 'h',
      body,
      text: '',
      usage: counted,
      usageFault: null,
    })
  })

  it('holds what was said, for those who count', () => {
    expect(relayChat(answer({ content: 'hi' }), 'h').text).toBe('hi')
    expect(relayText({ choices: [{ text: 'ho' }], usage }, 'h')).toMatchObject({ text: 'ho', usage: counted })
  })

  it('has no completion tokens when it is an embedding', () => {
    const body = { data: [{ embedding: [0.5] }], usage: { prompt_tokens: 5, total_tokens: 5 } }

    expect(relayEmbeddings(body, 'h')).toEqual({
      hostId: 'h',
      body,
      text: '',
      usage: { ...counted, completionTokens: 0 },
      usageFault: null,
    })
  })

  it.each([relayChat, relayText, relayEmbeddings])('says why its usage cannot be used: %p', (relay) => {
    const body = { choices: [{ message: {}, text: '' }], data: [] }

    expect(relay(body, 'h')).toMatchObject({ usage: null, usageFault: 'no usage was reported' })
  })

  it.each([
    ['a chat without message', relayChat, { choices: [{}] }],
    ['a chat without choice', relayChat, { choices: [] }],
    ['a chat that is null', relayChat, null],
    ['a text without text', relayText, { choices: [{ message: { content: 'x' } }] }],
    ['a text without choice', relayText, { choices: [] }],
    ['embeddings without data', relayEmbeddings, { embeddings: [] }],
    ['embeddings that are a list', relayEmbeddings, []],
  ])('is refused when it is %s', (_what, relay, body) => {
    expect(() => relay(body, 'h')).toThrow(expect.objectContaining({ code: 'HOST_NOT_READY' }))
  })
})

describe('the answer of another container', () => {
  it('becomes a chat completion with the usage that it reports', () => {
    const usage = { prompt_tokens: 5, completion_tokens: 3 }

    expect(parseChatCompletion(parseContainerAnswer({ output: 'hi', usage }, 'h'), 'h')).toEqual({
      hostId: 'h',
      text: 'hi',
      finishReason: 'stop',
      usage: { promptTokens: 5, completionTokens: 3, cachedTokens: 0, reasoningTokens: 0 },
      usageFault: null,
    })
  })

  it('may leave its usage out, or say with a code that all is well', () => {
    for (const body of [{ output: '' }, { output: '', usage: null }, { output: '', code: '200' }]) {
      expect(parseChatCompletion(parseContainerAnswer(body, 'h'), 'h')).toMatchObject({
        text: '',
        usage: null,
        usageFault: 'no usage was reported',
      })
    }
  })

  it.each([
    ['400', 'HOST_REJECTED', ' (400)'],
    ['422', 'HOST_REJECTED', ' (422)'],
    ['408', 'HOST_FAILED', ' (408)'],
    ['429', 'HOST_FAILED', ' (429)'],
    ['500', 'HOST_FAILED', ' (500)'],
    ['my prompt', 'HOST_FAILED', ''],
    // The reference node takes the number for a failure, too (infernet.md 2.4).
    [200, 'HOST_FAILED', ''],
    [null, 'HOST_FAILED', ''],
  ])('reports a failure with the code %j, whatever else it holds', (code, expected, shown) => {
    expect(() => parseContainerAnswer({ output: 'x', code, description: 'my prompt' }, 'h')).toThrow(
      expect.objectContaining({ code: expected, message: `Container h reported a failure${shown}.` }),
    )
  })

  it.each([null, 'text', [], {}, { output: 5 }, { output: null }])('is refused when it is %j', (body) => {
    expect(() => parseContainerAnswer(body, 'h')).toThrow(expect.objectContaining({ code: 'HOST_NOT_READY' }))
  })
})
