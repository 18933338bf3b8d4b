import { afterEach, describe, expect, it } from '@jest/globals'
import {
  type HostAnswer,
  completion,
  createGate,
  cut,
  events,
  json,
  silence,
  stream,
} from '../../helpers/fake-host.js'
import { parseExposition, valueOf } from '../../helpers/exposition.js'
import {
  type OpenAiWorld,
  askChat,
  bearer,
  clientNumber,
  createOpenAiWorld,
  dataOfEvents,
  keyNumber,
} from '../../helpers/openai-world.js'
import { hostOf, routeOf } from '../../helpers/hosts.js'
import { tinyModel } from '../../helpers/service-world.js'
import { until } from '../../helpers/until.js'

const worlds: OpenAiWorld[] = []

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})

async function setUp(
  answers: readonly HostAnswer[],
  parts: Parameters<typeof createOpenAiWorld>[1] = {},
): Promise<OpenAiWorld> {
  const world = await createOpenAiWorld(answers, parts)
  worlds.push(world)
  return world
}

const usage = (prompt_tokens: unknown, completion_tokens: unknown) => ({ prompt_tokens, completion_tokens })
const ok = completion('They sleep.', usage(14, 6))
/** A word is a token. */
const words = new Map([['tiny', { count: (text: string) => text.split(' ').filter(Boolean).length }]])

const errorOf = async (response: Response) =>
  ((await response.json()) as { error: Record<string, unknown> }).error
const usageOf = async (world: OpenAiWorld) =>
  (await (await world.get('/v1/usage')).json()) as { rows: unknown[]; total: Record<string, unknown> }
const metricsOf = async (world: OpenAiWorld) =>
  parseExposition(await (await fetch(`${world.url}/metrics`)).text())

describe('a chat', () => {
  it('is answered with what the host said, under the name of the model here', async () => {
    const world = await setUp([ok])

    const response = await askChat(world, { temperature: 0.5, max_tokens: 9, user: 'me' })

    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      model: 'tiny',
      choices: [{ index: 0, message: { role: 'assistant', content: 'They sleep.' }, finish_reason: 'stop' }],
      usage: usage(14, 6),
    })
    expect(world.host.requests[0]).toMatchObject({
      path: '/v1/chat/completions',
      body: {
        model: 'org/tiny',
        messages: [{ role: 'user', content: 'hi' }],
        temperature: 0.5,
        max_tokens: 9,
        stream: false,
      },
    })
  })

  it('tells the host nothing of the client: neither its key nor its user', async () => {
    const world = await setUp([ok])

    await askChat(world, { user: 'ann', metadata: { trace: 'x' } }, { headers: { 'x-own': 'y' } })

    const { headers, body } = world.host.requests[0] ?? { headers: {}, body: {} }
    expect(headers).not.toHaveProperty('authorization')
    expect(headers).not.toHaveProperty('x-own')
    expect(JSON.stringify(body)).not.toMatch(/ann|trace/)
  })

  it.each(['tiny', 'gpt-4o-mini', `0x${'A1'.repeat(32)}`, null])(
    'finds its model by each of its names, and the only one without: %s',
    async (model) => {
      const world = await setUp([ok])

      const response = await askChat(world, { model })

      expect(await response.json()).toMatchObject({ model: 'tiny' })
    },
  )

  it.each([
    [{}, 100],
    [{ max_tokens: 7 }, 7],
    [{ max_tokens: 5_000 }, 100],
    [{ max_completion_tokens: 8, max_tokens: 9 }, 8],
  ])('is limited by what the model allows: %j', async (fields, limit) => {
    const world = await setUp([ok])

    await askChat(world, fields)

    expect(world.host.requests[0]?.body).toMatchObject({ max_tokens: limit })
  })

  it('hands on tools and their calls, both ways', async () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } }
    const message = { role: 'assistant', content: null, tool_calls: [call] }
    const world = await setUp([
      json(200, { choices: [{ index: 0, message, finish_reason: 'tool_calls' }], usage: usage(9, 4) }),
    ])
    const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }]
    const messages = [
      { role: 'user', content: 'Will it rain?' },
      message,
      { role: 'tool', tool_call_id: 'call_1', content: 'no' },
    ]

    const response = await askChat(world, { messages, tools, tool_choice: 'auto' })

    expect(await response.json()).toMatchObject({ choices: [{ message, finish_reason: 'tool_calls' }] })
    expect(world.host.requests[0]?.body).toMatchObject({ messages, tools, tool_choice: 'auto' })
  })

  it('is counted here when the host reports no usage', async () => {
    const world = await setUp([completion('They sleep all day.', null)], { counters: words })

    const response = await askChat(world, { messages: [{ role: 'user', content: 'What do bees do?' }] })

    expect(await response.json()).toMatchObject({
      usage: { prompt_tokens: 4, completion_tokens: 4, total_tokens: 8 },
    })
    expect((await usageOf(world)).total).toMatchObject({
      promptTokens: 4,
      completionTokens: 4,
      sources: { host: 0, tokenizer: 1, none: 0 },
    })
  })

  it.each([null, usage(-1, 5), 'many'])('has no usage when nobody knows it: %j', async (reported) => {
    const world = await setUp([completion('Yes.', reported)])

    const body: unknown = await (await askChat(world)).json()

    expect(body).not.toHaveProperty('usage')
    expect((await usageOf(world)).total).toMatchObject({ requests: 1, errors: 0, sources: { none: 1 } })
  })
})

