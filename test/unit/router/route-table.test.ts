import { afterEach, describe, expect, it } from '@jest/globals'
import type { Channel } from '../../../src/lib/router/channel.js'
import type { Host } from '../../../src/lib/router/hosts.js'
import {
  type RouteState,
  type RouteTable,
  type Seeker,
  createRouteTable,
  hasUntried,
  take,
  takeFree,
  takeSecond,
} from '../../../src/lib/router/route-table.js'
import { caught } from '../../helpers/caught.js'
import { hostOf, routeOf } from '../../helpers/hosts.js'

const tables: RouteTable[] = []
let clockMs = 0

afterEach(async () => {
  await Promise.all(tables.splice(0).map((table) => table.destroy()))
  clockMs = 0
})

const nowMs = () => clockMs

function tableOf(): RouteTable {
  const table = createRouteTable({ nowMs, maxAnswerBytes: 1_000 })
  tables.push(table)
  return table
}

function stateOf(...hosts: Host[]): RouteState {
  return tableOf().of(routeOf(hosts))
}

function seekerOf(change: Partial<Seeker> = {}): Seeker {
  return {
    key: null,
    route: 'chat/completions',
    promptTokens: 10,
    isStream: false,
    tried: [],
    signal: undefined,
    nowMs,
    random: () => 0,
    ...change,
  }
}

function fail(channel: Channel | undefined): void {
  for (let call = 0; call < 3; call += 1) channel?.health.failed(clockMs)
}

function fill(channel: Channel | undefined): void {
  while (channel?.hasRoom() === true) channel.enter()
}

const idOf = (channel: Channel | null) => channel?.host.id ?? null
const [a, b, c] = ['a', 'b', 'c'].map((id) => hostOf({ id, maxConcurrent: 2 })) as [Host, Host, Host]

describe('taking a host that has room', () => {
  it('counts the request', () => {
    const state = stateOf(a)

    const channel = takeFree(state, seekerOf())

    expect(channel).toBe(state.channels[0])
    expect(channel?.outstanding()).toBe(1)
  })

  it('follows the policy of the model', () => {
    const hosts = [hostOf({ id: 'a', priority: 2 }), hostOf({ id: 'b', priority: 1 })]
    const state = tableOf().of(routeOf(hosts, { policy: 'priority' }))

    expect([1, 2, 3].map(() => idOf(takeFree(state, seekerOf())))).toEqual(['b', 'b', 'b'])
  })

  it('spills over to the next priority when the first is full, and comes back', () => {
    const hosts = [
      hostOf({ id: 'a', priority: 2 }),
      hostOf({ id: 'b', priority: 1, maxConcurrent: 2 }),
      hostOf({ id: 'c', priority: 1, maxConcurrent: 1 }),
    ]
    const state = tableOf().of(routeOf(hosts, { policy: 'priority' }))
    const taken = [1, 2, 3, 4].map(() => takeFree(state, seekerOf()))
    expect(taken.map(idOf)).toEqual(['b', 'c', 'b', 'a'])

    taken[1]?.leave()

    expect(idOf(takeFree(state, seekerOf()))).toBe('c')
  })

  it('hands requesters to other hosts while theirs is full or away', () => {
    const state = tableOf().of(routeOf([a, b, c], { policy: 'sticky' }))
    const seeker = seekerOf({ key: 'somebody' })
    const own = takeFree(state, seeker)
    fill(own ?? undefined)

    const other = takeFree(state, seeker)
    expect(other).not.toBe(own)
    own?.leave()
    expect(takeFree(state, seeker)).toBe(own)
    own?.leave()
    fail(own ?? undefined)

    expect(takeFree(state, seeker)).toBe(other)
  })

  it('passes hosts that were tried', () => {
    const state = stateOf(a, b)

    expect(idOf(takeFree(state, seekerOf({ tried: [state.channels[0]!] })))).toBe('b')
    expect(takeFree(state, seekerOf({ tried: state.channels }))).toBeNull()
  })

  it('passes hosts that are down as long as there are others', () => {
    const state = stateOf(a, b)
    fail(state.channels[0])

    expect([1, 2].map(() => idOf(takeFree(state, seekerOf())))).toEqual(['b', 'b'])
    fail(state.channels[1])

    expect(idOf(takeFree(state, seekerOf()))).toBe('a')
  })

  it('gives a host whose pause is over one request at a time', () => {
    const state = stateOf(a, b)
    fail(state.channels[0])
    clockMs = 2_000

    expect([1, 2, 3].map(() => idOf(takeFree(state, seekerOf())))).toEqual(['a', 'b', 'b'])
  })

  it('gives none when all are full, not even one that is down', () => {
    const state = stateOf(a, b)
    fail(state.channels[0])
    fill(state.channels[1])

    expect(takeFree(state, seekerOf())).toBeNull()
  })

  it('asks the only host even when it is down', () => {
    const state = stateOf(a)
    fail(state.channels[0])

    expect(idOf(takeFree(state, seekerOf()))).toBe('a')
  })

  it('leaves a host that stalls, since its latency does not fall while it is at work', () => {
    const state = tableOf().of(routeOf([a, b], { policy: 'latency' }))
    const [stalling, busy] = state.channels
    for (const channel of state.channels) channel.answerLatency.record(100, 0)
    stalling?.enter()

    clockMs = 120_000
    busy?.answerLatency.record(100, clockMs)

    expect(idOf(takeFree(state, seekerOf()))).toBe('b')
  })

  it('tries a host again that was slow and has not been asked for long', () => {
    const state = tableOf().of(routeOf([a, b], { policy: 'latency' }))
    state.channels[0]?.answerLatency.record(5_000, 0)

    clockMs = 60_000
    state.channels[1]?.answerLatency.record(100, clockMs)

    expect(idOf(takeFree(state, seekerOf()))).toBe('a')
  })

  it('judges streams by their first event and whole answers by their end', () => {
    const state = tableOf().of(routeOf([a, b], { policy: 'latency' }))
    const [first, second] = state.channels
    first?.answerLatency.record(900, 0)
    first?.streamLatency.record(10, 0)
    second?.answerLatency.record(500, 0)
    second?.streamLatency.record(20, 0)

    expect(idOf(takeFree(state, seekerOf({ isStream: true })))).toBe('a')
    state.channels[0]?.leave()

    expect(idOf(takeFree(state, seekerOf()))).toBe('b')
  })
})

