import { describe, expect, it } from '@jest/globals'
import type { HostRoute } from '../../../src/lib/router/operation.js'
import { parseRelayBody, relayOperation } from '../../../src/lib/router/relay-body.js'

const nested = (depth: number): unknown => (depth === 0 ? 1 : { in: nested(depth - 1) })
const messages = [{ role: 'user', content: 'hi' }]
const chat = (fields: object = {}) => parseRelayBody('chat/completions', { messages, ...fields })

/** The smallest body of each route. */
const SMALLEST: Readonly<Record<HostRoute, Readonly<Record<string, unknown>>>> = {
  'chat/completions': { messages },
  completions: { prompt: 'hi' },
  embeddings: { input: 'hi' },
}
const ROUTES = Object.keys(SMALLEST) as HostRoute[]

const refusal = (message: string) =>
  expect.objectContaining({ code: 'TASK_INVALID', message: expect.stringContaining(message) })

describe('a body that is handed on', () => {
  it.each(ROUTES)('leaves everything to the service where it says nothing: %s', (route) => {
    expect(parseRelayBody(route, SMALLEST[route])).toEqual({
      route,
      model: null,
      isStream: false,
      wantsUsage: false,
      maxTokens: null,
      fields: SMALLEST[route],
      texts: ['hi'],
      inputTokens: 0,
    })
  })

  it('holds what a chat may say to a host', () => {
    const fields = {
      temperature: 0.5,
      top_p: 1,
      top_k: 4,
      min_p: 0.1,
      frequency_penalty: 0.1,
      presence_penalty: -0.1,
      repetition_penalty: 1.1,
      seed: 7,
      stop: ['END'],
      logit_bias: { 50256: -100 },
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: {} } },
      tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
      logprobs: true,
      top_logprobs: 2,
      reasoning_effort: 'low',
      verbosity: 'low',
      chat_template_kwargs: { enable_thinking: false, thinking: null, thinking_budget: 8 },
    }

    expect(chat(fields).fields).toEqual({ ...fields, messages })
  })

  it('holds what an older completion and what embeddings may say', () => {
    const text = { prompt: ['hi'], suffix: '!', echo: true, logprobs: 1, stop: 'x' }
    const embedding = { input: ['a', 'b'], encoding_format: 'base64', dimensions: 3 }

    expect(parseRelayBody('completions', text)).toMatchObject({ fields: text, texts: ['hi'] })
    expect(parseRelayBody('embeddings', embedding)).toMatchObject({ fields: embedding, texts: ['a', 'b'] })
  })

  it('keeps model, limit and stream apart, which the service decides', () => {
    const body = chat({
      model: 'tiny',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 5,
      n: 1,
      best_of: 1,
    })

    expect(body).toMatchObject({ model: 'tiny', isStream: true, wantsUsage: true, maxTokens: 5 })
    expect(body.fields).toEqual({ messages })
  })

  it('drops what is meant for the maker of a service, and whatever is null', () => {
    const body = chat({
      user: 'me',
      metadata: { trace: '1' },
      store: false,
      service_tier: 'auto',
      safety_identifier: 'a',
      prompt_cache_key: 'b',
      prompt_cache_retention: '24h',
      temperature: null,
      stream: null,
      stream_options: null,
      max_tokens: null,
      model: null,
      functions: null,
      user_agent: null,
    })

    expect(body).toMatchObject({ fields: { messages }, isStream: false, wantsUsage: false })
  })

  it('has the newer of two limits', () => {
    expect(chat({ max_tokens: 9, max_completion_tokens: 4 }).maxTokens).toBe(4)
    expect(chat({ max_completion_tokens: null, max_tokens: 9 }).maxTokens).toBe(9)
  })

  it.each([
    [{ stream_options: {} }, false],
    [{ stream_options: { include_usage: false } }, false],
    [{ stream_options: { include_usage: null } }, false],
    [{ stream_options: { include_usage: true, include_obfuscation: false } }, true],
  ])('wants the usage with %j: %s', (fields, wantsUsage) => {
    expect(chat({ stream: true, ...fields }).wantsUsage).toBe(wantsUsage)
  })

  it('counts tokens that are given in the place of text', () => {
    expect(parseRelayBody('embeddings', { input: [0, 15_339, 1_917] })).toMatchObject({
      texts: [],
      inputTokens: 3,
    })
  })
})

