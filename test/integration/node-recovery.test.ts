import { copyFile, readFile, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openChain, type Chain } from '../../src/lib/chain/provider.js'
import { createSigner } from '../../src/lib/chain/signer.js'
import { decodeDelivered } from '../../src/lib/infernet/payload.js'
import { startHttpServer, type TestServer } from '../helpers/http-server.js'
import {
  createNodeWorld,
  privateKeyOf,
  startNode,
  type NodeSettings,
  type NodeWorld,
  type WatchedNode,
} from '../helpers/node-world.js'
import { startRpcProxy, type RpcFate, type RpcProxy } from '../helpers/rpc-proxy.js'
import { createTempDir } from '../helpers/temp-dir.js'

let world: NodeWorld
let proxy: RpcProxy
let chain: Chain
let dir: string
let nodes: WatchedNode[] = []
let servers: TestServer[] = []

beforeEach(async () => {
  world = await createNodeWorld()
  proxy = await startRpcProxy(world.rpcUrl)
  chain = await openChain({ rpcUrl: proxy.url, expectedChainId: null, timeoutMs: 5_000 })
  dir = await createTempDir()
}, 120_000)

afterEach(async () => {
  proxy.decide(() => 'pass')
  await Promise.all(nodes.map((node) => node.stop()))
  await Promise.all(servers.map((server) => server.close()))
  nodes = []
  servers = []
  chain.close()
  await proxy.close()
  await world.close()
  await rm(dir, { recursive: true, force: true })
})

async function serve(answer: (response: ServerResponse, data: string) => void = echo): Promise<TestServer> {
  const server = await startHttpServer((body, response) =>
    answer(response, (JSON.parse(body) as { data: string }).data),
  )
  servers.push(server)
  return server
}

function echo(response: ServerResponse, data: string): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const fields = { raw_input: '', processed_input: '', raw_output: data, processed_output: '', proof: '' }
  response.end(JSON.stringify(fields))
}

/** Starts a node that talks to the chain through the proxy. */
async function start(settings: Pick<NodeSettings, 'containers'>, journalPath = join(dir, 'node.ndjson')) {
  const signer = createSigner(privateKeyOf(1), chain)
  const options = { chain, signer, drainMs: 200 }
  const node = await startNode(world, { ...settings, journalPath, options })
  nodes.push(node)
  return node
}

/** The disk as a SIGKILL would leave it now; the node itself is stopped without being heard. */
async function kill(node: WatchedNode): Promise<string> {
  const path = join(dir, `killed-${nodes.length}.ndjson`)
  await copyFile(join(dir, 'node.ndjson'), path)
  await node.stop()
  return path
}

function spoil(fates: Readonly<Record<string, RpcFate>>): void {
  proxy.decide(({ method }) => fates[method] ?? 'pass')
}

function sentRaw(): unknown[] {
  return proxy.calls
    .filter(({ method }) => method === 'eth_sendRawTransaction')
    .map(({ params }) => params[0])
}

