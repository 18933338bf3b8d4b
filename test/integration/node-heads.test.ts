import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eip712CoordinatorArtifact } from '../../src/lib/abi/eip712-coordinator.js'
import { encodeCall } from '../../src/lib/chain/contracts.js'
import { openChain, type Chain } from '../../src/lib/chain/provider.js'
import { createSigner } from '../../src/lib/chain/signer.js'
import { sendTransaction } from '../../src/lib/chain/transact.js'
import { FlockError } from '../../src/lib/errors.js'
import { ZERO_ADDRESS } from '../../src/lib/hex.js'
import { openCoordinator, type CoordinatorView } from '../../src/lib/node/coordinator.js'
import {
  discoverSubscriptions,
  type DiscoveryEvent,
  type DiscoveryOptions,
} from '../../src/lib/node/discover.js'
import {
  createNodeWorld,
  privateKeyOf,
  startNode,
  type NodeWorld,
  type WatchedNode,
} from '../helpers/node-world.js'
import { startHttpServer } from '../helpers/http-server.js'
import { startRpcProxy, type RpcProxy } from '../helpers/rpc-proxy.js'
import { createTempDir } from '../helpers/temp-dir.js'
import { until } from '../helpers/until.js'

let world: NodeWorld
let proxy: RpcProxy
let stop: AbortController
const closers: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  world = await createNodeWorld()
  proxy = await startRpcProxy(world.rpcUrl)
  stop = new AbortController()
  closers.push(
    () => world.close(),
    () => proxy.close(),
  )
}, 120_000)

afterEach(async () => {
  stop.abort()
  for (const close of closers.splice(0).reverse()) await close()
})

interface Watched {
  readonly events: readonly DiscoveryEvent[]
  /** Waits until every block so far was looked at. */
  settled(): Promise<void>
  ids(): number[]
}

async function open(url: string): Promise<Chain> {
  const chain = await openChain({
    rpcUrl: url,
    expectedChainId: 31_337,
    timeoutMs: 5_000,
    pool: { rpcUrls: [], maxRequestsPerSec: null, now: () => performance.now() },
  })
  closers.push(() => chain.close())
  return chain
}

function watch(view: CoordinatorView, options: Partial<DiscoveryOptions> = {}): Watched {
  const events: DiscoveryEvent[] = []
  const discovery = discoverSubscriptions(view, {
    lastId: 0,
    trailBlocks: 0,
    batchSize: 100,
    pollMs: 20,
    signal: stop.signal,
    now: () => performance.now(),
    ...options,
  })
  const ended = (async () => {
    for await (const event of discovery) if (event.type !== 'idle') events.push(event)
  })()
  closers.push(() => ended)
  return {
    events,
    settled: async () => {
      const latest = await world.chain.provider.getBlockNumber()
      const isAt = (event: DiscoveryEvent) =>
        event.type === 'head' && event.head.number === latest - (options.trailBlocks ?? 0)
      await until(() => events.some(isAt))
    },
    ids: () =>
      events.flatMap((event) => (event.type === 'found' ? event.subscriptions.map(({ id }) => id) : [])),
  }
}

async function viewOf(url: string): Promise<CoordinatorView> {
  return openCoordinator(await open(url), world.registry)
}

/** Sends a call of the Coordinator from one of the devnet's accounts. */
async function coordinate(account: number, fn: string, args: readonly unknown[]): Promise<void> {
  const request = { to: world.coordinator, data: encodeCall(eip712CoordinatorArtifact, fn, args) }
  const signer = createSigner(privateKeyOf(account), world.chain)
  await sendTransaction(world.chain, signer, request, {
    confirmations: 1,
    timeoutMs: 20_000,
    revertInterfaces: [eip712CoordinatorArtifact],
  })
}

const deliver = (account: number, id: number) =>
  coordinate(account, 'deliverCompute', [id, 1, '0x', '0x', '0x', ZERO_ADDRESS])

