import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openChain, type Chain } from '../../../src/lib/chain/provider.js'
import type { RpcHeader } from '../../../src/lib/chain/rpc.js'
import { startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { closedPort } from '../../helpers/http-server.js'
import { startRpcProxy, type RpcProxy } from '../../helpers/rpc-proxy.js'
import { until } from '../../helpers/until.js'

let test: TestChain
let proxy: RpcProxy
const closers: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  test = await startAnvil()
  proxy = await startRpcProxy(test.rpcUrl)
  closers.push(
    () => test.close(),
    () => proxy.close(),
  )
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function open(rpcUrl: string, rpcUrls: readonly string[] = []): Promise<Chain> {
  const chain = await openChain({
    rpcUrl,
    expectedChainId: 31_337,
    timeoutMs: 5_000,
    pool: { rpcUrls, maxRequestsPerSec: null, now: () => performance.now() },
  })
  closers.push(() => chain.close())
  return chain
}

function listen(chain: Chain): RpcHeader[] {
  const heads: RpcHeader[] = []
  chain.heads?.listen((head) => heads.push(head))
  return heads
}

const mine = () => test.chain.provider.send('evm_mine', [])

describe('a WebSocket endpoint', () => {
  it('answers calls, many at a time', async () => {
    const chain = await open(proxy.socketUrl)

    const numbers = await Promise.all(Array.from({ length: 50 }, () => chain.provider.getBlockNumber()))

    expect(numbers).toEqual(Array.from({ length: 50 }, () => 0))
    expect(chain.endpoint).toBe(proxy.socketUrl)
    expect(proxy.calls.filter(({ method }) => method === 'eth_blockNumber')).toHaveLength(50)
  })

  it('passes refusals on', async () => {
    const chain = await open(proxy.socketUrl)

    const error = await caught(chain.provider.send('eth_sendRawTransaction', ['0x01']))

    expect(error.code).toBe('RPC_FAILED')
    expect(error.details.method).toBe('eth_sendRawTransaction')
  })

  it('tells of every new head, with what is needed to follow the chain', async () => {
    const chain = await open(proxy.socketUrl)
    const heads = listen(chain)
    await until(() => chain.heads?.isLive() === true)

    for (let count = 0; count < 3; count += 1) await mine()
    await until(() => heads.length === 3)

    expect(heads.map(({ number }) => Number(number))).toEqual([1, 2, 3])
    expect(heads[1]?.parentHash).toBe(heads[0]?.hash)
    expect(Number(heads[2]?.timestamp)).toBeGreaterThan(1_600_000_000)
    expect(heads[0]?.logsBloom).toMatch(/^0x[0-9a-f]{512}$/)
  })

  it('begins its subscription once, whether it listens before or after the first call', async () => {
    const chain = await open(proxy.socketUrl)
    const early = listen(chain)
    const late = listen(chain)
    await until(() => chain.heads?.isLive() === true)

    await mine()
    await until(() => late.length === 1)

    expect(early).toEqual(late)
    expect(proxy.calls.filter(({ method }) => method === 'eth_subscribe')).toHaveLength(1)
  })

  it('connects again after a break, subscribes anew and loses no call', async () => {
    const chain = await open(proxy.socketUrl)
    const heads = listen(chain)
    await until(() => chain.heads?.isLive() === true)

    const calls = Array.from({ length: 5 }, () => chain.provider.getBlockNumber())
    proxy.dropSockets()
    const numbers = await Promise.all(calls)
    await until(() => chain.heads?.isLive() === true)
    await mine()
    await until(() => heads.length === 1)

    expect(numbers).toEqual([0, 0, 0, 0, 0])
    expect(Number(heads[0]?.number)).toBe(1)
  })

  it('says that it is not live while it cannot connect, and comes back by itself', async () => {
    const chain = await open(proxy.socketUrl)
    const heads = listen(chain)
    await until(() => chain.heads?.isLive() === true)

    proxy.letSocketsIn(false)
    proxy.dropSockets()
    await until(() => chain.heads?.isLive() === false)
    proxy.letSocketsIn(true)
    await until(() => chain.heads?.isLive() === true)
    await mine()
    await until(() => heads.length === 1)

    expect(heads).toHaveLength(1)
  })

  it('leaves calls to another endpoint while it is away', async () => {
    const chain = await open(proxy.socketUrl, [test.rpcUrl])
    proxy.letSocketsIn(false)
    proxy.dropSockets()

    expect(await chain.provider.getBlockNumber()).toBe(0)
  })

  it('is unreachable where nothing listens, without its key in the error', async () => {
    const port = await closedPort()

    const error = await caught(open(`ws://alice:passw0rd@127.0.0.1:${port}/pathkey123`))

    expect(error.code).toBe('RPC_UNREACHABLE')
    expect(error.message).toContain(`ws://127.0.0.1:${port}`)
    expect(error.message).not.toMatch(/alice|passw0rd|pathkey123/)
  })

  it('ends calls under way when the chain is closed', async () => {
    const chain = await open(proxy.socketUrl)

    const call = caught(chain.provider.send('evm_mine', []))
    chain.close()

    expect((await call).code).toBe('INTERRUPTED')
  })
})