async function journalTypes(path: string): Promise<string[]> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n')
  return lines.map((line) => (JSON.parse(line) as { type?: string }).type ?? 'header')
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('a node that is killed', () => {
  it('sends a computed answer after the restart without computing it again', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    await first.waitFor('synced')
    spoil({ eth_estimateGas: 'refuse' })
    const id = await world.ask('echo', { inputs: '0xbeef' })
    await first.waitFor('deliveryFailed', (event) => event.id === id)
    const journal = await kill(first)
    spoil({})

    const second = await start({ containers: { echo: container.url } }, journal)
    await second.waitFor('delivered', (event) => event.id === id)

    expect(await world.answers()).toHaveLength(1)
    expect(container.requests).toHaveLength(1)
    expect(await second.waitFor('resumed')).toMatchObject({ id, interval: 1, stage: 'computed' })
  })

  it('sends the very transaction that it signed before', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    await first.waitFor('synced')
    spoil({ eth_sendRawTransaction: 'refuse' })
    const id = await world.ask('echo')
    await until(() => sentRaw().length > 0)
    const journal = await kill(first)
    spoil({})

    const second = await start({ containers: { echo: container.url } }, journal)
    const delivered = await second.waitFor('delivered', (event) => event.id === id)

    expect(new Set(sentRaw()).size).toBe(1)
    expect(await readFile(journal, 'utf8')).toContain(delivered.txHash)
    expect(await world.answers()).toHaveLength(1)
    expect(container.requests).toHaveLength(1)
  })

  it('does not send again what arrived without an answer', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    await first.waitFor('synced')
    await world.send('evm_setAutomine', [false])
    spoil({ eth_sendRawTransaction: 'drop', eth_getTransactionByHash: 'refuse' })
    const id = await askUnmined('echo')
    await until(() => sentRaw().length > 0)
    const journal = await kill(first)
    spoil({})
    const before = sentRaw().length

    const second = await start({ containers: { echo: container.url } }, journal)
    await second.waitFor('resumed')
    await world.send('evm_setAutomine', [true])
    await world.mine()
    await second.waitFor('delivered', (event) => event.id === id)

    expect(sentRaw()).toHaveLength(before)
    expect(await world.answers()).toHaveLength(1)
    expect(await world.chain.provider.getTransactionCount(second.address)).toBe(1)
  })

  it('notices that its transaction was mined while it was away', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    await first.waitFor('synced')
    spoil({ eth_getTransactionReceipt: 'refuse' })
    const id = await world.ask('echo')
    await first.waitFor('deliverySent', (event) => event.id === id)
    const journal = await kill(first)
    spoil({})

    const second = await start({ containers: { echo: container.url } }, journal)
    await second.waitFor('delivered', (event) => event.id === id)

    expect(await journalTypes(journal)).toContain('confirmed')
    expect(sentRaw()).toHaveLength(1)
    expect(await world.answers()).toHaveLength(1)
  })

  it('signs anew when another transaction took the nonce meanwhile', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    await first.waitFor('synced')
    spoil({ eth_sendRawTransaction: 'refuse' })
    const id = await world.ask('echo')
    await until(() => sentRaw().length > 0)
    const journal = await kill(first)
    spoil({})
    const wallet = createSigner(privateKeyOf(1), world.chain).wallet
    await (await wallet.sendTransaction({ to: wallet.address })).wait()

    const second = await start({ containers: { echo: container.url } }, journal)
    const delivered = await second.waitFor('delivered', (event) => event.id === id)

    expect(await world.answers()).toHaveLength(1)
    expect((await second.waitFor('deliverySent')).txHash).toBe(delivered.txHash)
  })

  it('drops an answer whose interval ended while it was away, and serves the current one', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    await first.waitFor('synced')
    spoil({ eth_estimateGas: 'refuse' })
    const id = await world.ask('echo', { frequency: 5, period: 60 })
    await world.advance(60)
    await first.waitFor('deliveryFailed', (event) => event.id === id)
    const journal = await kill(first)
    spoil({})
    await world.advance(60)

    const second = await start({ containers: { echo: container.url } }, journal)
    await second.waitFor('delivered', (event) => event.id === id && event.interval === 2)

    expect(await second.waitFor('intervalClosed')).toMatchObject({ id, interval: 1, reason: 'tooLate' })
    expect((await world.answers()).map(({ interval }) => interval)).toEqual([2n])
  })

  it('knows its recurring subscriptions again, and answers what came while it was away', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    const recurring = await world.ask('echo', { frequency: 5, period: 60 })
    await first.waitFor('subscriptionAccepted', (event) => event.id === recurring)
    const journal = await kill(first)
    const oneOff = await world.ask('echo')
    await world.advance(60)

    const second = await start({ containers: { echo: container.url } }, journal)
    await second.waitFor('delivered', (event) => event.id === recurring)
    await second.waitFor('delivered', (event) => event.id === oneOff)

    expect(await world.answers()).toHaveLength(2)
  })

  it('judges old subscriptions again when its containers changed', async () => {
    const container = await serve()
    const first = await start({ containers: { echo: container.url } })
    const id = await world.ask('other')
    await first.waitFor('subscriptionDropped', (event) => event.id === id)
    const journal = await kill(first)

    const second = await start({ containers: { echo: container.url, other: container.url } }, journal)
    await second.waitFor('delivered', (event) => event.id === id)

    expect(await world.answers()).toHaveLength(1)
  })

  async function askUnmined(containers: string): Promise<number> {
    const asking = world.ask(containers)
    await until(async () => {
      const pool = (await world.send('txpool_status')) as { readonly pending: string }
      return Number(pool.pending) > 0
    })
    await world.mine()
    return asking
  }
})

