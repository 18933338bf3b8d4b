import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import {
  type FakeHost,
  type HostAnswer,
  completion,
  events,
  json,
  silence,
  startFakeHost,
  stream,
} from '../helpers/fake-host.js'
import { type ServedProject, startServedProject } from '../helpers/served-project.js'
import { until } from '../helpers/until.js'

const PATIENCE_MS = 60_000
const KEYS = {
  SHOP_KEY: 'flock-sk-shop-0123456789',
  LAB_KEY: 'flock-sk-lab-0123456789',
  CALM_KEY: 'flock-sk-calm-0123456789',
}
const usage = { prompt_tokens: 14, completion_tokens: 6, total_tokens: 20 }
const question = {
  model: 'tiny',
  messages: [{ role: 'user' as const, content: 'What do bees do in winter?' }],
}
const vector = [0.5, -1, 0.25]

let host: FakeHost
let project: ServedProject

beforeAll(async () => {
  host = await startFakeHost()
  const hosts = [{ id: 'a', baseUrl: host.baseUrl, model: 'org/tiny', healthIntervalMs: 0 }]
  project = await startServedProject(
    {
      models: [
        { name: 'tiny', aliases: ['gpt-4o-mini'], hosts },
        { name: 'boxed', hosts: [{ ...hosts[0], kind: 'infernet', baseUrl: host.url }] },
        { name: 'secret', hosts },
      ],
      service: {
        clients: [
          { name: 'shop', keyEnv: 'SHOP_KEY', models: ['tiny', 'boxed'] },
          { name: 'lab', keyEnv: 'LAB_KEY', requestsPerMinute: 60 },
          { name: 'calm', keyEnv: 'CALM_KEY', tokensPerMinute: 100 },
        ],
      },
    },
    { env: KEYS },
  )
}, PATIENCE_MS)

afterAll(async () => {
  await project.close()
  await host.close()
}, PATIENCE_MS)

beforeEach(() => {
  host.requests.length = 0
})

/** The official client, and what it was answered. */
function connect(apiKey: string, maxRetries = 0) {
  const statuses: number[] = []
  const client = new OpenAI({
    baseURL: `${project.url}/v1`,
    apiKey,
    maxRetries,
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      statuses.push(response.status)
      return response
    },
  })
  return { client, statuses }
}

const shop = () => connect(KEYS.SHOP_KEY).client

