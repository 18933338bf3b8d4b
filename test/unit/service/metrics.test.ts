import { describe, expect, it } from '@jest/globals'
import type { HostCall, HostReport } from '../../../src/lib/router/forward.js'
import {
  type EndedRequest,
  type ServiceMetricsOptions,
  createServiceMetrics,
} from '../../../src/lib/service/metrics.js'
import { createDice } from '../../helpers/dice.js'
import { parseExposition, valueOf } from '../../helpers/exposition.js'

const report = (changes: Partial<HostReport> = {}): HostReport => ({
  model: 'small',
  hostId: 'a',
  circuit: 'closed',
  outstanding: 0,
  queued: 0,
  answerMs: null,
  firstEventMs: null,
  ...changes,
})

function create(changes: Partial<ServiceMetricsOptions> = {}) {
  const metrics = createServiceMetrics({
    version: '1.2.3',
    routes: ['/v1/chat/completions', '/service_output'],
    models: [
      { name: 'small', hostIds: ['a', 'b'] },
      { name: 'large', hostIds: ['a'] },
    ],
    clients: ['one', 'two'],
    collectHosts: () => [],
    ...changes,
  })
  return { metrics, read: async () => parseExposition((await metrics.render()).body) }
}

const request = (changes: Partial<EndedRequest> = {}): EndedRequest => ({
  route: '/v1/chat/completions',
  model: 'small',
  client: 'one',
  status: 200,
  durationMs: 120,
  firstTokenMs: null,
  ...changes,
})

const call = (changes: Partial<HostCall> = {}): HostCall => ({
  model: 'small',
  hostId: 'a',
  outcome: 'ok',
  isStream: false,
  cause: 'first',
  durationMs: 100,
  firstEventMs: null,
  ...changes,
})

describe('the figures of requests', () => {
  it('count by route, model and status, and by client and outcome', async () => {
    const { metrics, read } = create()

    metrics.requestEnded(request())
    metrics.requestEnded(request())
    metrics.requestEnded(request({ status: 429, client: 'two' }))
    metrics.requestEnded(request({ status: 502 }))
    metrics.requestEnded(request({ status: 401, client: null, model: null }))

    const figures = await read()
    const on = { route: '/v1/chat/completions', model: 'small' }
    expect(valueOf(figures, 'flock_requests_total', { ...on, status: '200' })).toBe(2)
    expect(valueOf(figures, 'flock_requests_total', { ...on, status: '429' })).toBe(1)
    expect(valueOf(figures, 'flock_requests_total', { model: 'none', status: '401' })).toBe(1)
    expect(valueOf(figures, 'flock_client_requests_total', { client: 'one', outcome: 'ok' })).toBe(2)
    expect(valueOf(figures, 'flock_client_requests_total', { client: 'one', outcome: 'failed' })).toBe(1)
    expect(valueOf(figures, 'flock_client_requests_total', { client: 'two', outcome: 'refused' })).toBe(1)
    expect(valueOf(figures, 'flock_client_requests_total', { client: 'none', outcome: 'refused' })).toBe(1)
  })

  it('tell durations in seconds', async () => {
    const { metrics, read } = create()

    metrics.requestEnded(request({ durationMs: 120, firstTokenMs: 40 }))
    metrics.requestEnded(request({ durationMs: 3_000 }))

    const figures = await read()
    const duration = 'flock_request_duration_seconds'
    expect(valueOf(figures, `${duration}_sum`)).toBeCloseTo(3.12, 9)
    expect(valueOf(figures, `${duration}_count`, { outcome: 'ok' })).toBe(2)
    expect(valueOf(figures, `${duration}_bucket`, { le: '0.1' })).toBe(0)
    expect(valueOf(figures, `${duration}_bucket`, { le: '0.25' })).toBe(1)
    expect(valueOf(figures, `${duration}_bucket`, { le: '5' })).toBe(2)
    expect(valueOf(figures, 'flock_first_token_seconds_count')).toBe(1)
    expect(valueOf(figures, 'flock_first_token_seconds_sum')).toBeCloseTo(0.04, 9)
  })

  it('break on no value, whatever a clock or a caller says', async () => {
    const { metrics, read } = create()

    for (const durationMs of [-1, NaN, Infinity, -Infinity, 0])
      metrics.requestEnded(request({ durationMs, firstTokenMs: durationMs, status: NaN }))

    const figures = await read()
    expect(valueOf(figures, 'flock_requests_total', { status: 'other' })).toBe(5)
    expect(valueOf(figures, 'flock_request_duration_seconds_sum')).toBe(0)
  })
})

