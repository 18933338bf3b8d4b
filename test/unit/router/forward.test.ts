import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import { FlockError } from '../../../src/lib/errors.js'
import { type LogRecord, createLogger } from '../../../src/lib/log.js'
import { type Forward, createForward } from '../../../src/lib/router/forward.js'
import { type Host, type HostSettings, parseHosts } from '../../../src/lib/router/hosts.js'
import type { StreamEvent } from '../../../src/lib/router/openai.js'
import { chatOperation } from '../../../src/lib/router/operation.js'
import { caught } from '../../helpers/caught.js'
import {
  type FakeHost,
  type HostAnswer,
  completion,
  createGate,
  cut,
  json,
  raw,
  silence,
  startFakeHost,
  stream,
} from '../../helpers/fake-host.js'
import { hostSettings, noKeys, routeOf } from '../../helpers/hosts.js'
import { closedPort } from '../../helpers/http-server.js'
import { readEvents as read } from '../../helpers/router-world.js'
import { until } from '../../helpers/until.js'

const PROMPT = 'a prompt nobody may log'
const SECRET = 'sk-secret-key'
const messages = [{ role: 'user' as const, content: PROMPT }]
const request = chatOperation({
  messages,
  maxTokens: 32,
  options: { temperature: 0 },
})

const running: FakeHost[] = []
const forwards: Forward[] = []
let clockMs = 0
let records: LogRecord[] = []

afterEach(async () => {
  await Promise.all(forwards.splice(0).map((forward) => forward.close()))
  await Promise.all(running.splice(0).map((host) => host.close()))
  clockMs = 0
  records = []
})

function forwardOf(maxAnswerBytes?: number): Forward {
  const log = createLogger('debug', (record) => records.push(record))
  const forward = createForward({
    nowMs: () => clockMs,
    random: () => 0,
    log,
    ...(maxAnswerBytes === undefined ? {} : { maxAnswerBytes }),
  })
  forwards.push(forward)
  return forward
}

async function fake(...answers: HostAnswer[]): Promise<FakeHost> {
  const host = await startFakeHost(...answers)
  running.push(host)
  return host
}

function hostAt(baseUrl: string, settings: Partial<HostSettings> = {}): Host {
  const [host] = parseHosts([hostSettings({ baseUrl, apiKeyEnv: 'KEY', ...settings })], {
    ...noKeys,
    env: { KEY: SECRET },
  })
  if (host === undefined) throw new Error('no host')
  return host
}

/** All that may be shown of an error, and all that was logged. */
const shown = (error: FlockError) =>
  [
    error.message,
    error.hint,
    JSON.stringify(error.details),
    String(error.cause),
    JSON.stringify(records),
  ].join()