describe('a body is refused', () => {
  it.each([null, 'text', 5, true, [], [SMALLEST.completions]])(
    'by every route when it is no object: %j',
    (body) => {
      for (const route of ROUTES) {
        expect(() => parseRelayBody(route, body)).toThrow(refusal('has to be a JSON object'))
      }
    },
  )

  /** Fields with a value of the wrong type, and the routes that know them. */
  const WRONG: readonly (readonly [string, unknown, readonly HostRoute[]])[] = [
    ['model', 5, ROUTES],
    ['model', '', ROUTES],
    ['model', ['tiny'], ROUTES],
    ['stream', 'true', ROUTES],
    ['stream', 1, ROUTES],
    ['stream_options', true, ROUTES],
    ['stream_options', [], ROUTES],
    ['stream_options', { include_usage: 'yes' }, ROUTES],
    ['stream_options', { continuous_usage_stats: true }, ROUTES],
    ['n', 2, ROUTES],
    ['n', 0, ROUTES],
    ['n', '1', ROUTES],
    ['best_of', 3, ROUTES],
    ['user', 5, ROUTES],
    ['metadata', 'x', ROUTES],
    ['metadata', nested(40), ROUTES],
    ['store', 'no', ROUTES],
    ['service_tier', {}, ROUTES],
    ['safety_identifier', 1, ROUTES],
    ['prompt_cache_key', [], ROUTES],
    ['max_tokens', 0, ROUTES],
    ['max_tokens', '5', ROUTES],
    ['max_tokens', 1.5, ROUTES],
    ['max_tokens', 1e300, ROUTES],
    ['max_completion_tokens', -1, ROUTES],
    ['temperature', '0.5', ['chat/completions', 'completions']],
    ['top_p', {}, ['chat/completions', 'completions']],
    ['top_k', 0.5, ['chat/completions', 'completions']],
    ['seed', 1e20, ['chat/completions', 'completions']],
    ['stop', [1], ['chat/completions', 'completions']],
    ['stop', Array(17).fill('x'), ['chat/completions', 'completions']],
    ['logit_bias', [1], ['chat/completions', 'completions']],
    ['logprobs', 1, ['chat/completions']],
    ['logprobs', true, ['completions']],
    ['response_format', 'json', ['chat/completions']],
    ['response_format', nested(40), ['chat/completions']],
    ['tools', {}, ['chat/completions']],
    ['tools', ['weather'], ['chat/completions']],
    ['tools', Array(129).fill({}), ['chat/completions']],
    ['tool_choice', 5, ['chat/completions']],
    ['parallel_tool_calls', 'no', ['chat/completions']],
    ['reasoning_effort', 3, ['chat/completions']],
    ['verbosity', [], ['chat/completions']],
    ['chat_template_kwargs', 'x', ['chat/completions']],
    ['suffix', 5, ['completions']],
    ['echo', 'x', ['completions']],
    ['encoding_format', 'hex', ['embeddings']],
    ['dimensions', '3', ['embeddings']],
  ]

  it.each(WRONG)('for a wrong %s: %j', (name, value, routes) => {
    for (const route of routes) {
      const body = { ...SMALLEST[route], [name]: value }

      expect(() => parseRelayBody(route, body)).toThrow(refusal(`\`${name}`))
    }
  })

  it('when one of two limits is wrong', () => {
    expect(() => chat({ max_completion_tokens: 5, max_tokens: 'x' })).toThrow(refusal('`max_tokens`'))
  })

  it.each([
    'api_base',
    'base_url',
    'api_key',
    'custom_llm_provider',
    'functions',
    'function_call',
    'modalities',
    'audio',
    'web_search_options',
    'guided_regex',
    'lora_request',
    'extra_body',
    'messages[0]',
    'constructor',
    'toString',
    'hasOwnProperty',
  ])('by every route for the field %s, which is on no list', (name) => {
    for (const route of ROUTES) {
      const body = { ...SMALLEST[route], [name]: {} }

      expect(() => parseRelayBody(route, body)).toThrow(refusal(`The field \`${name}\` is not supported.`))
    }
  })

  it('for a field named __proto__', () => {
    const body: unknown = JSON.parse('{"prompt":"hi","__proto__":{"stream":true}}')

    expect(() => parseRelayBody('completions', body)).toThrow(refusal('`__proto__`'))
  })

  it('without repeating a name that has no end', () => {
    expect(() => chat({ ['secret'.repeat(1_000)]: 1 })).toThrow(
      expect.objectContaining({
        message: `The field \`${'secret'.repeat(11).slice(0, 64)}\` is not supported.`,
      }),
    )
  })

  it.each(['chat_template', 'tokenize', 'add_generation_prompt', 'tools', '__proto__'])(
    'for what would change how a host makes its prompt: %s',
    (name) => {
      const settings: unknown = JSON.parse(`{"${name}":true}`)

      expect(() => chat({ chat_template_kwargs: settings })).toThrow(
        refusal(`\`chat_template_kwargs.${name}\``),
      )
    },
  )

  it.each([
    ['no prompt', {}],
    ['an empty prompt', { prompt: '' }],
    ['a number', { prompt: 5 }],
    ['tokens', { prompt: [1, 2] }],
    ['no prompts', { prompt: [] }],
    ['several prompts, which would be several requests', { prompt: ['a', 'b'] }],
    ['a prompt in two lists', { prompt: [['a']] }],
  ])('as a completion for %s', (_what, body) => {
    expect(() => parseRelayBody('completions', body)).toThrow(refusal('`prompt`'))
  })

  it.each([
    ['no input', {}],
    ['an empty input', { input: '' }],
    ['an empty list', { input: [] }],
    ['an object', { input: {} }],
    ['texts and tokens', { input: ['a', 1] }],
    ['lists of tokens', { input: [[1], [2]] }],
    ['tokens that are no whole numbers', { input: [1.5] }],
    ['tokens below zero', { input: [-1] }],
    ['too many texts', { input: Array(2_049).fill('a') }],
    ['too many tokens', { input: Array(8_193).fill(1) }],
  ])('as an embedding for %s', (_what, body) => {
    expect(() => parseRelayBody('embeddings', body)).toThrow(refusal('`input`'))
  })

  it('as an embedding that wants to be streamed or limited', () => {
    expect(() => parseRelayBody('embeddings', { input: 'a', stream: true })).toThrow(refusal('streamed'))
    expect(() => parseRelayBody('embeddings', { input: 'a', max_tokens: 5 })).toThrow(refusal('max_tokens'))
  })
})