async function failureOf(work: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await work
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe("OpenAI's own client", () => {
  it('chats', async () => {
    host.answerWith(completion('They sleep.', usage))

    const answer = await shop().chat.completions.create({ ...question, temperature: 0, max_tokens: 50 })

    expect(answer.choices[0]?.message.content).toBe('They sleep.')
    expect(answer.model).toBe('tiny')
    expect(answer.usage?.total_tokens).toBe(20)
    expect(host.requests[0]?.body).toMatchObject({ model: 'org/tiny', temperature: 0, max_tokens: 50 })
  })

  it('chats by another name of the model', async () => {
    host.answerWith(completion('Yes.', usage))

    const answer = await shop().chat.completions.create({ ...question, model: 'gpt-4o-mini' })

    expect(answer.choices[0]?.message.content).toBe('Yes.')
  })

  it('chats in a stream that ends with the usage', async () => {
    host.answerWith(stream(['They ', 'sleep', '.'], usage))

    const chunks = await shop().chat.completions.create({
      ...question,
      stream: true,
      stream_options: { include_usage: true },
    })
    const all = []
    for await (const chunk of chunks) all.push(chunk)

    expect(all.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('They sleep.')
    expect(all.at(-1)?.usage).toMatchObject({ prompt_tokens: 14, completion_tokens: 6, total_tokens: 20 })
  })

  it('puts the pieces of a stream together', async () => {
    const piece = (delta: object, finish_reason: string | null = null) => ({
      id: 'chatcmpl-1',
      created: 1,
      choices: [{ index: 0, delta, finish_reason }],
    })
    host.answerWith(
      events(
        piece({ role: 'assistant', content: '' }),
        piece({ content: 'They ' }),
        piece({ content: 'sleep.' }),
        piece({}, 'stop'),
        { id: 'chatcmpl-1', created: 1, choices: [], usage },
      ),
    )

    const whole = await shop()
      .chat.completions.stream({ ...question, stream_options: { include_usage: true } })
      .finalChatCompletion()

    expect(whole).toMatchObject({
      id: 'chatcmpl-1',
      choices: [{ finish_reason: 'stop', message: { role: 'assistant', content: 'They sleep.' } }],
      usage: { total_tokens: 20 },
    })
  })

  it('chats with a container of Infernet, whole and in a stream', async () => {
    host.answerWith(json(200, { output: 'They sleep.', usage }), (response) => {
      response.writeHead(200).write('They ', () => response.end('sleep.'))
    })
    const client = shop()
    const boxed = { ...question, model: 'boxed' }

    const whole = await client.chat.completions.create(boxed)
    const pieces = await client.chat.completions.stream(boxed).finalChatCompletion()

    const message = { role: 'assistant', content: 'They sleep.' }
    expect(whole).toMatchObject({ choices: [{ finish_reason: 'stop', message }], usage })
    expect(pieces).toMatchObject({ choices: [{ finish_reason: 'stop', message }] })
    expect(host.requests.map(({ path }) => path)).toEqual(['/service_output', '/service_output'])
  })

  const tools = [
    {
      type: 'function' as const,
      function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
    },
  ]

  it('is told of calls of tools, and gives their results back', async () => {
    const call = {
      id: 'call_1',
      type: 'function',
      function: { name: 'weather', arguments: '{"city":"Paris"}' },
    }
    const message = { role: 'assistant', content: null, tool_calls: [call], refusal: null }
    host.answerWith(
      json(200, { choices: [{ index: 0, message, finish_reason: 'tool_calls' }], usage }),
      completion('It is sunny.', usage),
    )
    const client = shop()

    const first = await client.chat.completions.create({ ...question, tools, tool_choice: 'auto' })
    const answer = first.choices[0]?.message
    if (answer === undefined) throw new Error('no answer')
    const second = await client.chat.completions.create({
      ...question,
      tools,
      messages: [
        ...question.messages,
        answer,
        { role: 'tool', tool_call_id: answer.tool_calls?.[0]?.id ?? '', content: 'sunny' },
      ],
    })

    expect(answer.tool_calls).toEqual([call])
    expect(second.choices[0]?.message.content).toBe('It is sunny.')
    expect(host.requests[1]?.body).toMatchObject({
      messages: [{}, message, { role: 'tool', tool_call_id: 'call_1', content: 'sunny' }],
    })
  })

  it('is told of calls of tools piece by piece', async () => {
    const piece = (delta: unknown, finish_reason: string | null = null) => ({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1,
      choices: [{ index: 0, delta, finish_reason }],
    })
    const call = (more: object) => ({ tool_calls: [{ index: 0, ...more }] })
    host.answerWith(
      events(
        piece({ role: 'assistant', content: null }),
        piece(call({ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } })),
        piece(call({ function: { arguments: '{"city":' } })),
        piece(call({ function: { arguments: '"Paris"}' } })),
        piece({}, 'tool_calls'),
      ),
    )

    const whole = await shop()
      .chat.completions.stream({ ...question, tools })
      .finalChatCompletion()

    expect(whole.choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_1', function: { name: 'weather', arguments: '{"city":"Paris"}' } },
    ])
  })

  it('completes texts, whole and in a stream', async () => {
    const text = (piece: string, finish_reason: string | null) => ({
      id: 'cmpl-1',
      object: 'text_completion',
      choices: [{ index: 0, text: piece, finish_reason }],
      usage,
    })
    host.answerWith(json(200, text(' sleep.', 'stop')), events(text(' sleep', null), text('.', 'stop')))
    const client = shop()

    const whole = await client.completions.create({ model: 'tiny', prompt: 'Bees' })
    const pieces: string[] = []
    const chunks = await client.completions.create({ model: 'tiny', prompt: 'Bees', stream: true })
    for await (const chunk of chunks) pieces.push(chunk.choices[0]?.text ?? '')

    expect(whole.choices[0]?.text).toBe(' sleep.')
    expect(pieces).toEqual([' sleep', '.'])
  })

  it.each([undefined, 'float', 'base64'] as const)('embeds texts, asked in the format %s', async (format) => {
    const inBase64 = Buffer.from(new Float32Array(vector).buffer).toString('base64')
    const embed: HostAnswer = (response, request) =>
      json(200, {
        object: 'list',
        data: [
          {
            object: 'embedding',
            index: 0,
            embedding: request.body.encoding_format === 'base64' ? inBase64 : vector,
          },
        ],
        usage: { prompt_tokens: 3, total_tokens: 3 },
      })(response, request)
    host.answerWith(embed)

    const { data, usage: used } = await shop().embeddings.create({
      model: 'tiny',
      input: ['hi'],
      ...(format === undefined ? {} : { encoding_format: format }),
    })

    // Without a format the client asks for base64 and decodes it itself.
    expect(data[0]?.embedding).toEqual(format === 'base64' ? inBase64 : vector)
    expect(used.prompt_tokens).toBe(3)
  })

  it('lists the models that its key opens', async () => {
    const list = await shop().models.list()
    const one = await shop().models.retrieve('gpt-4o-mini')

    expect(list.data.map(({ id }) => id)).toEqual(['tiny', 'boxed'])
    expect(one).toMatchObject({ id: 'tiny', object: 'model' })
  })

  it('stops the host when it stops reading a stream', async () => {
    host.answerWith(stream(['They '], null, 'silence'))
    const before = host.abandoned()

    const chunks = await shop().chat.completions.create({ ...question, stream: true })
    for await (const chunk of chunks) {
      expect(chunk.choices[0]?.delta.content).toBe('They ')
      break
    }

    await until(() => host.abandoned() === before + 1)
  })

  it('stops the host when it gives up a whole answer', async () => {
    host.answerWith(silence)
    const before = host.abandoned()
    const gone = new AbortController()
    const pending = shop().chat.completions.create(question, { signal: gone.signal })
    await until(() => host.requests.length === 1)

    gone.abort()

    await expect(pending).rejects.toBeInstanceOf(OpenAI.APIUserAbortError)
    await until(() => host.abandoned() === before + 1)
  })
})