describe('asking a host for a completion', () => {
  it('sends model, messages, options and limit and gives back the text and the usage', async () => {
    const host = await fake(completion('An answer.'))

    const result = await forwardOf().complete(request, { route: routeOf([hostAt(host.baseUrl)]) })

    expect(result).toEqual({
      hostId: 'a',
      text: 'An answer.',
      finishReason: 'stop',
      usage: { promptTokens: 5, completionTokens: 3, cachedTokens: 0, reasoningTokens: 0 },
      usageFault: null,
    })
    expect(host.requests).toHaveLength(1)
    expect(host.requests[0]).toMatchObject({
      method: 'POST',
      path: '/v1/chat/completions',
      body: {
        model: 'org/model',
        messages,
        max_tokens: 32,
        temperature: 0,
        stream: false,
      },
    })
  })

  it.each([
    ['none', {}],
    ['bearer', { authorization: `Bearer ${SECRET}` }],
    ['x-litellm-api-key', { 'x-litellm-api-key': SECRET }],
  ] as const)('authorises by %s', async (auth, headers) => {
    const host = await fake(completion('ok'))

    await forwardOf().complete(request, { route: routeOf([hostAt(host.baseUrl, { auth })]) })

    expect(host.requests[0]?.headers).toMatchObject(headers)
    if (auth !== 'bearer') expect(host.requests[0]?.headers).not.toHaveProperty('authorization')
  })

  it('keeps its connections for further requests, after refusals too', async () => {
    const host = await fake((response, got) => {
      const answer = host.requests.length % 2 === 0 ? json(400, { error: 'no' }) : completion('ok')
      answer(response, got)
    })
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])

    for (let turn = 0; turn < 12; turn += 1) {
      await forward.complete(request, { route }).catch((error: unknown) => error)
    }

    // A connection is free a moment after its answer is complete, so a second one may be opened.
    expect(host.connections()).toBeLessThanOrEqual(2)
  })

  it('says why usage cannot be used', async () => {
    const host = await fake(
      completion('ok', null),
      completion('ok', { prompt_tokens: -1, completion_tokens: 1 }),
    )
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])

    expect(await forward.complete(request, { route })).toMatchObject({
      usage: null,
      usageFault: 'no usage was reported',
    })
    expect(await forward.complete(request, { route })).toMatchObject({
      usage: null,
      usageFault: 'prompt_tokens is not a count',
    })
  })

  it.each([
    ['a server error', json(500, { error: PROMPT }), 'HOST_FAILED', 'HTTP 500'],
    ['a gateway error in HTML', raw(502, '<html>'), 'HOST_FAILED', 'HTTP 502'],
    ['too many requests', json(429, {}), 'HOST_BUSY', 'HTTP 429'],
    ['a refused request', json(400, { error: { message: PROMPT } }), 'HOST_REJECTED', 'HTTP 400'],
    ['an unprocessable request', json(422, {}), 'HOST_REJECTED', 'HTTP 422'],
    ['a refused key', json(401, {}), 'HOST_NOT_READY', 'did not accept the API key'],
    ['an unknown path', raw(404, 'not here'), 'HOST_NOT_READY', 'HTTP 404'],
    ['a created thing', json(201, {}), 'HOST_NOT_READY', 'HTTP 201'],
    ['no content', raw(204, ''), 'HOST_NOT_READY', 'HTTP 204'],
    ['text that is no JSON', raw(200, `hello ${PROMPT}`), 'HOST_NOT_READY', 'not JSON'],
    ['half of a JSON', raw(200, '{"choices":['), 'HOST_NOT_READY', 'not JSON'],
    ['nothing', raw(200, ''), 'HOST_NOT_READY', 'not JSON'],
    [
      'compressed bytes',
      raw(200, gzipSync('{}'), { 'content-encoding': 'gzip' }),
      'HOST_NOT_READY',
      'not JSON',
    ],
    ['JSON of another kind', json(200, { hello: 'world' }), 'HOST_NOT_READY', 'no choices'],
    ['a closed connection', cut(), 'HOST_UNREACHABLE', 'UND_ERR_SOCKET'],
    ['half an answer', cut('{"choices":'), 'HOST_UNREACHABLE', 'UND_ERR'],
  ])(
    'tells %s from the others and keeps the prompt and the key to itself',
    async (_what, answer, code, text) => {
      const host = await fake(answer)
      const target = { route: routeOf([hostAt(host.baseUrl, { auth: 'bearer' })]) }

      const error = await caught(forwardOf().complete(request, target))

      expect(error.code).toBe(code)
      expect(error.message).toContain(text)
      expect(error.details).toMatchObject({ hostId: 'a' })
      expect(shown(error)).not.toContain(PROMPT)
      expect(shown(error)).not.toContain(SECRET)
    },
  )

  it('does not follow a redirect, so that no key travels to where a host points', async () => {
    const elsewhere = await fake(completion('from elsewhere'))
    const host = await fake(raw(307, '', { location: `${elsewhere.baseUrl}/chat/completions` }))

    const error = await caught(forwardOf().complete(request, { route: routeOf([hostAt(host.baseUrl)]) }))

    expect(error).toMatchObject({ code: 'HOST_NOT_READY', details: { status: 307 } })
    expect(error.message).toContain('redirect')
    expect(elsewhere.requests).toHaveLength(0)
  })

  it('says that nobody listens', async () => {
    const port = await closedPort()

    const error = await caught(
      forwardOf().complete(request, { route: routeOf([hostAt(`http://127.0.0.1:${port}`)]) }),
    )

    expect(error).toMatchObject({ code: 'HOST_UNREACHABLE', details: { reason: 'ECONNREFUSED' } })
  })

  it('gives up when the time of the host is over', async () => {
    const host = await fake(silence)

    const error = await caught(
      forwardOf().complete(request, { route: routeOf([hostAt(host.baseUrl, { timeoutMs: 50 })]) }),
    )

    expect(error).toMatchObject({ code: 'HOST_UNREACHABLE', message: 'No answer from host a in 50 ms.' })
  })

  it('bounds the whole answer in time, however it trickles', async () => {
    const host = await fake((response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(timer))
    })

    const error = await caught(
      forwardOf().complete(request, { route: routeOf([hostAt(host.baseUrl, { timeoutMs: 100 })]) }),
    )

    expect(error.message).toBe('No answer from host a in 100 ms.')
  })

  it('refuses an answer above the limit', async () => {
    const host = await fake(completion('x'.repeat(5_000)))

    const error = await caught(forwardOf(1_000).complete(request, { route: routeOf([hostAt(host.baseUrl)]) }))

    expect(error).toMatchObject({ code: 'HOST_NOT_READY' })
    expect(error.message).toContain('too large')
  })

  it('stops when the caller goes away, and does not hold it against the host', async () => {
    const gone = new AbortController()
    const host = await fake(() => gone.abort())
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])

    const error = await caught(forward.complete(request, { route, signal: gone.signal }))

    expect(error.code).toBe('INTERRUPTED')
    expect(forward.report()).toMatchObject([{ hostId: 'a', circuit: 'closed', outstanding: 0 }])
  })

  it('sends nothing for a caller who is gone already', async () => {
    const host = await fake(completion('ok'))

    const error = await caught(
      forwardOf().complete(request, { route: routeOf([hostAt(host.baseUrl)]), signal: AbortSignal.abort() }),
    )

    expect(error.code).toBe('INTERRUPTED')
    expect(host.requests).toHaveLength(0)
  })

  it('names a model without hosts', async () => {
    expect((await caught(forwardOf().complete(request, { route: routeOf([]) }))).code).toBe('CONFIG_INVALID')
  })
})