describe('an older completion', () => {
  it('is asked of the route of its own', async () => {
    const answer = { object: 'text_completion', choices: [{ index: 0, text: ' sleep.' }], usage: usage(3, 2) }
    const world = await setUp([json(200, answer)])

    const response = await world.post('/v1/completions', { model: 'tiny', prompt: 'Bees', echo: false })

    expect(await response.json()).toEqual({ ...answer, model: 'tiny' })
    expect(world.host.requests[0]).toMatchObject({
      path: '/v1/completions',
      body: { model: 'org/tiny', prompt: 'Bees', echo: false, max_tokens: 100 },
    })
  })

  it('is streamed', async () => {
    const chunk = (text: string, finish_reason: string | null = null) => ({
      id: 'cmpl-1',
      choices: [{ index: 0, text, finish_reason }],
    })
    const world = await setUp([
      events(chunk('a'), chunk('b'), chunk('', 'stop'), { choices: [], usage: usage(3, 2) }),
    ])

    const response = await world.post('/v1/completions', {
      prompt: 'Bees',
      stream: true,
      stream_options: { include_usage: true },
    })

    expect(dataOfEvents(await response.text())).toEqual([
      { ...chunk('a'), model: 'tiny' },
      { ...chunk('b'), model: 'tiny' },
      { ...chunk('', 'stop'), model: 'tiny' },
      expect.objectContaining({ id: 'cmpl-1', object: 'text_completion', choices: [], model: 'tiny' }),
      '[DONE]',
    ])
  })
})

describe('embeddings', () => {
  const answer = {
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding: [0.5, -1] }],
    usage: { prompt_tokens: 3, total_tokens: 3 },
  }

  it.each([
    ['a text', 'hi'],
    ['texts', ['hi', 'ho']],
    ['tokens', [1, 2, 3]],
  ])('are made of %s', async (_what, input) => {
    const world = await setUp([json(200, answer)])

    const response = await world.post('/v1/embeddings', { model: 'tiny', input, dimensions: 2 })

    expect(await response.json()).toEqual({ ...answer, model: 'tiny' })
    expect(world.host.requests[0]).toMatchObject({ path: '/v1/embeddings', body: { input, dimensions: 2 } })
    expect(world.host.requests[0]?.body).not.toHaveProperty('max_tokens')
    expect((await usageOf(world)).total).toMatchObject({ promptTokens: 3, completionTokens: 0 })
  })
})

