import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { type LogRecord, createLogger } from '../../../src/lib/log.js'
import { type Channel, createChannel, waitForRoom } from '../../../src/lib/router/channel.js'
import { type HealthChecks, startHealthChecks } from '../../../src/lib/router/health-check.js'
import type { HostSettings } from '../../../src/lib/router/hosts.js'
import {
  type FakeHost,
  type HostAnswer,
  createGate,
  cut,
  json,
  raw,
  startFakeHost,
} from '../../helpers/fake-host.js'
import { hostOf } from '../../helpers/hosts.js'
import { closedPort } from '../../helpers/http-server.js'
import { until } from '../../helpers/until.js'

const closers: (() => Promise<void> | void)[] = []
let clockMs = 0
let records: LogRecord[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  clockMs = 0
  records = []
})

const nowMs = () => clockMs

function checksOf(random: () => number = () => 0.5): HealthChecks {
  const log = createLogger('debug', (record) => records.push(record))
  const checks = startHealthChecks({ nowMs, random, log })
  closers.push(() => checks.stop())
  return checks
}

function channelOf(settings: Partial<HostSettings>): Channel {
  // As often as timers ring, so that nothing has to be waited for.
  const channel = createChannel(hostOf({ healthIntervalMs: 1, ...settings }), { maxAnswerBytes: 100_000 })
  closers.push(() => channel.destroy())
  return channel
}

async function setUp(
  answer: HostAnswer,
  settings: Partial<HostSettings> = {},
): Promise<{ host: FakeHost; channel: Channel; checks: HealthChecks }> {
  const host = await startFakeHost(answer)
  closers.push(() => host.close())
  const channel = channelOf({ baseUrl: host.baseUrl, ...settings })
  const checks = checksOf()
  checks.watch([channel])
  return { host, channel, checks }
}

function fail(channel: Channel): void {
  for (let call = 0; call < 3; call += 1) channel.health.failed(clockMs)
}

describe('a check', () => {
  it('asks the route for it with the headers of the host', async () => {
    const { host } = await setUp(json(200, {}), { healthPath: '/health', headers: { 'X-Team': 'bees' } })

    await until(() => host.requests.length > 2)

    expect(host.requests[0]).toMatchObject({ method: 'GET', path: '/v1/health' })
    expect(host.requests[0]?.headers).toMatchObject({ 'x-team': 'bees' })
  })

  it.each([
    ['answers with a failure', raw(500, 'x'), 'HTTP 500'],
    ['closes the connection', cut(), 'no answer'],
  ])(
    'takes a host out of use that %s three times in a row, and says so once',
    async (_what, answer, fault) => {
      const { host, channel } = await setUp(answer)

      await until(() => channel.health.circuit(clockMs) === 'open')
      expect(host.requests).toHaveLength(3)
      await until(() => host.requests.length > 5)

      expect(records).toMatchObject([
        { level: 'info', message: 'A model host changed.', fields: { hostId: 'a', circuit: 'open', fault } },
      ])
    },
  )

  it('takes a host out of use that does not listen', async () => {
    const channel = channelOf({ baseUrl: `http://127.0.0.1:${await closedPort()}` })
    checksOf().watch([channel])

    await until(() => channel.health.circuit(clockMs) === 'open')
  })

  it.each([200, 401, 404, 405])('takes HTTP %d for a sign of life', async (status) => {
    const { host, channel } = await setUp(raw(status, 'x'))

    await until(() => host.requests.length > 4)

    expect(channel.health.circuit(clockMs)).toBe('closed')
  })

  it('takes a host back once its pause is over, so that no request has to find out', async () => {
    const { host, channel } = await setUp(json(200, {}))
    fail(channel)
    await until(() => host.requests.length > 3)
    expect(channel.health.circuit(clockMs)).toBe('open')

    clockMs = 2_000
    await until(() => channel.health.circuit(clockMs) === 'closed')

    expect(channel.health.warmth(clockMs)).toBe(0.1)
    expect(records.at(-1)).toMatchObject({ fields: { hostId: 'a', circuit: 'closed' } })
  })

  it('keeps a host out that is still away, for longer each time', async () => {
    const { channel } = await setUp(raw(500, ''))
    await until(() => channel.health.circuit(clockMs) === 'open')

    clockMs = 2_000
    await until(() => channel.health.circuit(clockMs) === 'open')

    expect(channel.health.circuit(5_999)).toBe('open')
    expect(channel.health.circuit(6_000)).toBe('trial')
  })

  it('lets in who waits for a host that is back', async () => {
    const { channel } = await setUp(json(200, {}))
    const other = channelOf({ id: 'b', baseUrl: 'http://127.0.0.1:1', maxConcurrent: 1, healthIntervalMs: 0 })
    other.enter()
    fail(channel)
    const waiting = waitForRoom([channel, other], { nowMs, signal: undefined })

    clockMs = 2_000

    expect(await waiting).toBe(channel)
  })

  it('does not mend what requests find out: failures in between count on', async () => {
    const { host, channel } = await setUp(json(200, {}))
    channel.health.failed(clockMs)
    channel.health.failed(clockMs)
    await until(() => host.requests.length > 3)

    channel.health.failed(clockMs)

    expect(channel.health.circuit(clockMs)).toBe('open')
  })

  it('reaches a host that has as many requests as it takes', async () => {
    const gate = createGate()
    const { host, channel } = await setUp(
      (response, request) => {
        const answer = request.path === '/v1/models' ? json(200, {}) : gate.hold(json(200, {}))
        answer(response, request)
      },
      { maxConcurrent: 2 },
    )
    const underWay = [1, 2].map(() => channel.pool.request({ method: 'GET', path: '/long' }))
    await until(() => gate.held() === 2)

    const checks = () => host.requests.filter(({ path }) => path === '/v1/models').length
    const before = checks()
    await until(() => checks() > before + 3)

    expect(channel.health.circuit(clockMs)).toBe('closed')
    gate.open()
    await Promise.all(underWay.map(async (answer) => (await answer).body.dump()))
  })
})