describe('falling back to another host', () => {
  it.each([
    ['fails', json(503, {})],
    ['is no model server', json(200, {})],
    ['closes the connection', cut()],
    ['redirects', raw(302, '', { location: '/' })],
    ['refuses the key', json(403, {})],
  ])('asks the next host when the first %s', async (_what, answer) => {
    const first = await fake(answer)
    const second = await fake(completion('from the second'))
    const route = routeOf([hostAt(first.baseUrl), hostAt(second.baseUrl, { id: 'b' })])

    const result = await forwardOf().complete(request, { route })

    expect(result).toMatchObject({ hostId: 'b', text: 'from the second' })
    expect(first.requests).toHaveLength(1)
    expect(records).toHaveLength(1)
  })

  it('does not ask the next host what the first refused', async () => {
    const first = await fake(json(400, {}))
    const second = await fake(completion('ok'))
    const route = routeOf([hostAt(first.baseUrl), hostAt(second.baseUrl, { id: 'b' })])

    const error = await caught(forwardOf().complete(request, { route }))

    expect(error.code).toBe('HOST_REJECTED')
    expect(second.requests).toHaveLength(0)
  })

  it('reports every attempt when none answers', async () => {
    const first = await fake(json(500, {}))
    const second = await fake(json(200, {}))
    const route = routeOf([hostAt(first.baseUrl), hostAt(second.baseUrl, { id: 'b' })])

    const error = await caught(forwardOf().complete(request, { route }))

    expect(error.code).toBe('HOST_NOT_READY')
    expect(error.message).toContain('None of 2 attempts was answered.')
    expect(error.details.attempts).toEqual([
      { hostId: 'a', code: 'HOST_FAILED' },
      { hostId: 'b', code: 'HOST_NOT_READY' },
    ])
  })

  it('avoids a host after three failures, tries it once its pause is over, and takes it back', async () => {
    const first = await fake(json(500, {}))
    const second = await fake(completion('ok'))
    const hosts = [hostAt(first.baseUrl), hostAt(second.baseUrl, { id: 'b', priority: 1 })]
    const route = routeOf(hosts, { policy: 'priority' })
    const forward = forwardOf()
    const ask = async () => (await forward.complete(request, { route })).hostId

    for (let turn = 0; turn < 5; turn += 1) await ask()
    expect(first.requests).toHaveLength(3)
    expect(forward.report()[0]).toMatchObject({ hostId: 'a', circuit: 'open' })

    first.answerWith(completion('back'))
    clockMs = 2_000
    expect(await ask()).toBe('a')
    expect(forward.report()[0]).toMatchObject({ hostId: 'a', circuit: 'closed' })
  })

  it('spreads requests that run at the same time', async () => {
    const waiting: (() => void)[] = []
    const later: HostAnswer = (response, got) => waiting.push(() => completion('ok')(response, got))
    const first = await fake(later)
    const second = await fake(later)
    const route = routeOf([hostAt(first.baseUrl), hostAt(second.baseUrl, { id: 'b' })])
    const forward = forwardOf()

    const results = Promise.all([1, 2, 3, 4].map(() => forward.complete(request, { route })))
    await until(() => waiting.length === 4)
    waiting.forEach((answer) => answer())

    expect((await results).map(({ hostId }) => hostId).sort()).toEqual(['a', 'a', 'b', 'b'])
  })
})

