import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { silentLogger } from '../../../src/lib/log.js'
import { createAttempts } from '../../../src/lib/router/attempts.js'
import { type ModelRoute, createRouteTable } from '../../../src/lib/router/route-table.js'
import { chatOperation } from '../../../src/lib/router/operation.js'
import { caught } from '../../helpers/caught.js'
import {
  type Gate,
  type HostAnswer,
  completion,
  createGate,
  cut,
  events,
  json,
  raw,
  stream,
} from '../../helpers/fake-host.js'
import { hostOf, routeOf } from '../../helpers/hosts.js'
import { closedPort } from '../../helpers/http-server.js'
import { type RouterWorld, createRouterWorld, readEvents } from '../../helpers/router-world.js'
import { until } from '../../helpers/until.js'

const request = chatOperation({ messages: [{ role: 'user', content: 'hi' }], maxTokens: 9, options: {} })

let world: RouterWorld

beforeEach(() => {
  world = createRouterWorld()
})

afterEach(() => world.close())

const ask = (route: ModelRoute, signal?: AbortSignal) => world.forward.complete(request, { route, signal })
const askStream = (route: ModelRoute, signal?: AbortSignal) =>
  readEvents(world.forward.stream(request, { route, signal }))
const reportOf = (id: string) => world.forward.report().find(({ hostId }) => hostId === id)
const outcomes = () => world.calls.map(({ hostId, cause, outcome }) => `${hostId} ${cause} ${outcome}`)

/** Requests succeed and fail in turn. */
function everySecond(answer: HostAnswer, failure: HostAnswer): HostAnswer {
  let turn = 0
  return (response, got) => {
    turn += 1
    const chosen = turn % 2 === 0 ? failure : answer
    chosen(response, got)
  }
}

describe('a host that asks for time', () => {
  it('is left for others as long as it said, and is no host that fails', async () => {
    const a = await world.host('a', [raw(429, '', { 'retry-after': '7' }), completion('from a')])
    const b = await world.host('b', [completion('from b')])
    const route = routeOf([a.host, b.host])

    expect((await ask(route)).text).toBe('from b')
    expect((await ask(route)).text).toBe('from b')
    world.clockMs = 6_999
    expect((await ask(route)).text).toBe('from b')
    expect(reportOf('a')).toMatchObject({ circuit: 'open' })
    world.clockMs = 7_000

    expect((await ask(route)).text).toBe('from a')
    expect(a.server.requests).toHaveLength(2)
    expect(outcomes()[0]).toBe('a first HOST_BUSY')
  })

  it('gets a second when it does not say how much', async () => {
    const a = await world.host('a', [json(429, {}), completion('from a')])
    const b = await world.host('b', [completion('from b')])
    const route = routeOf([a.host, b.host])
    await ask(route)

    world.clockMs = 999
    expect((await ask(route)).text).toBe('from b')
    world.clockMs = 1_000

    expect((await ask(route)).text).toBe('from a')
  })

  it('never opens its circuit, however often it asks', async () => {
    const a = await world.host('a', [raw(429, '', { 'retry-after': '0' })])
    const route = routeOf([a.host])

    for (let turn = 0; turn < 20; turn += 1) {
      expect(await caught(ask(route))).toMatchObject({ code: 'HOST_BUSY', details: { hostId: 'a' } })
    }

    expect(reportOf('a')).toMatchObject({ circuit: 'closed', outstanding: 0 })
  })

  it('is left for others by streams, too', async () => {
    const a = await world.host('a', [json(429, {})])
    const b = await world.host('b', [stream(['from b'])])

    expect((await askStream(routeOf([a.host, b.host])))[0]).toMatchObject({ text: 'from b' })
    expect(reportOf('a')).toMatchObject({ circuit: 'open', outstanding: 0 })
  })
})

