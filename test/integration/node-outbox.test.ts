import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openChain, type Chain } from '../../src/lib/chain/provider.js'
import { createSigner } from '../../src/lib/chain/signer.js'
import { startHttpServer, type TestServer } from '../helpers/http-server.js'
import {
  createNodeWorld,
  privateKeyOf,
  startNode,
  type NodeSettings,
  type NodeWorld,
  type WatchedNode,
} from '../helpers/node-world.js'
import { startRpcProxy, type RpcProxy } from '../helpers/rpc-proxy.js'
import { createTempDir } from '../helpers/temp-dir.js'

const BURST = 200

let world: NodeWorld
let proxy: RpcProxy
let chain: Chain
let dir: string
let container: TestServer
let node: WatchedNode

beforeEach(async () => {
  world = await createNodeWorld()
  proxy = await startRpcProxy(world.rpcUrl)
  chain = await openChain({ rpcUrl: proxy.url, expectedChainId: null, timeoutMs: 10_000 })
  dir = await createTempDir()
  container = await startHttpServer((body, response) => {
    const { data } = JSON.parse(body) as { data: string }
    response.writeHead(200, { 'content-type': 'application/json' })
    const output = { raw_input: '', processed_input: '', raw_output: data, processed_output: '', proof: '' }
    response.end(JSON.stringify(output))
  })
}, 120_000)

afterEach(async () => {
  proxy.decide(() => 'pass')
  await node.stop()
  await container.close()
  chain.close()
  await proxy.close()
  await world.close()
  await rm(dir, { recursive: true, force: true })
})

async function start(settings: Partial<NodeSettings> = {}): Promise<WatchedNode> {
  const options = { chain, signer: createSigner(privateKeyOf(1), chain), drainMs: 200 }
  const journalPath = join(dir, 'node.ndjson')
  return startNode(world, { containers: { echo: container.url }, journalPath, options, ...settings })
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('a node with many deliveries', () => {
  it('delivers all requests of a block, each once, for a few calls each', async () => {
    node = await start()
    await node.waitFor('synced')
    await world.send('evm_setIntervalMining', [1])
    const calls = proxy.calls.length
    await Promise.all([50, 50, 50, BURST - 150].map((count) => world.call('askMany', ['echo', count])))

    await until(() => node.countOf('delivered') === BURST)
    const used = proxy.calls.length - calls

    const answers = await world.answers()
    expect(new Set(answers.map(({ subscriptionId }) => subscriptionId)).size).toBe(BURST)
    expect(answers).toHaveLength(BURST)
    expect(await world.chain.provider.getTransactionCount(node.address)).toBe(BURST)
    // Issue 5 allows 12 a delivered request.
    expect(used / BURST).toBeLessThanOrEqual(12)
  }, 120_000)

  it('raises the fees of deliveries that the base fee outran, and delivers each once', async () => {
    node = await start()
    await node.waitFor('synced')
    await world.call('askMany', ['echo', 3])
    await node.waitFor('delivered')
    await until(() => node.countOf('delivered') === 3)
    await world.send('evm_setAutomine', [false])
    const asking = world.call('askMany', ['echo', 5])
    await world.send('evm_setIntervalMining', [1])
    await asking
    await until(() => node.countOf('deliverySent') >= 4)
    await world.send('anvil_setNextBlockBaseFeePerGas', ['0x2540be400'])

    await until(() => node.countOf('delivered') === 8)

    const answers = await world.answers()
    expect(new Set(answers.map(({ subscriptionId }) => subscriptionId)).size).toBe(8)
    expect(answers).toHaveLength(8)
  }, 60_000)
})

describe('a node with a floor', () => {
  it('leaves an answer that earns less than asked for', async () => {
    node = await start({ wallet: { min_profit: 1 } })
    await node.waitFor('synced')

    const id = await world.ask('echo')

    expect(await node.waitFor('intervalClosed', (event) => event.id === id)).toMatchObject({
      reason: 'unprofitable',
    })
    expect(node.countOf('deliverySent')).toBe(0)
  })
})