describe('the figures of hosts', () => {
  it('count calls by outcome, retries and hedges', async () => {
    const { metrics, read } = create()

    metrics.hostCallEnded(call({ outcome: 'HOST_UNREACHABLE' }))
    metrics.hostCallEnded(call({ hostId: 'b', cause: 'retry' }))
    metrics.hostCallEnded(call({ hostId: 'b', cause: 'hedge', isStream: true, firstEventMs: 30 }))

    const figures = await read()
    const calls = 'flock_host_requests_total'
    expect(valueOf(figures, calls, { model: 'small', host: 'a', outcome: 'HOST_UNREACHABLE' })).toBe(1)
    expect(valueOf(figures, calls, { model: 'small', host: 'b', outcome: 'ok' })).toBe(2)
    expect(valueOf(figures, 'flock_host_request_duration_seconds_count', { host: 'b' })).toBe(2)
    expect(valueOf(figures, 'flock_host_request_duration_seconds_sum', { host: 'b' })).toBeCloseTo(0.2, 9)
    expect(valueOf(figures, 'flock_host_first_event_seconds_count', { host: 'b' })).toBe(1)
    expect(valueOf(figures, 'flock_retries_total', { model: 'small' })).toBe(1)
    expect(valueOf(figures, 'flock_hedges_total', { model: 'small' })).toBe(1)
  })

  it('keep hosts of one id apart by model', async () => {
    const { metrics, read } = create()

    metrics.hostCallEnded(call({ model: 'large' }))

    const figures = await read()
    expect(valueOf(figures, 'flock_host_requests_total', { model: 'large', host: 'a' })).toBe(1)
    expect(valueOf(figures, 'flock_host_requests_total', { model: 'small', host: 'a' })).toBe(0)
  })

  it('show how each host stands at the moment of asking', async () => {
    let reports = [
      report({ outstanding: 3, queued: 2, circuit: 'open', answerMs: 1_500, firstEventMs: 250 }),
      report({ hostId: 'b', outstanding: 1 }),
    ]
    const { read } = create({ collectHosts: () => reports })

    const first = await read()
    expect(valueOf(first, 'flock_host_outstanding', { host: 'a' })).toBe(3)
    expect(valueOf(first, 'flock_host_queue_length', { host: 'a' })).toBe(2)
    expect(
      ['closed', 'open', 'trial'].map((state) =>
        valueOf(first, 'flock_host_circuit_state', { host: 'a', state }),
      ),
    ).toEqual([0, 1, 0])
    expect(valueOf(first, 'flock_host_ewma_seconds', { host: 'a', until: 'answer' })).toBe(1.5)
    expect(valueOf(first, 'flock_host_ewma_seconds', { host: 'a', until: 'first_event' })).toBe(0.25)
    expect(valueOf(first, 'flock_host_ewma_seconds', { host: 'b' })).toBeUndefined()

    reports = [report({ circuit: 'trial' })]

    const second = await read()
    expect(valueOf(second, 'flock_host_outstanding', { host: 'a' })).toBe(0)
    expect(valueOf(second, 'flock_host_outstanding', { host: 'b' })).toBeUndefined()
    expect(valueOf(second, 'flock_host_circuit_state', { host: 'a', state: 'trial' })).toBe(1)
    expect(valueOf(second, 'flock_host_ewma_seconds', { host: 'a' })).toBeUndefined()
  })
})

describe('the figures of tokens and receipts', () => {
  it('count tokens by kind and by who counted them', async () => {
    const { metrics, read } = create()
    const tokens = { promptTokens: 100, completionTokens: 20, cachedTokens: 64, reasoningTokens: 0 }

    metrics.tokensCounted({ model: 'small', source: 'host', ...tokens })
    metrics.tokensCounted({ model: 'small', source: 'tokenizer', ...tokens, promptTokens: NaN })

    const figures = await read()
    const count = (kind: string, source: string) => valueOf(figures, 'flock_tokens_total', { kind, source })
    expect(['prompt', 'completion', 'cached', 'reasoning'].map((kind) => count(kind, 'host'))).toEqual([
      100,
      20,
      64,
      undefined,
    ])
    expect([count('prompt', 'tokenizer'), count('completion', 'tokenizer')]).toEqual([undefined, 20])
  })

  it('count receipts and the time that it took to store them', async () => {
    const { metrics, read } = create()

    metrics.receiptStored({ model: 'small', outcome: 'stored', commitMs: 2 })
    metrics.receiptStored({ model: 'small', outcome: 'stored', commitMs: 4 })
    metrics.receiptStored({ model: 'small', outcome: 'replayed', commitMs: null })

    const figures = await read()
    const count = (outcome: string) => valueOf(figures, 'flock_receipts_total', { model: 'small', outcome })
    expect(['stored', 'replayed', 'failed'].map(count)).toEqual([2, 1, 0])
    expect(valueOf(figures, 'flock_receipt_commit_seconds_count')).toBe(2)
    expect(valueOf(figures, 'flock_receipt_commit_seconds_sum')).toBeCloseTo(0.006, 9)
  })
})