describe('a host that has as many requests as it takes', () => {
  let gate: Gate

  beforeEach(() => {
    gate = createGate()
  })

  it('serves those above its limit later, in the order in which they came', async () => {
    const a = await world.host('a', [gate.hold(completion('ok'))], { maxConcurrent: 1 })
    const route = routeOf([a.host])
    const order: number[] = []
    const all = [0, 1, 2, 3].map((n) => ask(route).then(() => order.push(n)))
    expect(reportOf('a')).toMatchObject({ outstanding: 1, queued: 3 })

    for (let turn = 0; turn < 4; turn += 1) {
      await until(() => gate.held() > 0)
      expect(gate.held()).toBe(1)
      gate.next()
      await until(() => order.length === turn + 1)
    }

    await Promise.all(all)
    expect(order).toEqual([0, 1, 2, 3])
    expect(reportOf('a')).toMatchObject({ outstanding: 0, queued: 0 })
  })

  it('gets as many requests at once as it takes', async () => {
    const a = await world.host('a', [gate.hold(completion('ok'))], { maxConcurrent: 3 })
    const route = routeOf([a.host])
    const all = Array.from({ length: 8 }, () => ask(route))
    await until(() => gate.held() === 3)
    expect(reportOf('a')).toMatchObject({ outstanding: 3, queued: 5 })

    gate.open()

    expect(await Promise.all(all)).toHaveLength(8)
    // Its own, and one that is opened while another one is about to be free.
    expect(a.server.connections()).toBeLessThanOrEqual(4)
  })

  it('refuses those for whom there is no place', async () => {
    const a = await world.host('a', [gate.hold(completion('ok'))], { maxConcurrent: 1, maxQueued: 1 })
    const route = routeOf([a.host])
    const admitted = [ask(route), ask(route)]

    expect(await caught(ask(route))).toMatchObject({ code: 'HOST_BUSY', details: { hostIds: ['a'] } })
    gate.open()

    expect(await Promise.all(admitted)).toHaveLength(2)
    expect(a.server.requests).toHaveLength(2)
  })

  it('refuses those who waited too long', async () => {
    const a = await world.host('a', [gate.hold(completion('ok'))], { maxConcurrent: 1, queueTimeoutMs: 20 })
    const route = routeOf([a.host])
    const first = ask(route)

    expect((await caught(ask(route))).code).toBe('HOST_BUSY')
    gate.open()

    await first
    expect(reportOf('a')).toMatchObject({ outstanding: 0, queued: 0 })
    expect(a.server.requests).toHaveLength(1)
  })

  it('forgets those who went away while they waited', async () => {
    const a = await world.host('a', [gate.hold(completion('ok'))], { maxConcurrent: 1 })
    const route = routeOf([a.host])
    const gone = new AbortController()
    const [first, second, third] = [ask(route), ask(route, gone.signal), ask(route)]

    gone.abort()
    expect((await caught(second)).code).toBe('INTERRUPTED')
    gate.open()

    await Promise.all([first, third])
    expect(a.server.requests).toHaveLength(2)
    expect(reportOf('a')).toMatchObject({ outstanding: 0, queued: 0, circuit: 'closed' })
  })

  it('is not waited for when another one has room first', async () => {
    const other = createGate()
    const a = await world.host('a', [gate.hold(completion('from a'))], { maxConcurrent: 1 })
    const b = await world.host('b', [other.hold(completion('from b'))], { maxConcurrent: 1 })
    const route = routeOf([a.host, b.host])
    const all = [ask(route), ask(route), ask(route)]
    await until(() => gate.held() + other.held() === 2)

    other.open()
    expect((await all[2])?.text).toBe('from b')
    gate.open()

    expect((await Promise.all(all)).map(({ text }) => text)).toEqual(['from a', 'from b', 'from b'])
  })

  it('dies without those who wait: they are served by another one', async () => {
    const other = createGate()
    const a = await world.host('a', [gate.hold(json(500, {}))], { maxConcurrent: 3 })
    const b = await world.host('b', [other.hold(completion('from b'))], { maxConcurrent: 3 })
    const route = routeOf([a.host, b.host])
    const all = Array.from({ length: 10 }, () => ask(route))
    await until(() => gate.held() === 3 && other.held() === 3)

    gate.open()
    await until(() => reportOf('a')?.circuit === 'open')
    other.open()

    expect((await Promise.all(all)).map(({ text }) => text)).toEqual(Array(10).fill('from b'))
    // Those that were there, and those that came while its first two failures could still be chance.
    expect(a.server.requests.length).toBeLessThanOrEqual(5)
    expect(world.forward.report()).toMatchObject([
      { outstanding: 0, queued: 0 },
      { outstanding: 0, queued: 0 },
    ])
  })

  it('fails those who wait when it dies alone, and does not keep them', async () => {
    const a = await world.host('a', [gate.hold(json(500, {}))], { maxConcurrent: 1 })
    const route = routeOf([a.host])
    const all = Array.from({ length: 5 }, () => caught(ask(route)))
    await until(() => gate.held() === 1)

    gate.open()

    expect((await Promise.all(all)).map(({ code }) => code)).toEqual(Array(5).fill('HOST_FAILED'))
    expect(reportOf('a')).toMatchObject({ outstanding: 0, queued: 0, circuit: 'open' })
  })

  it('tells who finds the others busy what was asked before', async () => {
    const a = await world.host('a', [json(500, {})])
    const b = await world.host('b', [gate.hold(completion('b'))], {
      maxConcurrent: 1,
      maxQueued: 0,
      priority: 1,
    })
    const route = routeOf([a.host, b.host], { policy: 'priority' })
    const first = ask(route)
    await until(() => gate.held() === 1)

    const error = await caught(ask(route))

    expect(error).toMatchObject({
      code: 'HOST_BUSY',
      details: { attempts: [{ hostId: 'a', code: 'HOST_FAILED' }] },
    })
    gate.open()
    await first
  })

  it('counts streams until their end', async () => {
    const a = await world.host('a', [stream(['a'], null, 'silence')], { maxConcurrent: 1, maxQueued: 0 })
    const route = routeOf([a.host])
    const given = world.forward.stream(request, { route })
    await given.next()

    expect((await caught(ask(route))).code).toBe('HOST_BUSY')
    await given.return(undefined)

    expect(reportOf('a')).toMatchObject({ outstanding: 0 })
    expect(outcomes()).toEqual(['a first INTERRUPTED'])
  })
})