describe('discovery over a WebSocket', () => {
  it('costs one call for a block without requests, and one for a block with a request', async () => {
    const view = await viewOf(proxy.socketUrl)
    const watched = watch(view, { wantsEvents: () => true })
    await until(() => view.heads?.isLive() === true)
    for (let block = 0; block < 3; block += 1) {
      await world.mine()
      await watched.settled()
    }
    const before = proxy.calls.length

    for (let block = 0; block < 10; block += 1) {
      await world.mine()
      await watched.settled()
    }
    const idle = proxy.calls.slice(before)
    const id = await world.ask('echo')
    await watched.settled()

    expect(idle.map(({ method }) => method)).toEqual(Array.from({ length: 10 }, () => 'eth_call'))
    expect(proxy.calls.slice(before + 10).map(({ method }) => method)).toEqual(['eth_call'])
    expect(watched.ids()).toEqual([id])
  })

  it('finds more requests in one block than it asks for at first', async () => {
    const watched = watch(await viewOf(proxy.socketUrl))
    await watched.settled()

    await world.call('askMany', ['echo', 30])
    await watched.settled()

    expect(watched.ids()).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
  })

  it('finds what was asked while the connection was broken', async () => {
    const watched = watch(await viewOf(proxy.socketUrl))
    await watched.settled()

    proxy.letSocketsIn(false)
    proxy.dropSockets()
    for (let block = 0; block < 3; block += 1) await world.ask('echo')
    proxy.letSocketsIn(true)
    await watched.settled()

    expect(watched.ids()).toEqual([1, 2, 3])
  })

  it('stays behind the head without asking for the blocks between', async () => {
    const view = await viewOf(proxy.socketUrl)
    const watched = watch(view, { trailBlocks: 2 })
    await until(() => view.heads?.isLive() === true)
    for (let block = 0; block < 6; block += 1) {
      await world.mine()
      await watched.settled()
    }
    const before = proxy.calls.length

    await world.ask('echo')
    await watched.settled()
    for (let block = 0; block < 2; block += 1) {
      await world.mine()
      await watched.settled()
    }

    expect(watched.ids()).toEqual([1])
    expect(proxy.calls.slice(before).map(({ method }) => method)).not.toContain('eth_getBlockByNumber')
  })

  it.each([1, 4, 8])('reads again what stood in %i replaced blocks', async (depth) => {
    const watched = watch(await viewOf(proxy.socketUrl))
    const snapshot = await world.send('evm_snapshot')
    for (let block = 0; block < depth; block += 1) await world.ask('echo')
    await watched.settled()

    await world.send('evm_revert', [snapshot])
    for (let block = 0; block < depth; block += 1) await world.ask('echo', { redundancy: 9 })
    await world.mine()
    await watched.settled()

    const found = watched.events.flatMap((event) => (event.type === 'found' ? event.subscriptions : []))
    expect(watched.events.filter(({ type }) => type === 'reorged').length).toBeGreaterThan(0)
    const last = new Map(found.map(({ id, subscription }) => [id, subscription.redundancy]))
    expect([...last]).toEqual(Array.from({ length: depth }, (_, index) => [index + 1, 9]))
  })
})

describe('discovery by asking', () => {
  it('asks at most three times for a block of a chain that is regular', async () => {
    const view = await viewOf(proxy.url)
    await world.send('evm_setIntervalMining', [1])
    const watched = watch(view, { pollMs: 100 })
    const headCount = () => watched.events.filter(({ type }) => type === 'head').length
    await until(() => headCount() >= 7)
    const before = { calls: proxy.calls.length, heads: headCount() }

    await until(() => headCount() >= before.heads + 8)
    const perBlock = (proxy.calls.length - before.calls) / (headCount() - before.heads)

    expect(perBlock).toBeLessThanOrEqual(3)
  })
})

describe('what others do', () => {
  it('tells of cancellations and deliveries, with the time of their block', async () => {
    const watched = watch(await viewOf(proxy.url), { wantsEvents: () => true })
    const id = await world.ask('echo')
    await watched.settled()
    await deliver(5, id)
    await watched.settled()
    const args = ['echo', 3, 60, 1, false, ZERO_ADDRESS, 0, ZERO_ADDRESS, ZERO_ADDRESS]
    await world.subscribe(args)
    await watched.settled()
    await coordinate(3, 'cancelSubscription', [id + 1])
    await watched.settled()

    const node = createSigner(privateKeyOf(5), world.chain).address
    const told = watched.events.filter(({ type }) => type === 'fulfilled' || type === 'cancelled')
    expect(told).toMatchObject([
      { type: 'fulfilled', id, node },
      { type: 'cancelled', id: id + 1 },
    ])
    expect(told.every((event) => 'toSec' in event && event.toSec === event.head.timestampSec)).toBe(true)
  })

  it('asks for nothing while nobody wants to know', async () => {
    const watched = watch(await viewOf(proxy.url))
    const id = await world.ask('echo')
    await deliver(5, id)
    await watched.settled()

    expect(proxy.calls.map(({ method }) => method)).not.toContain('eth_getLogs')
    expect(watched.events.filter(({ type }) => type === 'fulfilled')).toEqual([])
  })

  it('goes on when the endpoint does not give logs', async () => {
    const watched = watch(await viewOf(proxy.url), { wantsEvents: () => true })
    proxy.decide(({ method }) => (method === 'eth_getLogs' ? { status: 403 } : 'pass'))
    const id = await world.ask('echo')
    await watched.settled()
    await deliver(5, id)
    await watched.settled()

    expect(watched.ids()).toEqual([id])
    expect(watched.events.filter(({ type }) => type === 'fault')).toEqual([])
  })

  it('reads a subscription again when the block with its cancellation was replaced', async () => {
    const watched = watch(await viewOf(proxy.url), { wantsEvents: () => true })
    await world.subscribe(['echo', 3, 60, 1, false, ZERO_ADDRESS, 0, ZERO_ADDRESS, ZERO_ADDRESS])
    await watched.settled()
    const snapshot = await world.send('evm_snapshot')
    await coordinate(3, 'cancelSubscription', [1])
    await watched.settled()

    await world.send('evm_revert', [snapshot])
    await world.mine()
    await world.mine()
    await watched.settled()

    expect(watched.events.map(({ type }) => type)).toContain('cancelled')
    expect(watched.ids()).toEqual([1, 1])
  })
})