describe("errors in OpenAI's own client", () => {
  it.each<[string, () => Promise<unknown>, new (...args: never[]) => Error, object]>([
    [
      'a wrong key',
      async () => connect('flock-sk-wrong-0123456789').client.models.list(),
      OpenAI.AuthenticationError,
      { status: 401, code: 'invalid_api_key' },
    ],
    [
      'a model that is not there',
      async () => shop().chat.completions.create({ ...question, model: 'huge' }),
      OpenAI.NotFoundError,
      { status: 404, code: 'model_not_found', param: 'model' },
    ],
    [
      'a model that is not there, described',
      async () => shop().models.retrieve('huge'),
      OpenAI.NotFoundError,
      { status: 404, code: 'model_not_found' },
    ],
    [
      'a route that is not there',
      async () => shop().responses.create({ model: 'tiny', input: 'hi' }),
      OpenAI.NotFoundError,
      { status: 404, code: 'task_not_found' },
    ],
    [
      'a model of others',
      async () => shop().chat.completions.create({ ...question, model: 'secret' }),
      OpenAI.PermissionDeniedError,
      { status: 403, code: 'model_not_found' },
    ],
    [
      'several answers to one question',
      async () => shop().chat.completions.create({ ...question, n: 3 }),
      OpenAI.BadRequestError,
      { status: 400, code: 'task_invalid', type: 'invalid_request_error' },
    ],
    [
      'an image that the host would fetch',
      async () =>
        shop().chat.completions.create({
          model: 'tiny',
          messages: [
            { role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://169.254.169.254/' } }] },
          ],
        }),
      OpenAI.BadRequestError,
      { status: 400 },
    ],
    [
      'more tokens than a minute has',
      async () => connect(KEYS.CALM_KEY, 3).client.chat.completions.create(question),
      OpenAI.RateLimitError,
      { status: 429, code: 'rate_limit_exceeded', type: 'tokens' },
    ],
  ])('has its own type for %s', async (_what, work, type, expected) => {
    host.answerWith(completion('never', usage))

    const error = await failureOf(work())

    expect(error).toBeInstanceOf(type)
    expect(error).toMatchObject(expected)
    expect(error.message).toMatch(/^\d{3} \S+ .*\./)
    expect(host.requests).toHaveLength(0)
  })

  it.each([
    ['refuses', 400, OpenAI.UnprocessableEntityError, 'host_rejected'],
    ['is full', 429, OpenAI.RateLimitError, 'rate_limit_exceeded'],
    ['fails', 500, OpenAI.InternalServerError, 'host_failed'],
  ])('has its own type for a host that %s', async (_what, status, type, code) => {
    host.answerWith(json(status, {}))

    const error = await failureOf(shop().chat.completions.create(question))

    expect(error).toBeInstanceOf(type)
    expect(error.code).toBe(code)
  })

  it('is thrown in the middle of a stream that breaks off', async () => {
    host.answerWith(stream(['They ', 'sl'], null, 'cut'))

    const chunks = await shop().chat.completions.create({ ...question, stream: true })
    const said: string[] = []
    const error = await failureOf(
      (async () => {
        for await (const chunk of chunks) said.push(chunk.choices[0]?.delta.content ?? '')
      })(),
    )

    expect(said.join('')).toBe('They sl')
    expect(error.code).toBe('host_unreachable')
  })

  it('does not lead to another try where that would not help', async () => {
    const { client, statuses } = connect(KEYS.CALM_KEY, 3)

    await failureOf(client.chat.completions.create(question))

    expect(statuses).toEqual([429])
  })

  it('leads to another try after the time that the service names, which is then enough', async () => {
    host.answerWith(completion('Yes.', usage))
    const { client, statuses } = connect(KEYS.LAB_KEY, 1)
    await Promise.all(Array.from({ length: 60 }, async () => client.chat.completions.create(question)))

    const late = await client.chat.completions.create(question)

    expect(late.choices[0]?.message.content).toBe('Yes.')
    expect(statuses.slice(60)).toEqual([429, 200])
  })

  it('leads to another try when a host was full and the service says when it is not', async () => {
    const full: HostAnswer = (response, request) =>
      json(429, {})(response.setHeader('retry-after', '1'), request)
    host.answerWith(full, completion('Yes.', usage))
    const { client, statuses } = connect(KEYS.SHOP_KEY, 1)

    const answer = await client.chat.completions.create(question)

    expect(answer.choices[0]?.message.content).toBe('Yes.')
    expect(statuses).toEqual([429, 200])
  })
})