describe('the hosts that are checked', () => {
  it('are those with an interval', async () => {
    const { host } = await setUp(json(200, {}))
    const silent = await startFakeHost(json(200, {}))
    closers.push(() => silent.close())
    checksOf().watch([channelOf({ baseUrl: silent.baseUrl, healthIntervalMs: 0 })])

    await until(() => host.requests.length > 3)

    expect(silent.requests).toHaveLength(0)
  })

  it('change with the configuration', async () => {
    const { host, checks } = await setUp(json(200, {}))
    const next = await startFakeHost(json(200, {}))
    closers.push(() => next.close())
    const other = channelOf({ id: 'b', baseUrl: next.baseUrl })
    await until(() => host.requests.length > 0)

    checks.watch([other])
    await until(() => next.requests.length > 2)
    const seen = host.requests.length
    await until(() => next.requests.length > 6)

    // At most the check that was under way.
    expect(host.requests.length).toBeLessThanOrEqual(seen + 1)
  })

  it('are checked once per interval, however often they are named', async () => {
    const gate = createGate()
    const { host, channel, checks } = await setUp(gate.hold(json(200, {})))

    for (let turn = 0; turn < 5; turn += 1) checks.watch([channel])
    await until(() => gate.held() === 1)
    checks.watch([channel])
    await new Promise((resolve) => setTimeout(resolve, 20))

    expect(host.requests).toHaveLength(1)
  })

  it('are left alone at the end, and a check that was under way changes nothing', async () => {
    const gate = createGate()
    const { host, channel, checks } = await setUp(gate.hold(raw(500, '')))
    channel.health.failed(clockMs)
    channel.health.failed(clockMs)
    await until(() => gate.held() === 1)

    checks.stop()
    gate.open()
    await new Promise((resolve) => setTimeout(resolve, 20))

    expect(channel.health.circuit(clockMs)).toBe('closed')
    expect(host.requests).toHaveLength(1)
  })

  it('are not asked all at the same moment', () => {
    const timers = jest.spyOn(globalThis, 'setTimeout')
    closers.push(() => timers.mockRestore())
    const draws = [0, 0.5, 0.75]
    const checks = checksOf(() => draws.shift() ?? 0)
    const channels = ['a', 'b', 'c'].map((id) => channelOf({ id, healthIntervalMs: 10_000 }))

    checks.watch(channels)

    const delays = timers.mock.calls.map(([, delayMs]) => Math.round(delayMs ?? 0))
    expect(delays.filter((delayMs) => delayMs >= 9_000)).toEqual([9_000, 10_000, 10_500])
  })
})