describe('a node at work', () => {
  /** A node whose container has begun with the first interval of a subscription, and does not answer. */
  async function startBusy(ask: () => Promise<unknown>): Promise<WatchedNode> {
    const container = await startHttpServer(() => undefined)
    const dir = await createTempDir()
    const node = await startNode(world, {
      journalPath: join(dir, 'journal.ndjson'),
      containers: { echo: container.url },
    })
    closers.push(
      () => rm(dir, { recursive: true, force: true }),
      () => container.close(),
      () => node.stop(),
    )
    await node.waitFor('synced')
    await ask()
    await until(() => container.requests.length === 1)
    return node
  }

  it('stops computing when another one has delivered the last answer that was wanted', async () => {
    const node = await startBusy(() => world.ask('echo'))

    await deliver(5, 1)

    expect(await node.waitFor('intervalClosed')).toMatchObject({ id: 1, interval: 1, reason: 'raceLost' })
    expect(await node.waitFor('subscriptionDropped')).toMatchObject({ id: 1, reason: 'completed' })
  })
})

describe('a subscription that cannot be read', () => {
  const refusing = (view: CoordinatorView, isBad: (id: number) => boolean): CoordinatorView => ({
    ...view,
    readSubscriptions: async (fromId, toId, blockTag) => {
      for (let id = fromId; id <= toId; id += 1)
        if (isBad(id)) throw new FlockError('TX_REVERTED', `no ${id}`)
      return view.readSubscriptions(fromId, toId, blockTag)
    },
  })

  it('is set aside and told of, while the others go on', async () => {
    await world.call('askMany', ['echo', 12])
    const watched = watch(
      refusing(await viewOf(proxy.url), (id) => id === 7),
      { batchSize: 12 },
    )
    await watched.settled()

    expect(watched.ids()).toEqual([1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12])
    expect(watched.events.filter(({ type }) => type === 'unreadable')).toMatchObject([{ id: 7 }])
    expect(watched.events.at(-1)).toMatchObject({ type: 'head', lastId: 6 })
  })

  it('is found once it can be read', async () => {
    await world.call('askMany', ['echo', 3])
    let isBad = true
    const watched = watch(refusing(await viewOf(proxy.url), (id) => isBad && id === 2))
    await watched.settled()

    isBad = false
    await world.send('anvil_mine', ['0x20'])
    await watched.settled()

    expect(watched.ids()).toEqual([1, 3, 2])
    expect(watched.events.at(-1)).toMatchObject({ type: 'head', lastId: 3 })
  })
})

describe('the id to begin after', () => {
  it('stays the lower bound when the chain has not come so far', async () => {
    await world.call('askMany', ['echo', 3])
    const watched = watch(await viewOf(proxy.url), { lastId: 5, floorId: 5 })
    await watched.settled()
    await world.call('askMany', ['echo', 4])
    await watched.settled()

    expect(watched.ids()).toEqual([6, 7])
    expect(watched.events.map(({ type }) => type)).not.toContain('reorged')
  })

  it('may be the last one that there can ever be', async () => {
    const last = 2 ** 32 - 1
    const watched = watch(await viewOf(proxy.url), { lastId: last, floorId: last })
    await watched.settled()
    await world.ask('echo')
    await watched.settled()

    expect(watched.ids()).toEqual([])
  })
})