describe('the text of the figures', () => {
  it('is strict Prometheus, with every figure that there is', async () => {
    const { metrics } = create({ collectHosts: () => [report({ answerMs: 0.1 + 0.2 })] })
    metrics.requestEnded(request({ firstTokenMs: 1e-7 }))

    const { contentType, body } = await metrics.render()

    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect([...parseExposition(body)].map(([name, { type }]) => `${type} ${name}`)).toEqual([
      'counter flock_host_requests_total',
      'histogram flock_host_request_duration_seconds',
      'histogram flock_host_first_event_seconds',
      'counter flock_retries_total',
      'counter flock_hedges_total',
      'gauge flock_host_outstanding',
      'gauge flock_host_queue_length',
      'gauge flock_host_circuit_state',
      'gauge flock_host_ewma_seconds',
      'counter flock_requests_total',
      'histogram flock_request_duration_seconds',
      'histogram flock_first_token_seconds',
      'counter flock_client_requests_total',
      'counter flock_tokens_total',
      'counter flock_receipts_total',
      'histogram flock_receipt_commit_seconds',
      'gauge flock_build_info',
    ])
  })

  it('names the version', async () => {
    const figures = await create().read()

    expect(valueOf(figures, 'flock_build_info', { version: '1.2.3' })).toBe(1)
  })

  it('lets the counters of every model and host begin at zero', async () => {
    const figures = await create().read()

    expect(valueOf(figures, 'flock_host_requests_total', { model: 'small', host: 'b', outcome: 'ok' })).toBe(
      0,
    )
    expect(valueOf(figures, 'flock_retries_total', { model: 'large' })).toBe(0)
    expect(valueOf(figures, 'flock_hedges_total', { model: 'large' })).toBe(0)
    expect(valueOf(figures, 'flock_receipts_total', { model: 'large', outcome: 'failed' })).toBe(0)
  })

  it('holds names with any signs in them', async () => {
    const name = 'a "model" \\ of\ntwo lines {x="y"} # é'
    const { metrics, read } = create({ models: [{ name, hostIds: [name] }], clients: [name] })

    metrics.requestEnded(request({ model: name, client: name }))
    metrics.hostCallEnded(call({ model: name, hostId: name }))

    const figures = await read()
    expect(valueOf(figures, 'flock_client_requests_total', { client: name, model: name })).toBe(1)
    expect(valueOf(figures, 'flock_host_requests_total', { host: name, model: name })).toBe(1)
  })

  it('tells of the process when that is wanted, also twice in a row', async () => {
    const { read } = create({ withProcess: true })

    for (const figures of [await read(), await read()]) {
      expect(valueOf(figures, 'process_cpu_seconds_total')).toBeGreaterThan(0)
      expect(valueOf(figures, 'process_resident_memory_bytes')).toBeGreaterThan(0)
    }
  })

  it('is that of one service, however many a process runs', async () => {
    const [one, two] = [create({ withProcess: true }), create({ withProcess: true })]

    one.metrics.requestEnded(request())

    expect(valueOf(await one.read(), 'flock_requests_total')).toBe(1)
    expect(valueOf(await two.read(), 'flock_requests_total')).toBeUndefined()
  })
})

describe('the series', () => {
  const seriesOf = async ({ read }: ReturnType<typeof create>) =>
    [...(await read()).values()].reduce((count, { samples }) => count + samples.length, 0)

  it('are bounded by the configuration, whatever callers send', async () => {
    const dice = createDice(3)
    const service = create({
      collectHosts: () => Array.from({ length: 9 }, () => report({ hostId: `h${dice.amount(64)}` })),
    })
    const anything = () =>
      dice.pick([`x${dice.amount(64)}`, 'small', '__proto__', 'constructor', '', dice.amount(9).toString()])
    const play = () => {
      for (let count = 0; count < 3_000; count += 1) {
        service.metrics.requestEnded(
          request({
            route: `/${anything()}`,
            model: anything(),
            client: anything(),
            status: dice.pick([200, 404, 429, 500, 0, 99, 600, 2.5, -200, dice.between(1_000, 1_000_000)]),
            firstTokenMs: 1,
          }),
        )
        service.metrics.hostCallEnded(
          call({
            model: anything(),
            hostId: anything(),
            outcome: anything(),
            cause: 'retry',
            firstEventMs: 1,
          }),
        )
        service.metrics.tokensCounted({
          model: anything(),
          source: dice.pick(['host', 'tokenizer']),
          promptTokens: 1,
          completionTokens: 1,
          cachedTokens: 1,
          reasoningTokens: 1,
        })
        service.metrics.receiptStored({ model: anything(), outcome: 'stored', commitMs: 1 })
      }
    }

    play()
    const before = await seriesOf(service)
    play()

    expect(await seriesOf(service)).toBe(before)
    expect(before).toBeLessThan(3_000)
  })

  it('take new names with a new configuration, and keep those that were', async () => {
    const { metrics, read } = create()
    metrics.requestEnded(request())
    metrics.requestEnded(request({ model: 'new', client: 'three' }))

    metrics.use({ models: [{ name: 'new', hostIds: ['c'] }], clients: ['three'] })
    metrics.requestEnded(request())
    metrics.requestEnded(request({ model: 'new', client: 'three' }))

    const figures = await read()
    const count = (client: string, model: string) =>
      valueOf(figures, 'flock_client_requests_total', { client, model })
    expect(count('one', 'small')).toBe(1)
    expect(count('three', 'new')).toBe(1)
    expect(count('other', 'other')).toBe(2)
    expect(valueOf(figures, 'flock_host_requests_total', { model: 'new', host: 'c' })).toBe(0)
  })
})
