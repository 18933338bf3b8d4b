import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { inspect } from 'node:util'
import { openChain, type Chain } from '../../../src/lib/chain/provider.js'
import { startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { closedPort, jsonRpc, startHttpServer, type TestServer } from '../../helpers/http-server.js'
import { startRpcProxy, type RpcFate, type RpcProxy } from '../../helpers/rpc-proxy.js'

let test: TestChain
let first: RpcProxy
let second: RpcProxy
let nowMs: number
const closers: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  test = await startAnvil()
  first = await startRpcProxy(test.rpcUrl)
  second = await startRpcProxy(test.rpcUrl)
  nowMs = 1_000_000
  closers.push(
    () => test.close(),
    () => first.close(),
    () => second.close(),
  )
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function open(urls: readonly string[], maxRequestsPerSec: number | null = null): Promise<Chain> {
  const [rpcUrl = '', ...rpcUrls] = urls
  const chain = await openChain({
    rpcUrl,
    expectedChainId: 31_337,
    timeoutMs: 5_000,
    pool: { rpcUrls, maxRequestsPerSec, now: () => nowMs },
  })
  closers.push(() => chain.close())
  return chain
}

function countOf({ calls }: RpcProxy, method: string): number {
  return calls.filter((call) => call.method === method).length
}

const BLOCK = ['latest', false]

describe('a pool of endpoints', () => {
  it('asks the first one as long as it is well', async () => {
    const chain = await open([first.url, second.url])

    for (let count = 0; count < 3; count += 1) await chain.provider.send('eth_gasPrice', [])

    expect(countOf(first, 'eth_gasPrice')).toBe(3)
    expect(countOf(second, 'eth_gasPrice')).toBe(0)
  })

  it.each<[string, RpcFate]>([
    ['answers 500', { status: 500 }],
    ['answers 429', { status: 429 }],
    ['does not know its key any more', { status: 401 }],
    ['drops the connection', 'drop'],
    ['breaks off in its answer', 'truncate'],
    ['ends its answer early', 'cut'],
    ['answers another question', 'wrongId'],
  ])('asks the next one when the first %s', async (_name, fate) => {
    const chain = await open([first.url, second.url])
    first.decide(() => fate)

    const price: unknown = await chain.provider.send('eth_gasPrice', [])

    expect(price).toMatch(/^0x/)
    expect(countOf(second, 'eth_gasPrice')).toBe(1)
  })

  it('asks the next one when the first does not answer in its share of the time', async () => {
    const chain = await open([first.url, second.url])
    first.decide(() => 'hang')

    expect(await chain.provider.send('eth_gasPrice', [])).toMatch(/^0x/)
  })

  it('leaves an endpoint alone that failed twice, and comes back after a while', async () => {
    const chain = await open([first.url, second.url])
    first.decide(() => 'refuse')
    for (let count = 0; count < 5; count += 1) await chain.provider.send('eth_gasPrice', [])
    const whileAway = countOf(first, 'eth_gasPrice')

    first.decide(() => 'pass')
    nowMs += 120_000
    await chain.provider.send('eth_gasPrice', [])

    expect(whileAway).toBe(2)
    expect(countOf(first, 'eth_gasPrice')).toBe(3)
    expect(countOf(second, 'eth_gasPrice')).toBe(5)
  })

  it('tries the endpoints in turn until one is well again', async () => {
    const chain = await open([first.url, second.url])
    first.decide(() => 'refuse')
    second.decide(() => (countOf(second, 'eth_gasPrice') < 2 ? 'refuse' : 'pass'))

    expect(await chain.provider.send('eth_gasPrice', [])).toMatch(/^0x/)
  })

  it('keeps the pause that a limited endpoint asks for, and uses the others meanwhile', async () => {
    const chain = await open([first.url, second.url])
    first.decide(() => ({ status: 429, retryAfter: '20' }))
    await chain.provider.send('eth_gasPrice', [])
    first.decide(() => 'pass')

    nowMs += 19_000
    await chain.provider.send('eth_gasPrice', [])
    const before = countOf(first, 'eth_gasPrice')
    nowMs += 2_000
    await chain.provider.send('eth_gasPrice', [])

    expect(before).toBe(1)
    expect(countOf(first, 'eth_gasPrice')).toBe(2)
  })

  it('says at once that it is limited when the pause is longer than a call may take', async () => {
    const chain = await open([first.url])
    first.decide(() => ({ status: 429, retryAfter: '20' }))

    const error = await caught(chain.provider.send('eth_gasPrice', []))
    const next = await caught(chain.provider.send('eth_gasPrice', []))

    expect(error.code).toBe('RPC_FAILED')
    expect(next.message).toContain('is limiting requests')
    expect(countOf(first, 'eth_gasPrice')).toBe(1)
  })

  it('hands what is above the limit of an endpoint to the next one', async () => {
    const chain = await open([first.url, second.url], 5)
    nowMs += 60_000
    const calls = Array.from({ length: 8 }, () => chain.provider.send('eth_gasPrice', []))

    await Promise.all(calls)

    expect(countOf(first, 'eth_gasPrice')).toBeGreaterThanOrEqual(4)
    expect(countOf(first, 'eth_gasPrice')).toBeLessThanOrEqual(6)
    expect(countOf(second, 'eth_gasPrice')).toBe(8 - countOf(first, 'eth_gasPrice'))
  })

  it('passes over an endpoint that lags behind', async () => {
    const chain = await open([first.url, second.url])
    await test.chain.provider.send('anvil_mine', ['0x14'])
    await chain.provider.send('eth_getBlockByNumber', BLOCK)
    first.decide(() => 'refuse')
    await chain.provider.send('eth_getBlockByNumber', BLOCK)
    first.decide(() => ({ staleBlocks: 10 }))

    const block = (await chain.provider.send('eth_getBlockByNumber', BLOCK)) as { number: string }
    const asked = first.calls.length
    await chain.provider.send('eth_getBlockByNumber', BLOCK)

    expect(Number(block.number)).toBe(20)
    expect(first.calls.length).toBe(asked)
  })

  it('asks another one when the head stands still, and finds that only this one does', async () => {
    const chain = await open([first.url, second.url])
    await test.chain.provider.send('anvil_mine', ['0x14'])
    first.decide(() => ({ staleBlocks: 10 }))
    const numbers: number[] = []
    for (let look = 0; look < 3; look += 1) {
      const block = (await chain.provider.send('eth_getBlockByNumber', BLOCK)) as { number: string }
      numbers.push(Number(block.number))
      nowMs += 11_000
    }

    expect(numbers).toEqual([10, 20, 20])
  })

  it('asks elsewhere for a block that an endpoint does not have', async () => {
    const other = await startAnvil()
    closers.push(other.close)
    await other.chain.provider.send('anvil_mine', ['0x5'])
    const chain = await open([first.url, other.rpcUrl])

    const block = (await chain.provider.send('eth_getBlockByNumber', ['0x5', false])) as { number: string }
    const call: unknown = await chain.provider.send('eth_call', [{ to: `0x${'11'.repeat(20)}` }, '0x5'])
    const nowhere: unknown = await chain.provider.send('eth_getBlockByNumber', ['0x64', false])

    expect(Number(block.number)).toBe(5)
    expect(call).toBe('0x')
    expect(nowhere).toBeNull()
  })

  it('hands a transaction to one endpoint, and the same bytes to another only without an answer', async () => {
    const chain = await open([first.url, second.url])
    const refused = await caught(chain.provider.send('eth_sendRawTransaction', ['0x01']))
    const whenRefused = countOf(second, 'eth_sendRawTransaction')
    first.decide(({ method }) => (method === 'eth_sendRawTransaction' ? 'drop' : 'pass'))

    await caught(chain.provider.send('eth_sendRawTransaction', ['0x02']))

    expect(refused.code).toBe('RPC_FAILED')
    expect(whenRefused).toBe(0)
    const sent = [first, second].map(({ calls }) =>
      calls.filter(({ method }) => method === 'eth_sendRawTransaction').map(({ params }) => params[0]),
    )
    expect(sent).toEqual([['0x01', '0x02'], ['0x02']])
  })

  it('stops everything when one of the endpoints serves another chain', async () => {
    const other = await startHttpServer(jsonRpc(() => '0x1'))
    closers.push(other.close)

    const error = await caught(open([first.url, other.url]))

    expect(error.code).toBe('CHAIN_MISMATCH')
    expect(error.details).toMatchObject({ actual: 1, expected: 31_337 })
  })

  it('finds another chain behind an endpoint that was away at the beginning', async () => {
    let isAway = true
    const answer = jsonRpc(() => '0x1')
    const other: TestServer = await startHttpServer((body, response, count) =>
      isAway ? response.writeHead(503).end() : answer(body, response, count),
    )
    closers.push(other.close)
    const chain = await open([first.url, other.url])
    isAway = false
    first.decide(() => 'refuse')
    nowMs += 120_000

    const error = await caught(chain.provider.send('eth_gasPrice', []))
    const next = await caught(chain.provider.send('eth_gasPrice', []))

    expect([error.code, next.code]).toEqual(['CHAIN_MISMATCH', 'CHAIN_MISMATCH'])
  })

  it('opens while the first endpoint is away, and keeps its key out of errors', async () => {
    const port = await closedPort()
    const chain = await open([`http://127.0.0.1:${port}/v3/s3cr3tkey1`, second.url])
    second.decide(() => 'refuse')

    const error = await caught(chain.provider.send('eth_gasPrice', []))

    expect(chain.chainId).toBe(31_337)
    expect(error.kind).toBe('unavailable')
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('s3cr3tkey1')
  })
})