describe('the retry budget of a model', () => {
  it('gives up with the error of the host when it is exhausted', async () => {
    const hosts = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'].map((id) =>
        world.host(id, [json(500, {})]),
      ),
    )

    const error = await caught(
      ask(
        routeOf(
          hosts.map(({ host }) => host),
          { retryRatio: 0 },
        ),
      ),
    )

    expect(error).toMatchObject({ code: 'HOST_FAILED', details: { hostId: 'k' } })
    expect(error.details.attempts).toHaveLength(11)
    expect(world.calls).toHaveLength(11)
  })

  it('is filled again by time', async () => {
    const hosts = await Promise.all(['a', 'b'].map((id) => world.host(id, [json(500, {})])))
    const route = routeOf(
      hosts.map(({ host }) => host),
      { retryRatio: 0 },
    )
    for (let turn = 0; turn < 11; turn += 1) await caught(ask(route))
    expect(world.calls).toHaveLength(21)

    world.clockMs = 100
    await caught(ask(route))

    expect(world.calls).toHaveLength(23)
  })
})

describe('a connection that its host closed while it was kept', () => {
  it('is opened anew once, when there is no other host', async () => {
    const a = await world.host('a', [completion('one'), cut(), completion('two')])
    const route = routeOf([a.host])
    await ask(route)

    expect((await ask(route)).text).toBe('two')
    expect(a.server.requests).toHaveLength(3)
    expect(outcomes()).toEqual(['a first ok', 'a first HOST_UNREACHABLE', 'a retry ok'])
  })

  it('is opened anew for streams', async () => {
    const a = await world.host('a', [cut(), stream(['two'])])

    expect((await askStream(routeOf([a.host])))[0]).toMatchObject({ text: 'two' })
  })

  it('is not opened a third time', async () => {
    const a = await world.host('a', [cut(), cut(), completion('three')])

    const error = await caught(ask(routeOf([a.host])))

    expect(error).toMatchObject({ code: 'HOST_UNREACHABLE', details: { hostId: 'a' } })
    expect(error.details.attempts).toHaveLength(2)
    expect(a.server.requests).toHaveLength(2)
  })

  it('is not opened anew without a budget for it', async () => {
    const a = await world.host('a', [cut()])
    const route = routeOf([a.host], { retryRatio: 0 })
    for (let turn = 0; turn < 10; turn += 1) await caught(ask(route))
    const before = a.server.requests.length

    await caught(ask(route))

    expect(a.server.requests).toHaveLength(before + 1)
  })

  it('is left for another host when there is one', async () => {
    const a = await world.host('a', [cut()])
    const b = await world.host('b', [completion('from b')])

    expect((await ask(routeOf([a.host, b.host]))).text).toBe('from b')
    expect(a.server.requests).toHaveLength(1)
  })

  it('is not opened anew for a caller who is gone', async () => {
    const gone = new AbortController()
    const a = await world.host('a', [
      (response) => {
        gone.abort()
        response.destroy()
      },
    ])

    expect((await caught(ask(routeOf([a.host]), gone.signal))).code).toBe('INTERRUPTED')
    expect(a.server.requests).toHaveLength(1)
  })
})