describe('the length of a prompt', () => {
  const short = hostOf({ id: 'short', maxPromptTokens: 100 })
  const long = hostOf({ id: 'long', maxPromptTokens: 1_000, weight: 1 })

  it.each([
    [100, 'short'],
    [101, 'long'],
    [1_000, 'long'],
  ])('of %d tokens leads to the host %s', (promptTokens, expected) => {
    expect(idOf(takeFree(stateOf(short, long), seekerOf({ promptTokens })))).toBe(expected)
  })

  it('that no host takes is said to whoever asks', async () => {
    const error = await caught(take(stateOf(short, long), seekerOf({ promptTokens: 1_001 })))

    expect(error).toMatchObject({
      code: 'TASK_INVALID',
      message: 'The prompt has about 1001 tokens; the hosts of the model take 1000.',
    })
  })

  it('is nothing to a host without limit, alone or not', async () => {
    expect(idOf(await take(stateOf(a), seekerOf({ promptTokens: 9e6 })))).toBe('a')
    expect((await caught(take(stateOf(short), seekerOf({ promptTokens: 101 })))).code).toBe('TASK_INVALID')
  })

  it('holds for further attempts, too', () => {
    const state = stateOf(long, short)

    expect(hasUntried(state, seekerOf({ promptTokens: 500, tried: [state.channels[0]!] }))).toBe(false)
  })
})

describe('containers', () => {
  const container = hostOf({ id: 'container', kind: 'infernet' })

  it('are asked for chats alone', async () => {
    const state = stateOf(container, b)

    expect(idOf(takeFree(state, seekerOf()))).toBe('container')
    expect(idOf(takeFree(state, seekerOf({ route: 'embeddings' })))).toBe('b')
    expect(await caught(take(stateOf(container), seekerOf({ route: 'completions' })))).toMatchObject({
      code: 'TASK_INVALID',
      message: 'The hosts of the model are containers and take chats, not completions.',
    })
  })

  it('do not hide how long a prompt other hosts take', async () => {
    const state = stateOf(container, hostOf({ id: 'b', maxPromptTokens: 5 }))

    expect((await caught(take(state, seekerOf({ route: 'embeddings' })))).message).toContain('take 5.')
  })

  it('are not asked beside another host', () => {
    const state = stateOf(a, container)

    expect(takeSecond(state, seekerOf({ tried: [state.channels[0]!] }))).toBeNull()
  })
})

describe('taking a second host', () => {
  it('takes one that is in good health and has room', () => {
    const state = stateOf(a, b, c)
    const seeker = seekerOf({ tried: [state.channels[0]!] })
    fail(state.channels[1])

    expect(idOf(takeSecond(state, seeker))).toBe('c')
    fill(state.channels[2])

    expect(takeSecond(state, seeker)).toBeNull()
  })
})

