import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { type Host, type HostSettings, parseHosts } from '../../../src/lib/router/hosts.js'
import { probeHost } from '../../../src/lib/router/probe.js'
import { caught } from '../../helpers/caught.js'
import { completion, cut, json, raw, silence, startFakeHost, type FakeHost } from '../../helpers/fake-host.js'
import { hostSettings, noKeys } from '../../helpers/hosts.js'
import { closedPort } from '../../helpers/http-server.js'

let server: FakeHost

beforeEach(async () => {
  server = await startFakeHost()
})

afterEach(() => server.close())

const models = (...ids: string[]) =>
  json(200, { object: 'list', data: ids.map((id) => ({ id, object: 'model' })) })

function hostOf(change: Partial<HostSettings> = {}, env: Record<string, string> = {}): Host {
  const settings = hostSettings({ id: 'gpu-1', baseUrl: server.baseUrl, model: 'demo-7b', ...change })
  return parseHosts([settings], { ...noKeys, env })[0] as Host
}

function clock(): () => number {
  let now = 0
  return () => (now += 40)
}

describe('probeHost', () => {
  it('reports what a ready host showed', async () => {
    server.answerWith(
      models('other', 'demo-7b'),
      completion('Ready.', { prompt_tokens: 12, completion_tokens: 3 }),
    )

    expect(await probeHost(hostOf(), { nowMs: clock(), hasTokenizer: false })).toEqual({
      hostId: 'gpu-1',
      model: 'demo-7b',
      models: 2,
      usage: { promptTokens: 12, completionTokens: 3, cachedTokens: 0, reasoningTokens: 0 },
      latencyMs: 40,
    })
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /v1/models',
      'POST /v1/chat/completions',
    ])
    expect(server.requests[1]?.body).toMatchObject({ model: 'demo-7b', max_tokens: 16, stream: false })
  })

  it('sends the API key with both questions', async () => {
    server.answerWith(models('demo-7b'), completion('Ready.'))
    const host = hostOf({ auth: 'x-litellm-api-key', apiKeyEnv: 'HOST_KEY' }, { HOST_KEY: 'sk-probe' })

    await probeHost(host, { nowMs: clock(), hasTokenizer: false })

    expect(server.requests.map(({ headers }) => headers['x-litellm-api-key'])).toEqual([
      'sk-probe',
      'sk-probe',
    ])
  })

  it('asks as the host wants to be asked', async () => {
    server.answerWith(models('demo-7b'), completion('Ready.'))
    const host = hostOf({ headers: { 'x-team': 'bees' }, body: { seed: 1 }, maxCompletionTokens: 4 })

    await probeHost(host, { nowMs: clock(), hasTokenizer: false })

    expect(server.requests.map(({ headers }) => headers['x-team'])).toEqual(['bees', 'bees'])
    expect(server.requests[1]?.body).toMatchObject({ seed: 1, max_tokens: 4 })
  })

  it('asks a container, which lists no models, for the chat alone', async () => {
    const usage = { prompt_tokens: 12, completion_tokens: 3 }
    server.answerWith(json(200, { output: 'Ready.', usage }))

    const report = await probeHost(hostOf({ kind: 'infernet', baseUrl: server.url }), {
      nowMs: clock(),
      hasTokenizer: false,
    })

    expect(report).toMatchObject({ hostId: 'gpu-1', models: 0, usage: { completionTokens: 3 } })
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /service_output'])
  })

  it('takes a host that counts no completion tokens', async () => {
    server.answerWith(models('demo-7b'), completion('Ready.', { prompt_tokens: 4, completion_tokens: 0 }))

    expect((await probeHost(hostOf(), { nowMs: clock(), hasTokenizer: false })).usage?.completionTokens).toBe(
      0,
    )
  })

  it.each([
    ['no usage', null],
    ['usage that cannot be true', { prompt_tokens: -1 }],
  ])('takes a host that reports %s when the model has a tokenizer', async (_what, usage) => {
    server.answerWith(models('demo-7b'), completion('Ready.', usage))

    const report = await probeHost(hostOf(), { nowMs: clock(), hasTokenizer: true })

    expect(report).toMatchObject({ hostId: 'gpu-1', usage: null })
  })

  it.each<[string, () => void, string, RegExp, RegExp | undefined]>([
    [
      'lists a model of nearly the same name',
      () => server.answerWith(models('demo-8b', 'other')),
      'HOST_NOT_READY',
      /does not serve the model "demo-7b"/,
      /Did you mean "demo-8b"/,
    ],
    [
      'lists no model',
      () => server.answerWith(models()),
      'HOST_NOT_READY',
      /does not serve/,
      /serves no model/,
    ],
    [
      'has no list',
      () => server.answerWith(json(200, {})),
      'HOST_NOT_READY',
      /gave no list/,
      /usually in \/v1/,
    ],
    [
      'is another web server',
      () => server.answerWith(raw(200, '<html>')),
      'HOST_NOT_READY',
      /not JSON/,
      undefined,
    ],
    ['knows no such route', () => server.answerWith(json(404, {})), 'HOST_NOT_READY', /HTTP 404/, undefined],
    ['refuses the key', () => server.answerWith(json(401, {})), 'HOST_NOT_READY', /API key/, undefined],
    ['is failing', () => server.answerWith(json(500, {})), 'HOST_FAILED', /HTTP 500/, undefined],
    ['hangs up', () => server.answerWith(cut()), 'HOST_UNREACHABLE', /cannot be reached/, undefined],
    [
      'completes nothing',
      () => server.answerWith(models('demo-7b'), completion('')),
      'HOST_NOT_READY',
      /no text/,
      undefined,
    ],
    [
      'reports no usage',
      () => server.answerWith(models('demo-7b'), completion('Ready.', null)),
      'HOST_NOT_READY',
      /cannot be metered: no usage was reported/,
      /or give the model a tokenizer/,
    ],
    [
      'reports usage that cannot be true',
      () => server.answerWith(models('demo-7b'), completion('Ready.', { prompt_tokens: -1 })),
      'HOST_NOT_READY',
      /prompt_tokens is not a count/,
      undefined,
    ],
    [
      'refuses the chat',
      () => server.answerWith(models('demo-7b'), json(400, { error: 'no' })),
      'HOST_REJECTED',
      /HTTP 400/,
      undefined,
    ],
  ])('refuses a host that %s', async (_what, prepare, code, message, hint) => {
    prepare()

    const error = await caught(probeHost(hostOf(), { nowMs: clock(), hasTokenizer: false }))

    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    if (hint !== undefined) expect(error.hint).toMatch(hint)
  })

  it('gives up on a host that says nothing', async () => {
    server.answerWith(silence)

    const error = await caught(probeHost(hostOf({ timeoutMs: 100 }), { nowMs: clock(), hasTokenizer: false }))

    expect(error.code).toBe('HOST_UNREACHABLE')
    expect(error.message).toBe('No answer from host gpu-1 in 100 ms.')
  })

  it('says that nobody listens', async () => {
    const baseUrl = `http://127.0.0.1:${await closedPort()}/v1`

    expect((await caught(probeHost(hostOf({ baseUrl }), { nowMs: clock(), hasTokenizer: false }))).code).toBe(
      'HOST_UNREACHABLE',
    )
  })

  it('stops when it is called off', async () => {
    server.answerWith(silence)
    const stop = new AbortController()
    const work = caught(probeHost(hostOf(), { nowMs: clock(), hasTokenizer: false, signal: stop.signal }))
    while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
    stop.abort()

    expect((await work).code).toBe('INTERRUPTED')
  })
})