describe('a host that fails every second time', () => {
  it('is put out of use although it never fails three times in a row', async () => {
    const a = await world.host('a', [everySecond(completion('from a'), json(500, {}))])
    const b = await world.host('b', [completion('from b')], { priority: 1 })
    const route = routeOf([a.host, b.host], { policy: 'priority' })

    for (let turn = 0; turn < 30; turn += 1) await ask(route)

    expect(a.server.requests).toHaveLength(10)
    expect(reportOf('a')).toMatchObject({ circuit: 'open' })
  })

  it('is asked less, although it has less to do than those that answer', async () => {
    const a = await world.host('a', [everySecond(completion('from a'), json(500, {}))])
    const b = await world.host('b', [completion('from b')])
    const route = routeOf([a.host, b.host])

    for (let turn = 0; turn < 30; turn += 1) await ask(route)

    expect(a.server.requests).toHaveLength(2)
  })
})

describe('a host that breaks off each stream', () => {
  it('does not draw them all, though it answers whole requests and nobody knows how fast it streams', async () => {
    const isStream = (body: Record<string, unknown>) => body.stream === true
    const a = await world.host('a', [
      (response, got) => {
        const answer = isStream(got.body) ? stream(['half of '], null, 'cut') : completion('from a')
        answer(response, got)
      },
    ])
    const b = await world.host('b', [
      (response, got) => {
        const answer = isStream(got.body) ? stream(['from b']) : completion('from b')
        answer(response, got)
      },
    ])
    const route = routeOf([a.host, b.host], { policy: 'latency' })

    for (let turn = 0; turn < 20; turn += 1) {
      await ask(route)
      await askStream(route).catch(() => undefined)
    }

    const streamsAt = ({ server }: typeof a) => server.requests.filter(({ body }) => isStream(body)).length
    expect(streamsAt(a)).toBeLessThan(3)
    expect(streamsAt(b)).toBeGreaterThan(17)
  })
})

describe('a host that came back', () => {
  it('begins with a tenth of its share', async () => {
    const gate = createGate()
    const a = await world.host('a', [json(500, {})])
    const b = await world.host('b', [completion('from b')], { priority: 1 })
    const first = routeOf([a.host, b.host], { policy: 'priority' })
    for (let turn = 0; turn < 3; turn += 1) await ask(first)
    a.server.answerWith(completion('back'))
    world.clockMs = 2_000
    expect((await ask(first)).text).toBe('back')
    const route = routeOf([a.host, b.host])
    world.forward.use([route])

    for (const { server } of [a, b]) server.answerWith(gate.hold(completion('ok')))
    const all = Array.from({ length: 22 }, () => ask(route))
    await until(() => gate.held() === 22)
    expect(world.forward.report().map(({ outstanding }) => outstanding)).toEqual([2, 20])
    gate.open()
    await Promise.all(all)

    world.clockMs = 32_000
    const again = createGate()
    for (const { server } of [a, b]) server.answerWith(again.hold(completion('ok')))
    const later = Array.from({ length: 22 }, () => ask(route))
    await until(() => again.held() === 22)
    expect(world.forward.report().map(({ outstanding }) => outstanding)).toEqual([11, 11])
    again.open()
    await Promise.all(later)
  })
})