describe('streaming a completion', () => {
  it('yields the pieces as they come, then the usage', async () => {
    const host = await fake(stream(['An ', 'answer', '.']))

    const events = await read(forwardOf().stream(request, { route: routeOf([hostAt(host.baseUrl)]) }))

    expect(events.map((event) => (event.type === 'chunk' ? event.text : event))).toEqual([
      'An ',
      'answer',
      '.',
      '',
      '',
      {
        type: 'end',
        hostId: 'a',
        finishReason: 'stop',
        usage: { promptTokens: 5, completionTokens: 3, cachedTokens: 0, reasoningTokens: 0 },
        usageFault: null,
      },
    ])
    expect(host.requests[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } })
  })

  it('keeps the connection of a stream that was read to its end', async () => {
    const host = await fake(stream(['a']))
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])

    for (let turn = 0; turn < 8; turn += 1) await read(forward.stream(request, { route }))

    expect(host.connections()).toBeLessThanOrEqual(2)
  })

  it('takes a stream that ends without the last word of the protocol', async () => {
    const host = await fake(stream(['a'], null, 'noDone'))

    const events = await read(forwardOf().stream(request, { route: routeOf([hostAt(host.baseUrl)]) }))

    expect(events.at(-1)).toMatchObject({ type: 'end', usage: null, usageFault: 'no usage was reported' })
  })

  it('asks the next host while nothing was yielded', async () => {
    const first = await fake(stream([], null, 'cut'))
    const second = await fake(stream(['from b']))
    const route = routeOf([hostAt(first.baseUrl), hostAt(second.baseUrl, { id: 'b' })])

    const events = await read(forwardOf().stream(request, { route }))

    expect(events[0]).toMatchObject({ type: 'chunk', text: 'from b' })
  })

  it('fails, and asks nobody else, once a piece was yielded', async () => {
    const first = await fake(stream(['half of '], null, 'cut'))
    const second = await fake(stream(['from b']))
    const route = routeOf([hostAt(first.baseUrl), hostAt(second.baseUrl, { id: 'b' })])
    const events = forwardOf().stream(request, { route })

    expect(await events.next()).toMatchObject({ value: [{ text: 'half of ' }] })
    expect((await caught(events.next())).code).toBe('HOST_UNREACHABLE')
    expect(second.requests).toHaveLength(0)
  })

  it('bounds the silence of a host between two pieces', async () => {
    const host = await fake(stream(['a'], null, 'silence'))
    const events = forwardOf().stream(request, { route: routeOf([hostAt(host.baseUrl, { timeoutMs: 100 })]) })

    await events.next()

    expect(await caught(events.next())).toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: 'No answer from host a in 100 ms.',
    })
  })

  it.each([
    ['an answer that is no stream', completion('whole'), 'HOST_UNREACHABLE'],
    ['a piece that is no JSON', raw(200, `data: ${PROMPT}\n\n`), 'HOST_NOT_READY'],
    ['a failure in the stream', raw(200, `data: {"error":{"message":"${PROMPT}"}}\n\n`), 'HOST_FAILED'],
    ['a stream that is over at once', raw(200, ''), 'HOST_UNREACHABLE'],
    ['a refusal', json(400, {}), 'HOST_REJECTED'],
    ['a line without end', raw(200, 'x'.repeat(1_200_000)), 'HOST_NOT_READY'],
  ])('refuses %s', async (_what, answer, code) => {
    const host = await fake(answer)

    const error = await caught(read(forwardOf().stream(request, { route: routeOf([hostAt(host.baseUrl)]) })))

    expect(error.code).toBe(code)
    expect(shown(error)).not.toContain(PROMPT)
  })

  it('refuses a stream above the limit', async () => {
    const host = await fake(stream(['x'.repeat(2_000), 'x'.repeat(2_000)]))

    const error = await caught(
      read(forwardOf(3_000).stream(request, { route: routeOf([hostAt(host.baseUrl)]) })),
    )

    expect(error.message).toContain('too large')
  })

  it('closes the request at the host when the reader stops', async () => {
    const host = await fake(stream(['a'], null, 'silence'))
    const events = forwardOf().stream(request, { route: routeOf([hostAt(host.baseUrl)]) })

    await events.next()
    await events.return(undefined)

    await until(() => host.abandoned() > 0)
    expect(host.abandoned()).toBe(1)
  })

  it('stops when the caller goes away', async () => {
    const gone = new AbortController()
    const host = await fake(stream(['a'], null, 'silence'))
    const events = forwardOf().stream(request, {
      route: routeOf([hostAt(host.baseUrl)]),
      signal: gone.signal,
    })

    await events.next()
    gone.abort()

    expect((await caught(events.next())).code).toBe('INTERRUPTED')
  })
})