describe('a streamed chat', () => {
  it('is handed on piece by piece, without the usage', async () => {
    const world = await setUp([stream(['Hel', 'lo'])])

    const response = await askChat(world, { stream: true })

    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const piece = (content: string) => ({
      choices: [{ index: 0, delta: { content }, finish_reason: null }],
      model: 'tiny',
    })
    expect(dataOfEvents(await response.text())).toEqual([
      piece('Hel'),
      piece('lo'),
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], model: 'tiny' },
      '[DONE]',
    ])
    expect((await usageOf(world)).total).toMatchObject({ promptTokens: 5, completionTokens: 2, errors: 0 })
  })

  it('ends with the usage, when that is asked for', async () => {
    const world = await setUp([stream(['Hel', 'lo'], usage(5, 2))])

    const response = await askChat(world, { stream: true, stream_options: { include_usage: true } })

    const [last, done] = dataOfEvents(await response.text()).slice(-2)
    expect(last).toMatchObject({
      object: 'chat.completion.chunk',
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    })
    expect(done).toBe('[DONE]')
  })

  it('ends with what was counted here when the host reports nothing', async () => {
    const world = await setUp([stream(['They ', 'sleep'], null)], { counters: words })

    const response = await askChat(world, { stream: true, stream_options: { include_usage: true } })

    expect(dataOfEvents(await response.text()).at(-2)).toMatchObject({
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    })
  })

  it('ends without usage that nobody knows', async () => {
    const world = await setUp([stream(['Hello'], null)])

    const response = await askChat(world, { stream: true, stream_options: { include_usage: true } })

    const data = dataOfEvents(await response.text())
    expect(data.at(-1)).toBe('[DONE]')
    expect(JSON.stringify(data)).not.toContain('usage')
  })

  it('sends the first piece while the host still thinks about the second', async () => {
    const world = await setUp([stream(['first'], null, 'silence')])

    const response = await askChat(world, { stream: true })
    const reader = response.body?.getReader()
    const piece = await reader?.read()

    expect(Buffer.from((piece?.value ?? []) as Uint8Array).toString()).toContain('first')
    await reader?.cancel()
  })

  it('hands on pieces of calls of tools', async () => {
    const delta = { tool_calls: [{ index: 0, id: 'call_1', function: { name: 'weather', arguments: '{' } }] }
    const chunk = { id: 'c', choices: [{ index: 0, delta, finish_reason: null }] }
    const last = { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }
    const world = await setUp([events(chunk, last)])

    const response = await askChat(world, { stream: true })

    expect(dataOfEvents(await response.text())).toEqual([
      { ...chunk, model: 'tiny' },
      { ...last, model: 'tiny' },
      '[DONE]',
    ])
  })

  it('is an empty one when the host says nothing', async () => {
    const world = await setUp([events()])

    const response = await askChat(world, { stream: true })

    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(await response.text()).toBe('data: [DONE]\n\n')
  })

  it('has an end of its own where a container streams bare text', async () => {
    const world = await setUp([])
    const container = tinyModel({ kind: 'infernet', baseUrl: world.host.url })
    const other = await setUp([], { models: [container] })
    world.host.answerWith((response) => response.writeHead(200).end('They sleep.'))

    const response = await askChat(other, { stream: true })

    const data = dataOfEvents(await response.text())
    expect(data.slice(-2)).toEqual([
      expect.objectContaining({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
      '[DONE]',
    ])
    expect(data[0]).toMatchObject({
      choices: [{ delta: { role: 'assistant', content: 'They sleep.' } }],
      model: 'tiny',
    })
  })

  it.each([
    ['with a status', json(500, {}), 502, 'host_failed'],
    ['by refusing it', json(400, {}), 422, 'host_rejected'],
    ['before the first word', stream([], null, 'cut'), 502, 'host_unreachable'],
  ])('that fails %s is an error and no stream', async (_what, answer, status, code) => {
    const world = await setUp([answer])

    const response = await askChat(world, { stream: true })

    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await errorOf(response)).toMatchObject({ code })
  })

  it.each([
    ['cuts the connection', stream(['half'], null, 'cut'), 'host_unreachable'],
    [
      'reports a failure',
      events({ choices: [{ delta: { content: 'half' } }] }, { error: {} }),
      'host_failed',
    ],
    ['sends what is no chunk', events({ choices: [{ delta: { content: 'half' } }] }, 7), 'host_not_ready'],
  ])('ends with an error and without [DONE] when the host %s midway', async (_what, answer, code) => {
    const world = await setUp([answer], { counters: words })

    const response = await askChat(world, { stream: true })
    const data = dataOfEvents(await response.text())

    expect(response.status).toBe(200)
    expect(data.at(-1)).toMatchObject({ error: { code, type: 'server_error', message: expect.any(String) } })
    expect(data).not.toContain('[DONE]')
    expect((await usageOf(world)).total).toMatchObject({
      requests: 1,
      errors: 1,
      promptTokens: 1,
      completionTokens: 1,
    })
    const labels = { route: '/v1/chat/completions', model: 'tiny', status: '502' }
    expect(valueOf(await metricsOf(world), 'flock_requests_total', labels)).toBe(1)
  })

  it('stops the host when the client goes away, and counts what was said', async () => {
    const world = await setUp([stream(['one two'], null, 'silence')], { counters: words })
    const response = await askChat(world, { stream: true })
    const reader = response.body?.getReader()
    await reader?.read()

    await reader?.cancel()

    await until(() => world.host.abandoned() === 1)
    await until(() => world.records.some(({ message }) => message === 'A request of a client failed.'))
    expect((await usageOf(world)).total).toMatchObject({ requests: 1, errors: 1, completionTokens: 2 })
    const labels = { route: '/v1/chat/completions', status: '499' }
    expect(valueOf(await metricsOf(world), 'flock_requests_total', labels)).toBe(1)
  })

  it('is cut when the client takes nothing of it', async () => {
    const pieces = Array<string>(400).fill('x'.repeat(20_000))
    const world = await setUp([stream(pieces, null, 'silence')], { stallMs: 100 })

    const response = await askChat(world, { stream: true })

    await until(() => world.records.some(({ message }) => message === 'A request of a client failed.'))
    await until(() => world.host.abandoned() === 1)
    await expect(response.text()).rejects.toThrow()
  })
})

