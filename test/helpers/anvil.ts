import { openChain, type Chain } from '../../src/lib/chain/provider.js'
import {
  startChainProcess,
  type ChainProcess,
  type ChainProcessOptions,
} from '../../src/lib/devnet/chain-process.js'

export interface TestChain {
  readonly process: ChainProcess
  readonly chain: Chain
  readonly rpcUrl: string
  readonly close: () => Promise<void>
}

/** A fresh anvil on a free port and a connection to it. */
export async function startAnvil(options: Partial<ChainProcessOptions> = {}): Promise<TestChain> {
  const process = await startChainProcess({ port: 0, ...options })
  const chain = await openChain({ rpcUrl: process.rpcUrl, expectedChainId: 31_337, timeoutMs: 10_000 })
  const close = async () => {
    chain.close()
    await process.close()
  }
  return { process, chain, rpcUrl: process.rpcUrl, close }
}

/** Asks anvil for one of its own methods, for instance `evm_mine`. */
export async function anvilRequest(
  chain: Chain,
  method: string,
  params: readonly unknown[] = [],
): Promise<unknown> {
  return chain.provider.send(method, [...params])
}
