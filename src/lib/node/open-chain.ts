import { openChain, type Chain } from '../chain/provider.js'
import type { NodeConfig } from '../infernet/node-config.js'

/**
 * Connects to the endpoints of a node's configuration.
 * @throws what `openChain` throws
 */
export function openNodeChain(
  { chain }: Pick<NodeConfig, 'chain'>,
  options: { readonly chainId: number | null; readonly timeoutMs: number; readonly now: () => number },
): Promise<Chain> {
  return openChain({
    rpcUrl: chain.rpc_url ?? '',
    expectedChainId: options.chainId,
    timeoutMs: options.timeoutMs,
    pool: {
      rpcUrls: chain.fallback_rpc_urls,
      maxRequestsPerSec: chain.max_rpc_requests_per_second,
      now: options.now,
    },
  })
}