describe('keys', () => {
  const ROUTES = [
    ['POST', '/v1/chat/completions'],
    ['POST', '/v1/completions'],
    ['POST', '/v1/embeddings'],
    ['GET', '/v1/models'],
    ['GET', '/v1/models/tiny'],
    ['GET', '/v1/usage'],
  ] as const

  it.each(ROUTES)('are asked for: %s %s', async (method, path) => {
    const world = await setUp([ok])

    const response = await fetch(world.url + path, { method })

    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
    expect(await errorOf(response)).toEqual({
      message: 'No API key was provided. Send it as "authorization: Bearer <key>", "api-key" or "x-api-key".',
      type: 'invalid_request_error',
      param: null,
      code: 'invalid_api_key',
    })
    expect(world.host.requests).toHaveLength(0)
  })

  it.each(ROUTES)('have to be right: %s %s', async (method, path) => {
    const world = await setUp([ok])

    const response = await fetch(world.url + path, { method, headers: bearer('flock-sk-wrong-one') })

    expect(response.status).toBe(401)
    expect(await errorOf(response)).toMatchObject({ message: 'Incorrect API key provided.' })
  })

  it('are not asked for where nobody has one, and everybody is one client', async () => {
    const world = await setUp([ok], { clients: [] })

    const response = await askChat(world, {}, { headers: { authorization: '' } })

    expect(response.status).toBe(200)
    expect((await usageOf(world)).rows).toMatchObject([{ client: 'anonymous', requests: 1 }])
  })

  it.each(ROUTES)('cannot open routes that are closed: %s %s', async (method, path) => {
    const world = await setUp([ok], { clients: [], isClosed: true })

    const response = await fetch(world.url + path, { method, headers: bearer(keyNumber(1).key) })

    expect(response.status).toBe(403)
    expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code: 'no_clients' })
  })

  it('are never logged', async () => {
    const world = await setUp([json(500, {})])

    await askChat(world)
    await askChat(world, {}, { headers: bearer('flock-sk-wrong-one') })

    expect(JSON.stringify(world.records)).not.toMatch(/flock-sk-/)
  })
})