describe('a slow host, when a second one may be asked', () => {
  /** Enough requests to tell which are slow: with a clock that stands still, all that take any time. */
  async function warmUp(route: ModelRoute, isStream = false): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await (isStream ? askStream(route) : ask(route))
    expect(world.calls.map(({ cause }) => cause)).toEqual(Array(20).fill('first'))
  }

  async function slowAndFast(routing = {}) {
    const gate = createGate()
    const a = await world.host('a', [completion('from a')])
    const b = await world.host('b', [completion('from b')], { maxConcurrent: 1, maxQueued: 0 })
    const route = routeOf([a.host, b.host], { hedge: true, ...routing })
    await warmUp(route)
    a.server.answerWith(gate.hold(completion('from a')))
    return { a, b, route, gate }
  }

  it('is called off when the second answers, and nobody holds it against it', async () => {
    const { a, route } = await slowAndFast()

    expect((await ask(route)).text).toBe('from b')

    await until(() => a.server.abandoned() === 1)
    await until(() => world.calls.length === 22)
    expect(outcomes().slice(20).sort()).toEqual(['a first INTERRUPTED', 'b hedge ok'])
    expect(reportOf('a')).toMatchObject({ circuit: 'closed', outstanding: 0 })
    expect(world.records).toEqual([])
  })

  it('wins when it answers first after all, and the second is called off', async () => {
    const { b, route, gate } = await slowAndFast()
    const other = createGate()
    b.server.answerWith(other.hold(completion('from b')))
    const answer = ask(route)
    await until(() => gate.held() === 1 && other.held() === 1)

    gate.open()

    expect((await answer).text).toBe('from a')
    await until(() => b.server.abandoned() === 1)
    await until(() => reportOf('b')?.outstanding === 0)
    expect(outcomes().slice(20).sort()).toEqual(['a first ok', 'b hedge INTERRUPTED'])
  })

  it('is remembered as one that takes at least as long as it was waited for', async () => {
    const { b, route } = await slowAndFast()
    b.server.answerWith((response, got) => {
      world.clockMs = 400
      completion('from b')(response, got)
    })

    await ask(route)

    await until(() => world.calls.length === 22)
    expect(reportOf('a')?.answerMs).toBe(400)
  })

  it('is the only one to be asked when the second has no room', async () => {
    const { b, route, gate } = await slowAndFast()
    const other = createGate()
    b.server.answerWith(other.hold(completion('from b')))
    const first = ask(route)
    await until(() => gate.held() === 1 && other.held() === 1)

    const second = ask(route)
    await until(() => gate.held() === 2)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(b.server.requests).toHaveLength(1)
    gate.open()

    expect([(await first).text, (await second).text]).toEqual(['from a', 'from a'])
  })

  it('is the only one to be asked when the budget is exhausted', async () => {
    const { a, b, route, gate } = await slowAndFast({ retryRatio: 0 })
    for (let turn = 0; turn < 10; turn += 1) expect((await ask(route)).text).toBe('from b')
    await until(() => a.server.abandoned() === 10)
    const seen = b.server.requests.length

    const answer = ask(route)
    // The eleventh, beside the ten that were abandoned.
    await until(() => gate.held() === 11)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(b.server.requests).toHaveLength(seen)
    expect(reportOf('b')).toMatchObject({ outstanding: 0 })
    gate.open()

    expect((await answer).text).toBe('from a')
  })

  it('may fail while the second is at work', async () => {
    const { a, b, route } = await slowAndFast()
    const [one, other] = [createGate(), createGate()]
    a.server.answerWith(one.hold(json(500, {})))
    b.server.answerWith(other.hold(completion('from b')))
    const answer = ask(route)
    await until(() => one.held() === 1 && other.held() === 1)

    one.open()
    await until(() => world.calls.length === 21)
    other.open()

    expect((await answer).text).toBe('from b')
    expect(outcomes().slice(20)).toEqual(['a first HOST_FAILED', 'b hedge ok'])
    expect(world.records).toMatchObject([{ level: 'warn', fields: { hostId: 'a', code: 'HOST_FAILED' } }])
  })

  it('leaves the request to a third one when the second fails too, and neither is asked again', async () => {
    const { a, b, route: two } = await slowAndFast()
    const c = await world.host('c', [completion('from c')], { priority: 9 })
    const [one, other] = [createGate(), createGate()]
    a.server.answerWith(one.hold(json(500, {})))
    b.server.answerWith(other.hold(json(503, {})))
    const route = {
      ...two,
      hosts: [a.host, b.host, c.host],
      routing: { ...two.routing, policy: 'priority' },
    } as const
    world.forward.use([route])
    const answer = ask(route)
    await until(() => one.held() === 1 && other.held() === 1)

    other.open()
    await until(() => world.calls.length === 21)
    one.open()

    expect((await answer).text).toBe('from c')
    expect(outcomes().slice(20)).toEqual(['b hedge HOST_FAILED', 'a first HOST_FAILED', 'c retry ok'])
  })

  it('names both in the error when both fail', async () => {
    const { a, b, route } = await slowAndFast()
    const [one, other] = [createGate(), createGate()]
    a.server.answerWith(one.hold(json(500, {})))
    b.server.answerWith(other.hold(json(503, {})))
    const failing = caught(ask(route))
    await until(() => one.held() === 1 && other.held() === 1)
    one.open()
    await until(() => world.calls.length === 21)
    other.open()

    expect((await failing).details.attempts).toEqual([
      { hostId: 'a', code: 'HOST_FAILED' },
      { hostId: 'b', code: 'HOST_FAILED' },
    ])
  })

  it('is called off together with the second when the caller goes away', async () => {
    const { a, b, route, gate } = await slowAndFast()
    const other = createGate()
    b.server.answerWith(other.hold(completion('from b')))
    const gone = new AbortController()
    const failing = caught(ask(route, gone.signal))
    await until(() => gate.held() === 1 && other.held() === 1)

    gone.abort()

    expect((await failing).code).toBe('INTERRUPTED')
    await until(() => a.server.abandoned() + b.server.abandoned() === 2)
    await until(() => world.forward.report().every(({ outstanding }) => outstanding === 0))
    expect(reportOf('a')?.answerMs).toBe(0)
  })

  it('is beaten by the first word of a stream, and its connection is closed', async () => {
    const gate = createGate()
    const a = await world.host('a', [stream(['from a'])])
    const b = await world.host('b', [stream(['from ', 'b'])])
    const route = routeOf([a.host, b.host], { hedge: true })
    await warmUp(route, true)
    a.server.answerWith(gate.hold(stream(['from a'])))

    const all = await askStream(route)

    expect(all.map((event) => (event.type === 'chunk' ? event.text : ''))).toEqual(['from ', 'b', '', '', ''])
    await until(() => a.server.abandoned() === 1)
    await until(() => world.calls.length === 22)
    expect(outcomes().slice(20).sort()).toEqual(['a first INTERRUPTED', 'b hedge ok'])
    expect(reportOf('a')).toMatchObject({ outstanding: 0, circuit: 'closed' })
  })

  it('is not doubled when it is a container, and none is asked beside another host', async () => {
    const gate = createGate()
    const a = await world.host('a', [json(200, { output: 'from a' })], { kind: 'infernet' })
    const b = await world.host('b', [json(200, { output: 'from b' })], { kind: 'infernet' })
    const c = await world.host('c', [completion('from c')], { priority: 9 })
    const route = routeOf([a.host, b.host, c.host], { hedge: true, policy: 'priority' })
    await warmUp(route)
    a.server.answerWith(gate.hold(json(200, { output: 'from a' })))

    const answer = ask(route)
    await until(() => gate.held() === 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    gate.open()

    expect((await answer).text).toBe('from a')
    expect(b.server.requests.length + c.server.requests.length).toBe(0)
  })

  it('is not doubled as long as too little is known', async () => {
    const gate = createGate()
    const a = await world.host('a', [gate.hold(completion('from a'))])
    const b = await world.host('b', [completion('from b')])
    const answer = ask(routeOf([a.host, b.host], { hedge: true }))
    await until(() => gate.held() === 1)

    await new Promise((resolve) => setTimeout(resolve, 20))
    gate.open()

    expect((await answer).text).toBe('from a')
    expect(b.server.requests).toHaveLength(0)
  })
})