describe('what is told of a stream that breaks off', () => {
  it('is a failure of its host', async () => {
    const host = await fake(stream(['half of '], null, 'cut'))
    const forward = forwardOf()

    await caught(read(forward.stream(request, { route: routeOf([hostAt(host.baseUrl)]) })))

    expect(records).toMatchObject([
      {
        level: 'warn',
        message: 'A model host broke off its answer.',
        fields: { model: 'model', hostId: 'a', code: 'HOST_UNREACHABLE' },
      },
    ])
    expect(forward.report()).toMatchObject([{ outstanding: 0 }])
  })

  it('opens the circuit of its host when it happens three times in a row', async () => {
    const host = await fake(stream(['half of '], null, 'cut'))
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])

    for (let turn = 0; turn < 3; turn += 1) await caught(read(forward.stream(request, { route })))

    expect(forward.report()).toMatchObject([{ circuit: 'open', outstanding: 0 }])
  })

  it.each<
    [string, (events: AsyncGenerator<readonly StreamEvent[]>, gone: AbortController) => Promise<unknown>]
  >([
    [
      'went away',
      async (events, gone) => {
        gone.abort()
        return caught(events.next())
      },
    ],
    ['stopped reading', async (events) => events.return(undefined)],
    ['fails itself', async (events) => caught(events.throw(new FlockError('INTERRUPTED', 'no time')))],
  ])('is nothing when it is the reader who %s', async (_what, leave) => {
    const gone = new AbortController()
    const host = await fake(stream(['a'], null, 'silence'))
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])

    for (let turn = 0; turn < 4; turn += 1) {
      const own = turn === 3 ? gone : new AbortController()
      const events = forward.stream(request, { route, signal: own.signal })
      await events.next()
      await leave(events, own)
    }

    await until(() => host.abandoned() === 4)
    expect(records).toEqual([])
    expect(forward.report()).toMatchObject([{ circuit: 'closed', outstanding: 0 }])
  })
})