describe('models', () => {
  const both = async (clients = [clientNumber(1), clientNumber(2, { models: ['large'] })]) => {
    const host = hostOf({})
    const models = [
      tinyModel({}, { aliases: ['org/tiny'] }),
      tinyModel(
        {},
        { name: 'large', modelId: `0x${'c3'.repeat(32)}`, route: { ...routeOf([host]), name: 'large' } },
      ),
    ]
    return setUp([ok], { models, clients })
  }
  const described = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'flock' })

  it('are listed, those alone that the client may use', async () => {
    const world = await both()

    const all: unknown = await (await world.get('/v1/models')).json()
    const some: unknown = await (await world.get('/v1/models', keyNumber(2).key)).json()

    expect(all).toEqual({ object: 'list', data: [described('tiny'), described('large')] })
    expect(some).toEqual({ object: 'list', data: [described('large')] })
  })

  it.each(['tiny', 'org/tiny', 'org%2Ftiny', `0x${'a1'.repeat(32)}`])(
    'are described one by one: %s',
    async (name) => {
      const world = await both()

      expect(await (await world.get(`/v1/models/${name}`)).json()).toEqual(described('tiny'))
    },
  )

  it.each(['huge', '%zz', 'tiny/'])('are not found when they are not there: %s', async (name) => {
    const world = await both()

    const response = await world.get(`/v1/models/${name}`)

    expect(response.status).toBe(404)
    expect(await errorOf(response)).toMatchObject({ code: 'model_not_found', param: 'model' })
  })

  it('are named to nobody who may not use them', async () => {
    const world = await both()

    const one = await world.get('/v1/models/tiny', keyNumber(2).key)
    const asked = await askChat(world, { model: 'huge' }, { headers: bearer(keyNumber(2).key) })

    expect([one.status, asked.status]).toEqual([404, 404])
    expect((await errorOf(one)).message).not.toContain('It serves tiny')
    expect((await errorOf(asked)).message).toBe(
      'This service does not serve the model "huge". It serves large.',
    )
  })

  it('that a client may not use are refused as such', async () => {
    const world = await both()

    const response = await askChat(world, { model: 'org/tiny' }, { headers: bearer(keyNumber(2).key) })

    expect(response.status).toBe(403)
    expect(await errorOf(response)).toMatchObject({ code: 'model_not_found', param: 'model' })
  })

  it('need not be named by who may use a single one', async () => {
    const world = await both()

    const one = await askChat(world, { model: null }, { headers: bearer(keyNumber(2).key) })
    const other = await askChat(world, { model: null })

    expect((await errorOf(one)).code).toBe('host_unreachable')
    expect(await errorOf(other)).toMatchObject({ message: expect.stringContaining('one of tiny, large') })
  })
})