describe('the operation of a body', () => {
  const limits = { promptTokens: 3, maxTokens: 5 }

  it.each(ROUTES)('asks a host for what the body says: %s', (route) => {
    const body = parseRelayBody(route, { ...SMALLEST[route], model: 'tiny' })

    expect(relayOperation(body, limits)).toMatchObject({ route, body: SMALLEST[route], ...limits })
  })

  it('reads answers and pieces of its own kind', () => {
    const operations = ROUTES.map((route) => relayOperation(parseRelayBody(route, SMALLEST[route]), limits))
    const [chats, texts, embeddings] = operations
    const bodies = [
      { choices: [{ message: { content: 'a' } }] },
      { choices: [{ text: 'b' }] },
      { data: [{ embedding: [1] }], usage: { prompt_tokens: 2 } },
    ]

    expect(operations.map(({ read }, at) => read(bodies[at], 'h').text)).toEqual(['a', 'b', ''])
    expect(embeddings?.read(bodies[2], 'h').usage).toMatchObject({ promptTokens: 2, completionTokens: 0 })
    expect(chats?.readChunk({ choices: [{ delta: { content: 'c' } }] }, 'h').text).toBe('c')
    expect(texts?.readChunk({ choices: [{ text: 'd' }] }, 'h').text).toBe('d')
  })
})
