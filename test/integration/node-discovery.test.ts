import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { FlockError } from '../../src/lib/errors.js'
import { openCoordinator, type CoordinatorView, type Head } from '../../src/lib/node/coordinator.js'
import {
  discoverSubscriptions,
  type DiscoveryEvent,
  type DiscoveryOptions,
} from '../../src/lib/node/discover.js'
import { createNodeWorld, type NodeWorld } from '../helpers/node-world.js'

let world: NodeWorld
let view: CoordinatorView
let stop: AbortController

beforeEach(async () => {
  world = await createNodeWorld()
  view = await openCoordinator(world.chain, world.registry)
  stop = new AbortController()
}, 120_000)

afterEach(async () => {
  stop.abort()
  await world.close()
})

function discover(options: Partial<DiscoveryOptions> = {}, seen: CoordinatorView = view) {
  const defaults = {
    lastId: 0,
    trailBlocks: 0,
    batchSize: 100,
    pollMs: 5,
    signal: stop.signal,
    now: () => performance.now(),
  }
  return discoverSubscriptions(seen, { ...defaults, ...options })
}

/** Reads on until an event of the type comes; returns everything up to it, idle looks left out. */
async function readTo(
  events: AsyncGenerator<DiscoveryEvent>,
  type: DiscoveryEvent['type'],
): Promise<DiscoveryEvent[]> {
  const read: DiscoveryEvent[] = []
  for (;;) {
    const result = await events.next()
    if (result.done === true) throw new Error(`the discovery ended before ${type}`)
    const value: DiscoveryEvent = result.value
    if (value.type !== 'idle' || type === 'idle') read.push(value)
    if (value.type === type) return read
  }
}

function idsOf(events: readonly DiscoveryEvent[]): number[] {
  return events.flatMap((event) => (event.type === 'found' ? event.subscriptions.map(({ id }) => id) : []))
}

describe('discoverSubscriptions', () => {
  it('finds what is there in batches, oldest first, and then stays silent', async () => {
    await world.call('askMany', ['echo', 10])

    const events = discover({ batchSize: 4 })
    const first = await readTo(events, 'head')
    const second = await readTo(events, 'idle')

    expect(first.map(({ type }) => type)).toEqual(['found', 'found', 'found', 'head'])
    expect(idsOf(first)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(first.at(-1)).toMatchObject({ type: 'head', lastId: 10 })
    expect(second.map(({ type }) => type)).toEqual(['idle'])
  })

  it('begins after the id that it is given', async () => {
    await world.call('askMany', ['echo', 5])

    expect(idsOf(await readTo(discover({ lastId: 3 }), 'head'))).toEqual([4, 5])
  })

  it('reads the fields of a subscription', async () => {
    const id = await world.ask('echo', { frequency: 7, period: 60, redundancy: 3 })

    const [found] = await readTo(discover(), 'found')

    expect(found).toMatchObject({
      type: 'found',
      subscriptions: [
        {
          id,
          subscription: {
            owner: world.consumer,
            frequency: 7,
            period: 60,
            redundancy: 3,
            lazy: false,
            paymentAmount: 0n,
          },
        },
      ],
    })
  })

  it('finds everything of several blocks that it passed over', async () => {
    const events = discover()
    await readTo(events, 'head')

    for (let block = 0; block < 3; block += 1) await world.ask('echo')

    expect(idsOf(await readTo(events, 'head'))).toEqual([1, 2, 3])
  })

  it('stays behind the head by as many blocks as it is told', async () => {
    await world.ask('echo')
    const events = discover({ trailBlocks: 2 })

    const before = await readTo(events, 'head')
    await world.mine()
    await world.mine()
    const after = await readTo(events, 'head')

    expect(idsOf(before)).toEqual([])
    expect(idsOf(after)).toEqual([1])
    expect(after.at(-1)).toMatchObject({
      head: { number: (after.at(-1) as { latest: Head }).latest.number - 2 },
    })
  })

  it('is silent while the chain is shorter than the distance', async () => {
    expect((await readTo(discover({ trailBlocks: 1_000 }), 'idle')).map(({ type }) => type)).toEqual(['idle'])
  })

  it('halves a batch that the endpoint refuses, and goes on in that size', async () => {
    await world.call('askMany', ['echo', 12])
    const sizes: number[] = []
    const limited: CoordinatorView = {
      ...view,
      readSubscriptions: async (fromId, toId, blockTag) => {
        sizes.push(toId - fromId + 1)
        if (toId - fromId + 1 > 4) throw new FlockError('RPC_FAILED', 'too much')
        return view.readSubscriptions(fromId, toId, blockTag)
      },
    }

    const read = await readTo(discover({ batchSize: 12 }, limited), 'head')

    expect(sizes).toEqual([12, 6, 3, 3, 3, 3])
    expect(idsOf(read)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1))
    expect(read.filter(({ type }) => type === 'fault')).toHaveLength(2)
  })

  it('loses nothing when a call fails between two batches', async () => {
    await world.call('askMany', ['echo', 6])
    let calls = 0
    const failing: CoordinatorView = {
      ...view,
      readSubscriptions: async (...args) => {
        calls += 1
        if (calls === 2) throw new FlockError('RPC_UNREACHABLE', 'away')
        return view.readSubscriptions(...args)
      },
    }

    const read = await readTo(discover({ batchSize: 3 }, failing), 'head')

    expect(idsOf(read)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it.each([1, 3, 8])('reads again what stood in %i replaced blocks', async (depth) => {
    await world.ask('echo')
    const events = discover()
    await readTo(events, 'head')
    const snapshot = await world.send('evm_snapshot')
    for (let block = 0; block < depth; block += 1) {
      await world.ask('echo', { redundancy: 1 })
      await readTo(events, 'head')
    }

    await world.send('evm_revert', [snapshot])
    for (let block = 0; block < depth; block += 1) await world.ask('echo', { redundancy: 9 })
    await world.mine()
    const read = await readTo(events, 'head')

    expect(read[0]).toMatchObject({ type: 'reorged', lastId: 1 })
    expect(idsOf(read)).toEqual(Array.from({ length: depth }, (_, index) => index + 2))
    expect(
      read.flatMap((event) =>
        event.type === 'found' ? event.subscriptions.map(({ subscription }) => subscription.redundancy) : [],
      ),
    ).toEqual(Array.from({ length: depth }, () => 9))
  })

  it('takes ids back that no longer exist', async () => {
    const events = discover()
    await readTo(events, 'head')
    const snapshot = await world.send('evm_snapshot')
    await world.ask('echo')
    await readTo(events, 'head')

    await world.send('evm_revert', [snapshot])
    await world.mine()
    await world.mine()
    const read = await readTo(events, 'head')

    expect(read.map(({ type }) => type)).toEqual(['reorged', 'head'])
    expect(read.at(-1)).toMatchObject({ lastId: 0 })
  })

  it('does not take an endpoint that lags behind for a reorganisation', async () => {
    const old = await view.readHead('latest')
    let isLagging = false
    const jumpy: CoordinatorView = {
      ...view,
      readHead: async (block) => (isLagging && block === 'latest' ? old : view.readHead(block)),
    }
    const events = discover({}, jumpy)
    await readTo(events, 'head')
    await world.ask('echo')
    await readTo(events, 'head')

    isLagging = true
    const lagging = await readTo(events, 'idle')
    isLagging = false
    await world.ask('echo')
    const after = await readTo(events, 'head')

    expect(lagging.map(({ type }) => type)).toEqual(['idle'])
    expect(after.map(({ type }) => type)).toEqual(['found', 'head'])
    expect(idsOf(after)).toEqual([2])
  })
})