describe('a call that was overtaken', () => {
  /** Two hosts, the second of which answers while the first is told to stop, and hears it too late. */
  async function overtake(latencyMs: number | null) {
    let clockMs = 0
    const table = createRouteTable({ nowMs: () => clockMs, maxAnswerBytes: 1_000 })
    const route = routeOf([hostOf({ id: 'a' }), hostOf({ id: 'b' })], { hedge: true })
    const state = table.of(route)
    const [slow] = state.channels
    for (let sample = 0; sample < 20; sample += 1) state.answerSamples.record(0)
    if (latencyMs !== null) slow?.answerLatency.record(latencyMs, 0)
    const attempts = createAttempts({
      table,
      nowMs: () => clockMs,
      random: () => 0,
      log: silentLogger,
      onCall: undefined,
    })
    const dropped: string[] = []
    const won = await attempts.ask(
      {
        isStream: false,
        route: 'chat/completions',
        promptTokens: 1,
        async run({ host }, signal) {
          if (host.id === 'a') await until(() => signal?.aborted === true)
          clockMs = 400
          return host.id
        },
        drop: (answer: string) => dropped.push(answer),
      },
      { route },
    )
    attempts.settle(won.attempt)
    await until(() => state.channels.every((channel) => channel.outstanding() === 0))
    await table.destroy()
    return { answer: won.answer, dropped, heldMs: slow?.answerLatency.heldMs(), samples: state.answerSamples }
  }

  it('is dropped when it was answered all the same', async () => {
    expect(await overtake(null)).toMatchObject({ answer: 'b', dropped: ['a'] })
  })

  it.each([
    [null, 400],
    [100, 400],
    [1_000, 1_000],
  ])(
    'makes of a host that takes %s ms one that takes %d, since it tells only the least',
    async (before, after) => {
      expect((await overtake(before)).heldMs).toBe(after)
    },
  )

  it('counts among those that are slow, so that not ever more are', async () => {
    const { samples } = await overtake(null)
    for (let sample = 0; sample < 16; sample += 1) samples.record(0)

    expect(samples.quantileMs(1)).toBe(400)
  })
})