describe('waiting for a host', () => {
  it('ends when one has room', async () => {
    const state = stateOf(a, b)
    state.channels.forEach(fill)
    const waiting = take(state, seekerOf())

    state.channels[1]?.leave()

    expect(idOf(await waiting)).toBe('b')
    expect(state.channels.map((channel) => channel.queued())).toEqual([0, 0])
  })

  it('ends at a host that comes back, though it was down when the wait began', async () => {
    const state = stateOf(a, b)
    fail(state.channels[0])
    fill(state.channels[1])
    const waiting = take(state, seekerOf())

    clockMs = 2_000
    state.channels[0]?.health.succeeded(clockMs)
    state.channels[0]?.admit()

    expect(idOf(await waiting)).toBe('a')
  })

  it('ends at a host whose pause is over, though nobody leaves', async () => {
    const table = createRouteTable({ nowMs: () => performance.now(), maxAnswerBytes: 1_000 })
    tables.push(table)
    const state = table.of(routeOf([a, b]))
    fill(state.channels[1])
    state.channels[0]?.health.rested(performance.now(), 30)

    const waiting = take(state, seekerOf({ nowMs: () => performance.now() }))

    expect(idOf(await waiting)).toBe('a')
    expect(state.channels.map((channel) => channel.queued())).toEqual([0, 0])
  })

  it('is refused with what was asked before', async () => {
    const state = stateOf(hostOf({ maxQueued: 0 }))
    state.channels.forEach(fill)
    const failures = [{ hostId: 'b', code: 'HOST_FAILED' }]

    const first = await caught(take(state, seekerOf()))
    const second = await caught(take(state, seekerOf(), failures))

    expect(first.details).toEqual({ hostIds: ['a'] })
    expect(second).toMatchObject({
      code: 'HOST_BUSY',
      message: `One attempt was not answered. ${first.message}`,
      details: { hostIds: ['a'], attempts: failures },
      hint: first.hint,
    })
  })

  it('is not done for hosts that were tried', async () => {
    const state = stateOf(a, b)
    state.channels.forEach(fill)
    const waiting = take(state, seekerOf({ tried: [state.channels[0]!] }))

    expect(state.channels.map((channel) => channel.queued())).toEqual([0, 1])
    state.channels[1]?.leave()
    await waiting
  })

  it('is refused for a model without hosts', async () => {
    expect((await caught(take(stateOf(), seekerOf()))).code).toBe('CONFIG_INVALID')
  })
})

describe('a new list of models', () => {
  it('keeps hosts that stay, with all that is known about them', () => {
    const table = tableOf()
    table.use([routeOf([a, b])])
    const [before] = table.states()
    before?.answerSamples.record(1)

    table.use([routeOf([hostOf({ id: 'c' }), hostOf({ id: 'a', maxConcurrent: 2 })], { hedge: true })])

    const [after] = table.states()
    expect(after?.channels[1]).toBe(before?.channels[0])
    expect(after?.answerSamples).toBe(before?.answerSamples)
    expect(after?.route.routing.hedge).toBe(true)
  })

  it('lets go of hosts that are not in it, once they are idle', () => {
    const table = tableOf()
    table.use([routeOf([a, b])])
    const [first, second] = table.states()[0]!.channels
    first?.enter()

    table.use([])

    expect([first?.isClosed(), second?.isClosed()]).toEqual([false, true])
    first?.leave()
    expect(first?.isClosed()).toBe(true)
  })

  it('does not mix hosts of one id of different models', () => {
    const table = tableOf()
    table.use([routeOf([a]), { ...routeOf([a]), name: 'other' }])

    const [one, other] = table.states()

    expect(one?.channels[0]).not.toBe(other?.channels[0])
  })

  it('leads requests that were planned before to the hosts of today', () => {
    const table = tableOf()
    const old = routeOf([a])
    table.use([old])

    table.use([routeOf([b])])

    expect(table.of(old)).toBe(table.states()[0])
    expect(table.states()).toHaveLength(1)
  })

  it('leads requests under way to the hosts of today, or leaves them where they are', () => {
    const table = tableOf()
    const before = table.of(routeOf([a]))
    expect(table.latest(before)).toBe(before)

    table.use([routeOf([b])])
    expect(table.latest(before)).toBe(table.states()[0])
    table.use([])

    expect(table.latest(before)).toBe(before)
    expect(table.states()).toEqual([])
  })

  it('still serves requests of a model that is gone', () => {
    const table = tableOf()
    const old = routeOf([a])
    table.use([old])
    table.use([])

    expect(idOf(takeFree(table.of(old), seekerOf()))).toBe('a')
  })

  it('is replaced by a further one', () => {
    const table = tableOf()
    table.use([routeOf([a])])
    const [channel] = table.states()[0]!.channels
    channel?.enter()
    table.use([routeOf([b])])

    table.use([routeOf([a])])

    expect(table.states()[0]?.channels[0]).not.toBe(channel)
    expect(channel?.isClosed()).toBe(false)
    channel?.leave()
    expect(channel?.isClosed()).toBe(true)
  })

  it('closes all connections at the end, those of hosts on their way out too', async () => {
    const table = tableOf()
    table.use([routeOf([a])])
    const [leaving] = table.states()[0]!.channels
    leaving?.enter()
    table.use([routeOf([b])])
    const [staying] = table.states()[0]!.channels

    await table.destroy()

    expect([leaving?.pool.destroyed, staying?.pool.destroyed]).toEqual([true, true])
  })
})