describe('a node whose endpoint fails', () => {
  it('goes on when the endpoint is back', async () => {
    const container = await serve()
    const node = await start({ containers: { echo: container.url } })
    await node.waitFor('synced')
    proxy.decide(() => 'refuse')
    await node.waitFor('rpcFailed')
    const id = await world.ask('echo')
    proxy.decide(() => 'pass')

    await node.waitFor('delivered', (event) => event.id === id)

    expect(await world.answers()).toHaveLength(1)
  })

  it('delivers each of many once while a third of all calls fails in some way', async () => {
    const container = await serve()
    const node = await start({ containers: { echo: container.url } })
    await node.waitFor('synced')
    let count = 0
    proxy.decide(
      () => (['pass', 'drop', 'pass', 'refuse', 'pass', 'pass'] as const)[(count += 1) % 6] ?? 'pass',
    )

    await world.call('askMany', ['echo', 15])
    await until(() => node.countOf('delivered') === 15)

    const answers = await world.answers()
    expect(new Set(answers.map(({ subscriptionId }) => subscriptionId)).size).toBe(15)
    expect(answers).toHaveLength(15)
    expect(container.requests).toHaveLength(15)
  })
})

describe('a node whose blocks are replaced', () => {
  it('answers the request that stands in the end, not the one it saw first', async () => {
    const held: { response: ServerResponse; data: string }[] = []
    const container = await serve((response, data) => void held.push({ response, data }))
    const node = await start({ containers: { echo: container.url } })
    await node.waitFor('synced')
    const snapshot = await world.send('evm_snapshot')
    const before = await world.ask('echo', { inputs: '0xaaaa' })
    await until(() => held.length === 1)
    await world.send('evm_revert', [snapshot])
    const after = await world.ask('echo', { inputs: '0xbbbb' })
    await world.mine()
    await node.waitFor('reorged')
    const [first] = held
    if (first !== undefined) echo(first.response, first.data)
    await until(() => held.length === 2)
    for (const { response, data } of held.slice(1)) echo(response, data)
    await node.waitFor('delivered')

    const [answer] = await world.answers()
    expect(after).toBe(before)
    expect(await world.answers()).toHaveLength(1)
    expect(decodeDelivered(answer?.output ?? '0x')).toMatchObject({ raw: '0xbbbb00000001' })
  })

  it('drops a request that is gone for good', async () => {
    const held: ServerResponse[] = []
    const container = await serve((response) => void held.push(response))
    const node = await start({ containers: { echo: container.url } })
    await node.waitFor('synced')
    const snapshot = await world.send('evm_snapshot')
    const id = await world.ask('echo')
    await until(() => held.length === 1)

    await world.send('evm_revert', [snapshot])
    await world.mine()
    await world.mine()

    expect(await node.waitFor('subscriptionDropped', (event) => event.id === id)).toMatchObject({
      reason: 'reorged',
    })
    expect(await node.waitFor('intervalClosed', (event) => event.id === id)).toMatchObject({
      reason: 'reorged',
    })
    expect(await world.answers()).toEqual([])
  })

  it('brings a delivery back that was in a replaced block, with the same transaction', async () => {
    const container = await serve()
    const node = await start({ containers: { echo: container.url } })
    const id = await world.ask('echo')
    await node.waitFor('delivered', (event) => event.id === id)
    await world.send('anvil_reorg', [1, []])
    expect(await world.answers()).toEqual([])
    await world.mine()

    await until(() => node.countOf('delivered') === 2)

    expect(await world.answers()).toHaveLength(1)
    expect(new Set(sentRaw()).size).toBe(1)
    expect(container.requests).toHaveLength(1)
  })
})