describe('a container among the hosts', () => {
  const kind = 'infernet'

  it.each<[string, HostAnswer, string]>([
    ['reports a failure', json(200, { code: '500' }), 'HOST_FAILED'],
    ['answers with a server error', json(500, {}), 'HOST_FAILED'],
    ['answers with nonsense', json(200, []), 'HOST_NOT_READY'],
    ['closes the connection', cut(), 'HOST_UNREACHABLE'],
  ])('is asked once, and nobody else, when it %s', async (_what, answer, code) => {
    const a = await world.host('a', [answer], { kind })
    const b = await world.host('b', [json(200, { output: 'from b' })], { kind })

    expect((await caught(ask(routeOf([a.host, b.host])))).code).toBe(code)
    expect([a.server.requests.length, b.server.requests.length]).toEqual([1, 0])
  })

  it('is asked once by a stream that is cut before its first word', async () => {
    const a = await world.host('a', [cut()], { kind })
    const b = await world.host('b', [raw(200, 'from b')], { kind })

    expect((await caught(askStream(routeOf([a.host, b.host])))).code).toBe('HOST_UNREACHABLE')
    expect(b.server.requests).toHaveLength(0)
  })

  it('is asked once when its time is over', async () => {
    const a = await world.host('a', [() => undefined], { kind, timeoutMs: 30 })
    const b = await world.host('b', [json(200, { output: 'from b' })], { kind })

    expect((await caught(ask(routeOf([a.host, b.host])))).code).toBe('HOST_UNREACHABLE')
    expect(b.server.requests).toHaveLength(0)
  })

  it('is left for another one when it has too much to do', async () => {
    const a = await world.host('a', [json(429, {})], { kind })
    const b = await world.host('b', [json(200, { output: 'from b' })], { kind })

    expect((await ask(routeOf([a.host, b.host]))).text).toBe('from b')
  })

  it('is left for another one when it cannot have heard of the request', async () => {
    const a = hostOf({ id: 'a', kind, baseUrl: `http://127.0.0.1:${await closedPort()}` })
    const b = await world.host('b', [json(200, { output: 'from b' })], { kind })

    expect((await ask(routeOf([a, b.host]))).text).toBe('from b')
    expect(outcomes()).toEqual(['a first HOST_UNREACHABLE', 'b retry ok'])
  })

  it('stands in for a server that failed', async () => {
    const a = await world.host('a', [json(500, {})])
    const b = await world.host('b', [json(200, { output: 'from b' })], { kind })

    expect((await ask(routeOf([a.host, b.host]))).text).toBe('from b')
  })
})

