import { afterEach, describe, expect, it } from '@jest/globals'
import { quoteDataFee, quoteFees } from '../../../src/lib/chain/fees.js'
import { openChain, type Chain } from '../../../src/lib/chain/provider.js'
import { caught } from '../../helpers/caught.js'
import { jsonRpc, startHttpServer, type TestServer } from '../../helpers/http-server.js'

let server: TestServer
let chain: Chain

afterEach(async () => {
  chain.close()
  await server.close()
})

/** A node with these answers; a method without one does not exist. */
async function connect(answers: Record<string, unknown>): Promise<Chain> {
  server = await startHttpServer(
    jsonRpc((method) => {
      const all: Record<string, unknown> = { eth_chainId: '0x2105', ...answers }
      if (method in all) return all[method]
      throw { code: -32601, message: 'method not found' } as unknown as Error
    }),
  )
  chain = await openChain({ rpcUrl: server.url, expectedChainId: null, timeoutMs: 5_000 })
  return chain
}

const block = { baseFeePerGas: '0x64' }

describe('quoteFees', () => {
  it('offers twice the base fee and the tip that the node suggests', async () => {
    const fees = await quoteFees(
      await connect({ eth_getBlockByNumber: block, eth_maxPriorityFeePerGas: '0x7' }),
    )

    expect(fees).toEqual({ baseFeePerGas: 100n, maxFeePerGas: 207n, maxPriorityFeePerGas: 7n })
  })

  it('does without a tip where the node knows no such method', async () => {
    const fees = await quoteFees(await connect({ eth_getBlockByNumber: block }))

    expect(fees).toEqual({ baseFeePerGas: 100n, maxFeePerGas: 200n, maxPriorityFeePerGas: 0n })
  })

  it('names a chain without a base fee', async () => {
    const old = await connect({ eth_getBlockByNumber: {}, eth_maxPriorityFeePerGas: '0x7' })

    const error = await caught(quoteFees(old))

    expect(error.code).toBe('RPC_FAILED')
    expect(error.message).toContain('8453')
  })
})

describe('quoteDataFee', () => {
  it('adds what a rollup charges for publishing each transaction', async () => {
    const rollup = await connect({ eth_getCode: '0x60', eth_call: `0x${'0'.repeat(60)}03e8` })

    expect(await quoteDataFee(rollup, [100, 200])).toBe(2_000n)
  })

  it('is zero on a chain without a price oracle', async () => {
    expect(await quoteDataFee(await connect({ eth_getCode: '0x' }), [100])).toBe(0n)
  })
})