describe('limits of a client', () => {
  const headersOf = ({ headers }: Response) =>
    Object.fromEntries([...headers].filter(([name]) => /ratelimit|retry/.test(name)))

  it('are told with every answer, as they are when it is over', async () => {
    const world = await setUp([ok], {
      clients: [clientNumber(1, { requestsPerMinute: 60, tokensPerMinute: 1_000 })],
    })

    expect(headersOf(await askChat(world))).toEqual({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '980',
      'x-ratelimit-reset-tokens': '1.2s',
    })
  })

  it('refuse requests above the limit, in the words of OpenAI, without a host', async () => {
    const world = await setUp([ok], { clients: [clientNumber(1, { requestsPerMinute: 1 })] })
    await askChat(world)

    const response = await askChat(world)

    expect(response.status).toBe(429)
    expect(headersOf(response)).toMatchObject({
      'x-ratelimit-remaining-requests': '0',
      'retry-after': '60',
      'retry-after-ms': '60000',
    })
    expect(await errorOf(response)).toEqual({
      message: 'The limit of 1 requests a minute is reached. Try again in 1m0s.',
      type: 'requests',
      param: null,
      code: 'rate_limit_exceeded',
    })
    expect(world.host.requests).toHaveLength(1)
  })

  it('refuse before tokens are counted, which takes time', async () => {
    let counted = 0
    const counters = new Map([['tiny', { count: () => (counted += 1) }]])
    const world = await setUp([ok], { counters, clients: [clientNumber(1, { requestsPerMinute: 1 })] })
    await askChat(world)
    const before = counted

    await askChat(world)

    expect(counted).toBe(before)
  })

  it('reserve what a request may use at most, and charge what it used', async () => {
    const gate = createGate()
    const world = await setUp([gate.hold(ok)], { clients: [clientNumber(1, { tokensPerMinute: 150 })] })
    const first = askChat(world)
    await until(() => gate.held() === 1)

    const refused = await askChat(world)
    gate.open()
    const later = await first.then(async () => askChat(world))

    expect(refused.status).toBe(429)
    expect((await errorOf(refused)).message).toBe(
      'The limit of 150 tokens a minute is reached: the request may use 101, 49 are left. Try again in 20.8s.',
    )
    expect(later.status).toBe(200)
    expect(headersOf(later)['x-ratelimit-remaining-tokens']).toBe('110')
  })

  it('never let a request through that may use more than a minute has', async () => {
    const world = await setUp([ok], { clients: [clientNumber(1, { tokensPerMinute: 50 })] })

    const response = await askChat(world)

    expect(headersOf(response)).toMatchObject({ 'x-should-retry': 'false' })
    expect(await errorOf(response)).toMatchObject({ type: 'tokens' })
    expect((await usageOf(world)).total).toMatchObject({ requests: 1, errors: 1, sources: { none: 1 } })
  })

  it.each([
    ['give back everything when no host did any work', json(500, {}), '150'],
    ['keep the estimate when the usage is unknown', completion('Yes.', null), '49'],
  ])('%s', async (_what, answer, left) => {
    const world = await setUp([answer], { clients: [clientNumber(1, { tokensPerMinute: 150 })] })

    const response = await askChat(world)

    expect(headersOf(response)['x-ratelimit-remaining-tokens']).toBe(left)
  })

  it.each([
    ['a whole answer', false],
    ['a stream before its first word', true],
  ])('keep the estimate of %s whose client went away while a host worked', async (_what, isStream) => {
    const world = await setUp([silence], { clients: [clientNumber(1, { tokensPerMinute: 150 })] })
    const gone = new AbortController()
    const pending = askChat(world, { stream: isStream }, { signal: gone.signal }).catch(() => undefined)
    await until(() => world.host.requests.length === 1)

    gone.abort()
    await pending
    await until(() => world.records.some(({ message }) => message === 'A request of a client failed.'))

    expect(headersOf(await askChat(world))['x-ratelimit-remaining-tokens']).toBe('49')
  })

  it('charge a stream when it is over', async () => {
    const world = await setUp([stream(['Hello'], usage(10, 20)), ok], {
      clients: [clientNumber(1, { tokensPerMinute: 1_000 })],
    })

    const first = await askChat(world, { stream: true })
    await first.text()
    const second = await askChat(world)

    expect(headersOf(first)['x-ratelimit-remaining-tokens']).toBe('899')
    expect(headersOf(second)['x-ratelimit-remaining-tokens']).toBe('950')
  })

  it('free the place of a request when it ends, however it ends', async () => {
    const gate = createGate()
    const clients = [clientNumber(1, { maxConcurrent: 1 })]
    const world = await setUp([gate.hold(json(500, {})), cut(), stream(['x'], null, 'cut'), ok], { clients })
    const first = askChat(world)
    await until(() => gate.held() === 1)

    const refused = await askChat(world)
    gate.open()
    await first
    await askChat(world)
    await (await askChat(world, { stream: true })).text()
    const last = await askChat(world)

    expect(refused.status).toBe(429)
    expect(headersOf(refused)).toEqual({ 'retry-after': '1', 'retry-after-ms': '1000' })
    expect(last.status).toBe(200)
  })

  it('are those of each client alone', async () => {
    const world = await setUp([ok], { clients: [clientNumber(1, { requestsPerMinute: 1 }), clientNumber(2)] })
    await askChat(world)

    const other = await askChat(world, {}, { headers: bearer(keyNumber(2).key) })

    expect(other.status).toBe(200)
    expect((await askChat(world)).status).toBe(429)
  })
})

describe('a request is refused', () => {
  it.each<[string, string, unknown, number, string]>([
    ['that is no JSON', 'chat/completions', '{', 400, 'task_invalid'],
    ['that is no object', 'embeddings', [], 400, 'task_invalid'],
    [
      'with an unknown field',
      'chat/completions',
      { messages: [], api_base: 'http://x' },
      400,
      'task_invalid',
    ],
    ['for several answers', 'completions', { prompt: 'hi', n: 2 }, 400, 'task_invalid'],
    [
      'with the address of an image',
      'chat/completions',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://169.254.169.254/' } }] },
        ],
      },
      400,
      'task_invalid',
    ],
    ['for a model that is not there', 'embeddings', { model: 'huge', input: 'hi' }, 404, 'model_not_found'],
    ['that is too large', 'completions', { prompt: 'x'.repeat(70_000) }, 413, 'body_too_large'],
    ['with a prompt that is too long', 'completions', { prompt: 'x'.repeat(4_001) }, 400, 'task_invalid'],
    ['with too many tokens', 'embeddings', { input: Array(1_001).fill(1) }, 400, 'task_invalid'],
  ])('%s, without a host: /v1/%s', async (_what, route, body, status, code) => {
    const world = await setUp([ok])

    const response = await world.post(`/v1/${route}`, body)

    expect(response.status).toBe(status)
    expect(await errorOf(response)).toEqual({
      message: expect.stringMatching(/\w+ .*\./),
      type: 'invalid_request_error',
      param: code === 'model_not_found' ? 'model' : null,
      code,
    })
    expect(world.host.requests).toHaveLength(0)
  })

  it('in the words of OpenAI where there is no such route or method', async () => {
    const world = await setUp([ok])

    const missing = await world.get('/v1/responses')
    const wrong = await world.get('/v1/chat/completions')

    expect(missing.status).toBe(404)
    expect(await errorOf(missing)).toMatchObject({ code: 'task_not_found', type: 'invalid_request_error' })
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('POST')
    expect(await errorOf(wrong)).toMatchObject({ code: 'method_not_allowed' })
  })

  it('with the time to wait while all hosts are full', async () => {
    const world = await setUp([
      (response, request) => json(429, {})(response.setHeader('retry-after', '7'), request),
    ])

    const response = await askChat(world)

    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(await errorOf(response)).toMatchObject({ code: 'rate_limit_exceeded', type: 'requests' })
  })

  it('without the prompt in the log', async () => {
    const world = await setUp([json(500, {})])

    await askChat(world, { messages: [{ role: 'user', content: 'secret words' }] })
    await askChat(world, { messages: 'secret words' })
    await world.post('/v1/completions', '{"prompt":"secret words"')

    expect(world.records.length).toBeGreaterThan(2)
    expect(JSON.stringify(world.records)).not.toContain('secret')
  })
})

