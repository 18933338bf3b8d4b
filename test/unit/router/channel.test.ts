import { afterEach, describe, expect, it } from '@jest/globals'
import { type Channel, createChannel, isAvailable, waitForRoom } from '../../../src/lib/router/channel.js'
import type { HostSettings } from '../../../src/lib/router/hosts.js'
import { caught } from '../../helpers/caught.js'
import { type FakeHost, completion, startFakeHost } from '../../helpers/fake-host.js'
import { hostOf } from '../../helpers/hosts.js'

const closers: (() => Promise<void>)[] = []
let clockMs = 0

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
  clockMs = 0
})

const nowMs = () => clockMs

function channelOf(settings: Partial<HostSettings> = {}): Channel {
  const channel = createChannel(hostOf({ maxConcurrent: 1, ...settings }), { maxAnswerBytes: 1_000 })
  closers.push(() => channel.destroy())
  return channel
}

/** A host that has as many requests as it takes. */
function fullChannel(settings: Partial<HostSettings> = {}): Channel {
  const channel = channelOf(settings)
  while (channel.hasRoom()) channel.enter()
  return channel
}

function fail(channel: Channel): void {
  for (let call = 0; call < 3; call += 1) channel.health.failed(clockMs)
}

/** Waits; tells in `order` when the wait is over. */
function waiter(channels: Channel[], order: string[], name: string, signal?: AbortSignal): Promise<Channel> {
  const waiting = waitForRoom(channels, { nowMs, signal })
  waiting.then(
    (channel) => order.push(`${name} at ${channel.host.id}`),
    () => order.push(`${name} gave up`),
  )
  return waiting
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('the room of a host', () => {
  it('is as large as its limit', () => {
    const channel = channelOf({ maxConcurrent: 2 })

    channel.enter()
    expect(channel.hasRoom()).toBe(true)
    channel.enter()
    expect(channel.hasRoom()).toBe(false)
    channel.leave()

    expect(channel.hasRoom()).toBe(true)
    expect(channel.outstanding()).toBe(1)
  })

  it('goes to those who wait in the order in which they came', async () => {
    const channel = fullChannel()
    const order: string[] = []
    const all = ['one', 'two', 'three'].map((name) => waiter([channel], order, name))
    expect(channel.queued()).toBe(3)

    for (let turn = 0; turn < 3; turn += 1) {
      channel.leave()
      await settled()
      expect(channel.outstanding()).toBe(1)
      expect(channel.queued()).toBe(2 - turn)
    }

    await Promise.all(all)
    expect(order).toEqual(['one at a', 'two at a', 'three at a'])
  })

  it('lets in as many as there is room for', async () => {
    const channel = fullChannel({ maxConcurrent: 2 })
    const order: string[] = []
    const all = ['one', 'two', 'three'].map((name) => waiter([channel], order, name))

    channel.leave()
    channel.leave()
    await settled()
    expect(order).toEqual(['one at a', 'two at a'])

    channel.leave()
    await Promise.all(all)
  })

  it('may be waited for at several hosts at once, and is taken at one', async () => {
    const [a, b] = [fullChannel(), fullChannel({ id: 'b' })]
    const order: string[] = []
    const one = waiter([a, b], order, 'one')
    const two = waiter([a, b], order, 'two')
    expect([a.queued(), b.queued()]).toEqual([2, 2])

    b.leave()
    expect((await one).host.id).toBe('b')
    expect([a.queued(), b.queued()]).toEqual([1, 1])
    a.leave()

    expect((await two).host.id).toBe('a')
    expect([a.queued(), b.queued()]).toEqual([0, 0])
  })
})

describe('waiting for room', () => {
  it('is refused when as many wait as may', async () => {
    const channel = fullChannel({ maxQueued: 1 })
    const one = waitForRoom([channel], { nowMs, signal: undefined })

    const error = await caught(waitForRoom([channel], { nowMs, signal: undefined }))

    expect(error).toMatchObject({ code: 'HOST_BUSY', details: { hostIds: ['a'] } })
    expect(channel.queued()).toBe(1)
    channel.leave()
    await one
  })

  it.each([
    ['nobody may wait', { maxQueued: 0 }],
    ['there is no time to wait', { queueTimeoutMs: 0 }],
  ])('is refused at once when %s', async (_what, settings) => {
    const channel = fullChannel(settings)

    expect((await caught(waitForRoom([channel], { nowMs, signal: undefined }))).code).toBe('HOST_BUSY')
    expect(channel.queued()).toBe(0)
  })

  it('goes to the host whose queue has a place', async () => {
    const [a, b] = [fullChannel({ maxQueued: 0 }), fullChannel({ id: 'b' })]
    const one = waitForRoom([a, b], { nowMs, signal: undefined })
    expect([a.queued(), b.queued()]).toEqual([0, 1])

    a.leave()
    await settled()
    expect(b.queued()).toBe(1)
    b.leave()

    expect((await one).host.id).toBe('b')
  })

  it('ends when it takes too long, and leaves no trace', async () => {
    const [a, b] = [fullChannel({ queueTimeoutMs: 10 }), fullChannel({ id: 'b', queueTimeoutMs: 20 })]

    const error = await caught(waitForRoom([a, b], { nowMs, signal: undefined }))

    expect(error).toMatchObject({ code: 'HOST_BUSY', details: { hostIds: ['a', 'b'] } })
    expect([a.queued(), b.queued()]).toEqual([0, 0])
    a.leave()
    expect(a.outstanding()).toBe(0)
  })

  it('ends when the caller goes away, and leaves its place to the next', async () => {
    const channel = fullChannel()
    const gone = new AbortController()
    const order: string[] = []
    const one = waiter([channel], order, 'one', gone.signal)
    const two = waiter([channel], order, 'two')

    gone.abort()
    expect((await caught(one)).code).toBe('INTERRUPTED')
    expect(channel.queued()).toBe(1)
    channel.leave()
    await two

    expect(order).toEqual(['one gave up', 'two at a'])
    expect(channel.outstanding()).toBe(1)
  })

  it('does not begin for a caller who is gone', async () => {
    const channel = fullChannel()

    const error = await caught(waitForRoom([channel], { nowMs, signal: AbortSignal.abort() }))

    expect(error.code).toBe('INTERRUPTED')
    expect(channel.queued()).toBe(0)
  })

  it('keeps what it took when the caller goes away a moment later', async () => {
    const channel = fullChannel()
    const gone = new AbortController()
    const waiting = waitForRoom([channel], { nowMs, signal: gone.signal })

    channel.leave()
    gone.abort()

    expect(await waiting).toBe(channel)
    expect(channel.outstanding()).toBe(1)
  })
})

describe('waiting while hosts come and go', () => {
  it('passes a host that died as long as another one lives', async () => {
    const [a, b] = [fullChannel(), fullChannel({ id: 'b' })]
    const order: string[] = []
    const one = waiter([a, b], order, 'one')

    fail(a)
    a.leave()
    await settled()
    expect(order).toEqual([])
    b.leave()
    await one

    expect(order).toEqual(['one at b'])
    expect(a.outstanding()).toBe(0)
  })

  it('ends at a host that died when there is no other', async () => {
    const channel = fullChannel()
    const order: string[] = []
    const one = waiter([channel], order, 'one')

    fail(channel)
    channel.leave()
    await one

    expect(order).toEqual(['one at a'])
  })

  it('ends at the first host that leaves when all died', async () => {
    const [a, b] = [fullChannel(), fullChannel({ id: 'b' })]
    const order: string[] = []
    const one = waiter([a, b], order, 'one')

    fail(a)
    fail(b)
    b.leave()
    await one

    expect(order).toEqual(['one at b'])
  })

  it('ends at a host whose pause is over as soon as the one it waited for dies', async () => {
    const [a, b] = [fullChannel(), fullChannel({ id: 'b' })]
    const order: string[] = []
    const one = waiter([a, b], order, 'one')
    fail(a)
    a.leave()
    await settled()
    expect(order).toEqual([])

    clockMs = 2_000
    fail(b)
    b.leave()
    await one

    expect(order).toEqual(['one at a'])
    expect([a.outstanding(), b.outstanding()]).toEqual([1, 0])
  })

  it('ends at a host that was away when it began, as soon as that one is back', async () => {
    const [a, b] = [fullChannel(), channelOf({ id: 'b' })]
    fail(b)
    const order: string[] = []
    const one = waiter([a, b], order, 'one')
    await settled()
    expect(order).toEqual([])

    clockMs = 2_000
    b.health.succeeded(clockMs)
    b.admit()
    await one

    expect(order).toEqual(['one at b'])
    expect(a.queued()).toBe(0)
  })

  it('is refused when only a host that is away has a place for it', async () => {
    const [a, b] = [fullChannel({ maxQueued: 0 }), fullChannel({ id: 'b' })]
    fail(b)

    expect((await caught(waitForRoom([a, b], { nowMs, signal: undefined }))).code).toBe('HOST_BUSY')
  })
})

describe('a host that is no longer wanted', () => {
  async function hostAndChannel(): Promise<{ host: FakeHost; channel: Channel }> {
    const host = await startFakeHost(completion('ok'))
    closers.push(() => host.close())
    return { host, channel: channelOf({ baseUrl: host.baseUrl }) }
  }
  const ask = ({ pool }: Channel) => pool.request({ method: 'GET', path: '/' })

  it('is closed at once when it is idle', async () => {
    const { channel, host } = await hostAndChannel()

    channel.retire()

    expect(channel.isClosed()).toBe(true)
    await expect(ask(channel)).rejects.toThrow()
    expect(host.requests).toHaveLength(0)
  })

  it('serves those who are there and those who wait, then is closed', async () => {
    const { channel } = await hostAndChannel()
    channel.enter()
    const waiting = waitForRoom([channel], { nowMs, signal: undefined })

    channel.retire()
    channel.leave()
    await waiting
    expect(channel.isClosed()).toBe(false)
    expect((await ask(channel)).statusCode).toBe(200)
    channel.leave()

    expect(channel.isClosed()).toBe(true)
    await expect(ask(channel)).rejects.toThrow()
  })

  it('is passed by those who wait elsewhere, too', async () => {
    const [a, b] = [fullChannel(), fullChannel({ id: 'b' })]
    const order: string[] = []
    const one = waiter([a, b], order, 'one')
    fail(a)
    a.leave()
    a.retire()

    clockMs = 2_000
    fail(b)
    b.leave()
    await one

    expect(order).toEqual(['one at b'])
    expect(isAvailable(a, clockMs)).toBe(false)
  })
})

describe('whether a host may be asked', () => {
  it('follows its circuit, with one request for the trial', () => {
    const channel = channelOf({ maxConcurrent: 9 })
    expect(isAvailable(channel, 0)).toBe(true)

    fail(channel)
    expect(isAvailable(channel, 1_999)).toBe(false)
    expect(isAvailable(channel, 2_000)).toBe(true)
    channel.enter()

    expect(isAvailable(channel, 2_000)).toBe(false)
  })
})

describe('the headers of a host', () => {
  it('say what is sent and what is understood', () => {
    const { answerHeaders, streamHeaders } = channelOf({ headers: { 'X-Team': 'bees' } })
    const common = ['content-type', 'application/json', 'x-team', 'bees', 'accept']

    expect(answerHeaders).toEqual([...common, 'application/json'])
    expect(streamHeaders).toEqual([...common, 'text/event-stream'])
    expect(channelOf({ kind: 'infernet' }).streamHeaders.at(-1)).toBe('*/*')
  })
})