describe('a stream that has not begun', () => {
  it('goes to another host, whatever the first said before its first word', async () => {
    const role = { choices: [{ delta: { role: 'assistant', content: '' } }] }
    const a = await world.host('a', [
      (response) => {
        response.writeHead(200)
        response.write(`data: ${JSON.stringify(role)}\n\n`, () => response.destroy())
      },
    ])
    const b = await world.host('b', [
      events(role, { choices: [{ delta: { content: 'from b' }, finish_reason: 'stop' }] }),
    ])

    const all = await askStream(routeOf([a.host, b.host]))

    expect(all.map((event) => (event.type === 'chunk' ? event.raw : event.type))).toEqual([
      role,
      { choices: [{ delta: { content: 'from b' }, finish_reason: 'stop' }] },
      'end',
    ])
    expect(outcomes()).toEqual(['a first HOST_UNREACHABLE', 'b retry ok'])
  })
})

describe('what is told of a call', () => {
  it('is how long it took, and until the first event of a stream', async () => {
    const a = await world.host('a', [
      (response, got) => {
        world.clockMs += 30
        completion('ok')(response, got)
      },
      (response, got) => {
        world.clockMs += 20
        stream(['ok'])(response, got)
      },
    ])
    const route = routeOf([a.host])

    await ask(route)
    const given = world.forward.stream(request, { route })
    await given.next()
    world.clockMs += 50
    await readEvents(given)

    expect(world.calls).toEqual([
      {
        model: 'model',
        hostId: 'a',
        outcome: 'ok',
        isStream: false,
        cause: 'first',
        durationMs: 30,
        firstEventMs: null,
      },
      {
        model: 'model',
        hostId: 'a',
        outcome: 'ok',
        isStream: true,
        cause: 'first',
        durationMs: 70,
        firstEventMs: 20,
      },
    ])
    expect(reportOf('a')).toMatchObject({ firstEventMs: expect.any(Number) })
  })

  it('is a fault of our own when the answer cannot be read for one, which says nothing of the host', async () => {
    const a = await world.host('a', [completion('ok')])
    const b = await world.host('b', [completion('ok')])
    const broken = {
      ...request,
      read: () => {
        throw new TypeError('x is not a function')
      },
    }

    const error = await caught(world.forward.complete(broken, { route: routeOf([a.host, b.host]) }))

    expect(error.code).toBe('INTERNAL')
    expect(outcomes()).toEqual(['a first INTERNAL'])
    expect(reportOf('a')).toMatchObject({ circuit: 'closed', outstanding: 0, answerMs: null })
  })
})