describe('the usage of a client', () => {
  it('is told to it alone, by day and model', async () => {
    const world = await setUp(
      [completion('a', { ...usage(14, 6), prompt_tokens_details: { cached_tokens: 4 } })],
      {
        clients: [clientNumber(1), clientNumber(2)],
      },
    )
    await askChat(world)
    await askChat(world)
    await askChat(world, {}, { headers: bearer(keyNumber(2).key) })

    const report: unknown = await (await world.get('/v1/usage')).json()

    const counts = {
      requests: 2,
      errors: 0,
      promptTokens: 28,
      completionTokens: 12,
      cachedTokens: 8,
      reasoningTokens: 0,
      sources: { host: 2, tokenizer: 0, none: 0 },
    }
    expect(report).toEqual({
      from: '2026-01-01',
      to: '2026-01-02',
      rows: [{ day: '2026-01-02', client: 'client-1', model: 'tiny', ...counts }],
      total: counts,
    })
  })

  it.each([
    ['?from=2026-01-03&to=2026-01-04', 0],
    ['?from=2026-01-02', 1],
    ['?to=2026-01-01', 0],
    ['?client=client-2', 1],
  ])('is that of the days asked for: %s', async (query, rows) => {
    const world = await setUp([ok])
    await askChat(world)

    const report = (await (await world.get(`/v1/usage${query}`)).json()) as { rows: unknown[] }

    expect(report.rows).toHaveLength(rows)
  })

  it.each(['?from=yesterday', '?from=2026-02-30', '?from=', '?from=2026-01-02&to=2026-01-01'])(
    'is not told for days that are none: %s',
    async (query) => {
      const world = await setUp([])

      const response = await world.get(`/v1/usage${query}`)

      expect(response.status).toBe(400)
      expect(await errorOf(response)).toMatchObject({ code: 'usage_invalid' })
    },
  )

  it('counts against the limit of requests, and not against others', async () => {
    const limits = { requestsPerMinute: 2, tokensPerMinute: 1, maxConcurrent: 1 }
    const world = await setUp([], { clients: [clientNumber(1, limits)] })

    const [first, second, third] = [
      await world.get('/v1/usage'),
      await world.get('/v1/usage'),
      await world.get('/v1/usage'),
    ]

    expect([first.status, second.status, third.status]).toEqual([200, 200, 429])
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1')
    expect(third.headers.get('retry-after')).toBe('30')
    expect(await errorOf(third)).toMatchObject({ code: 'rate_limit_exceeded' })
  })

  it('goes to the metrics as well', async () => {
    const world = await setUp([ok])

    await askChat(world)

    const families = await metricsOf(world)
    const tokens = (kind: string) => valueOf(families, 'flock_tokens_total', { model: 'tiny', kind })
    expect([tokens('prompt'), tokens('completion')]).toEqual([14, 6])
    expect(valueOf(families, 'flock_client_requests_total', { client: 'client-1', outcome: 'ok' })).toBe(1)
  })
})