describe('a new list of models', () => {
  it('keeps the connections of hosts that stay', async () => {
    const host = await fake(completion('ok'))
    const forward = forwardOf()
    for (let turn = 0; turn < 5; turn += 1) {
      const route = routeOf([hostAt(host.baseUrl)])
      forward.use([route])
      await forward.complete(request, { route })
    }

    // A connection is free a moment after its answer is complete, so a second one may be opened.
    expect(host.connections()).toBeLessThanOrEqual(2)
  })

  it('keeps what is known about hosts that stay', async () => {
    const host = await fake(json(500, {}))
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])
    forward.use([route])
    for (let turn = 0; turn < 3; turn += 1) await caught(forward.complete(request, { route }))

    forward.use([routeOf([hostAt(host.baseUrl), hostAt(host.baseUrl, { id: 'b' })])])

    expect(forward.report()).toMatchObject([
      { hostId: 'a', circuit: 'open' },
      { hostId: 'b', circuit: 'closed' },
    ])
  })

  it('lets requests at hosts that go be answered, and those that wait for them', async () => {
    const gate = createGate()
    const host = await fake(gate.hold(completion('from the old')))
    const next = await fake(completion('from the new'))
    const forward = forwardOf()
    const old = routeOf([hostAt(host.baseUrl, { maxConcurrent: 1 })])
    forward.use([old])
    const underWay = [forward.complete(request, { route: old }), forward.complete(request, { route: old })]
    await until(() => gate.held() === 1)

    const route = routeOf([hostAt(next.baseUrl, { id: 'b' })])
    forward.use([route])
    expect((await forward.complete(request, { route })).text).toBe('from the new')
    expect(forward.report().map(({ hostId }) => hostId)).toEqual(['b'])
    gate.open()

    expect((await Promise.all(underWay)).map(({ text }) => text)).toEqual(['from the old', 'from the old'])
    expect((await forward.complete(request, { route: old })).text).toBe('from the new')
  })

  it('lets streams of hosts that go come to their end', async () => {
    const gate = createGate()
    const host = await fake((response, got) => {
      response.writeHead(200).write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
      gate.hold((open) => open.end('data: [DONE]\n\n'))(response, got)
    })
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])
    forward.use([route])
    const events = forward.stream(request, { route })
    await events.next()

    forward.use([])
    gate.open()

    expect(await read(events)).toMatchObject([{ type: 'end' }])
  })

  it('serves a request whose host failed and went at the hosts that came', async () => {
    const gate = createGate()
    const host = await fake(gate.hold(json(500, {})))
    const next = await fake(completion('from the new'))
    const forward = forwardOf()
    const old = routeOf([hostAt(host.baseUrl)])
    forward.use([old])
    const underWay = forward.complete(request, { route: old })
    await until(() => gate.held() === 1)

    forward.use([routeOf([hostAt(next.baseUrl, { id: 'b' })])])
    gate.open()

    expect((await underWay).text).toBe('from the new')
  })

  it('is checked from then on', async () => {
    const host = await fake(json(200, { data: [] }))
    const forward = forwardOf()

    forward.use([routeOf([hostAt(host.baseUrl, { healthIntervalMs: 1 })])])

    await until(() => host.requests.length > 2)
    expect(host.requests[0]).toMatchObject({ method: 'GET', path: '/v1/models' })
  })
})

describe('the report', () => {
  it('names every host of every model, asked or not', async () => {
    const host = await fake((response, got) => {
      clockMs += 40
      completion('ok')(response, got)
    })
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl)])
    forward.use([
      route,
      { ...routeOf([hostAt(host.baseUrl), hostAt(host.baseUrl, { id: 'b' })]), name: 'other' },
    ])

    await forward.complete(request, { route })

    const unknown = { circuit: 'closed', outstanding: 0, queued: 0, answerMs: null, firstEventMs: null }
    expect(forward.report()).toEqual([
      { ...unknown, model: 'model', hostId: 'a', answerMs: 40 },
      { ...unknown, model: 'other', hostId: 'a' },
      { ...unknown, model: 'other', hostId: 'b' },
    ])
  })
})

describe('closing', () => {
  it('ends what is under way', async () => {
    const host = await fake(silence)
    const forward = forwardOf()
    const pending = caught(forward.complete(request, { route: routeOf([hostAt(host.baseUrl)]) }))
    await until(() => host.requests.length > 0)

    await forward.close()

    expect((await pending).code).toBe('HOST_UNREACHABLE')
  })

  it('ends what waits, and what is under way at hosts that are on their way out', async () => {
    const host = await fake(silence)
    const forward = forwardOf()
    const route = routeOf([hostAt(host.baseUrl, { maxConcurrent: 1 })], { retryRatio: 0 })
    forward.use([route])
    const pending = [1, 2, 3].map(() => caught(forward.complete(request, { route })))
    await until(() => host.requests.length === 1)
    forward.use([])

    await forward.close()

    expect((await Promise.all(pending)).map(({ code }) => code)).toEqual(Array(3).fill('HOST_UNREACHABLE'))
    expect(host.requests).toHaveLength(1)
  })
})
