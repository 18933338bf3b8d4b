/** Looks at the chain on behalf of whoever asks how the node is: its head and what the accounts hold. */
import type { Chain } from '../chain/provider.js'
import { toFlockError } from '../errors.js'
import type { Address } from '../hex.js'

export interface NodeProbe {
  /** Null when the RPC endpoint did not answer. */
  readonly blockNumber: number | null
  /** Of the latest block; how far the endpoint is behind the chain, on one that mines blocks regularly. */
  readonly headAgeSec: number | null
  /** What one call took. */
  readonly latencyMs: number | null
  /** In wei; null when not known. */
  readonly balance: bigint | null
  /** Of the payment wallet; null when there is none. */
  readonly walletBalance: bigint | null
  /** Code of what went wrong. */
  readonly fault: string | null
}

export interface ProbeOptions {
  readonly chain: Chain
  readonly account: Address
  readonly wallet: Address | null
  /** Any clock, in ms. */
  readonly now: () => number
  /** The time of day, in ms. */
  readonly unixMs: () => number
}

/** Those who ask more often get the same answer, so that looking costs an idle node no calls to speak of. */
const FRESH_MS = 10_000

/** Never throws: a fault is part of the answer. */
export function createNodeProbe(options: ProbeOptions): () => Promise<NodeProbe> {
  let latest: { readonly atMs: number; readonly probe: Promise<NodeProbe> } | null = null
  return () => {
    const atMs = options.now()
    if (latest === null || atMs - latest.atMs >= FRESH_MS) latest = { atMs, probe: probe(options) }
    return latest.probe
  }
}

async function probe({ chain, account, wallet, now, unixMs }: ProbeOptions): Promise<NodeProbe> {
  const startMs = now()
  try {
    const balanceOf = async (address: Address) =>
      BigInt((await chain.provider.send('eth_getBalance', [address, 'latest'])) as string)
    const [head, balance, walletBalance] = await Promise.all([
      readHead(chain).then((found) => ({ ...found, latencyMs: Math.round(now() - startMs) })),
      balanceOf(account),
      wallet === null ? null : balanceOf(wallet),
    ])
    const { number, timestampSec, latencyMs } = head
    const headAgeSec = Math.max(0, Math.round(unixMs() / 1000 - timestampSec))
    return { blockNumber: number, headAgeSec, latencyMs, balance, walletBalance, fault: null }
  } catch (error) {
    const nothing = { blockNumber: null, headAgeSec: null, latencyMs: null, balance: null }
    return { ...nothing, walletBalance: null, fault: toFlockError(error).code }
  }
}

async function readHead(chain: Chain): Promise<{ readonly number: number; readonly timestampSec: number }> {
  const block = (await chain.provider.send('eth_getBlockByNumber', ['latest', false])) as {
    readonly number: string
    readonly timestamp: string
  }
  return { number: Number(block.number), timestampSec: Number(block.timestamp) }
}
