import { JsonRpcProvider, Network } from 'ethers/providers'
import { FlockError, isFlockError } from '../errors.js'
import { parseEndpoint, type Endpoint } from './endpoint.js'
import { createMember } from './health.js'
import { createHttpRpc } from './http-rpc.js'
import { refusalError } from './refusal.js'
import { chainIdOf, chainMismatch, createRpcPool, type RpcPool } from './rpc-pool.js'
import { interruption, type HeadFeed } from './rpc.js'
import { createSocketRpc } from './socket-rpc.js'
import { createThrottle, UNLIMITED } from './throttle.js'

/** A connection to one chain. Everything its provider throws is a `FlockError` without secrets. */
export interface Chain {
  readonly chainId: number
  /** As given; may hold an API key. Messages use `endpoint`. */
  readonly rpcUrl: string
  /** Protocol and host of the RPC endpoint. */
  readonly endpoint: string
  /** Pause between looks at a transaction that is not mined yet. */
  readonly pollIntervalMs: number
  readonly provider: JsonRpcProvider
  /** New heads as they are pushed; null when the endpoints can only be asked. */
  readonly heads: HeadFeed | null
  /** Ends calls under way; later calls are refused. */
  close(): void
}

export interface ChainOptions {
  /** http, https, ws or wss. */
  readonly rpcUrl: string
  /** Other endpoints of the same chain, in the order of preference, and what is needed to choose among them. */
  readonly pool?: {
    readonly rpcUrls: readonly string[]
    /** For each endpoint; null learns it from its refusals. */
    readonly maxRequestsPerSec: number | null
    /** Milliseconds; only differences count. */
    readonly now: () => number
  }
  /** The chain that the RPC has to serve; null takes any. */
  readonly expectedChainId: number | null
  /** For each call, its repetitions included. */
  readonly timeoutMs: number
  /** Ends the opening and every later call with INTERRUPTED. Leave it out for work that drains after a signal. */
  readonly signal?: AbortSignal
}

/** A local chain mines at once or each second, a public one every two seconds or more. */
const LOCAL_POLL_MS = 50
const PUBLIC_POLL_MS = 1_000

/**
 * Connects to RPC endpoints and checks which chain they serve. Of several one has to answer; the others are checked
 * when they do.
 * @throws RPC_UNREACHABLE, RPC_FAILED, CHAIN_MISMATCH, CONFIG_INVALID for a malformed URL
 */
export async function openChain(options: ChainOptions): Promise<Chain> {
  const { rpcUrl, expectedChainId, timeoutMs, signal } = options
  const { pool: choice } = options
  const endpoints = [rpcUrl, ...(choice?.rpcUrls ?? [])].map(parseEndpoint)
  const members = endpoints.map((endpoint) =>
    createMember(
      endpoint.isSocket ? createSocketRpc(endpoint) : createHttpRpc(endpoint),
      choice === undefined ? UNLIMITED : createThrottle(choice.maxRequestsPerSec, choice.now),
    ),
  )
  const now = choice?.now ?? (() => 0)
  const pool = createRpcPool({ members, chainId: expectedChainId, timeoutMs, signal, now })
  const close = (reason = new FlockError('INTERRUPTED', 'The connection to the chain was closed.')) =>
    pool.close(reason)
  try {
    const chainId = await readChainId(pool)
    await pool.verify()
    const [endpoint] = endpoints as [Endpoint]
    if (expectedChainId !== null && chainId !== expectedChainId)
      throw chainMismatch(endpoint, chainId, expectedChainId)
    const pollIntervalMs = endpoint.isLoopback ? LOCAL_POLL_MS : PUBLIC_POLL_MS
    const provider = new RpcProvider(pool, endpoint, chainId, pollIntervalMs)
    const { heads } = pool
    return {
      chainId,
      rpcUrl,
      endpoint: endpoint.label,
      pollIntervalMs,
      provider,
      heads,
      close: () => close(),
    }
  } catch (error) {
    close()
    throw signal?.aborted ? interruption(signal) : error
  }
}

/**
 * The provider of ethers with our transport beneath: its own tries for ever to detect a network, keeps sockets of
 * timed out requests open, puts URLs with keys into its errors, and holds calls back to batch them.
 */
class RpcProvider extends JsonRpcProvider {
  readonly #pool: RpcPool

  constructor(pool: RpcPool, endpoint: Endpoint, chainId: number, pollingInterval: number) {
    // A network without ethers' plugins, some of which ask third parties for gas prices or names.
    const network = new Network('flock', chainId)
    super(endpoint.label, network, {
      staticNetwork: network,
      batchMaxCount: 1,
      cacheTimeout: -1,
      pollingInterval,
    })
    this.#pool = pool
  }

  override async send(method: string, params: unknown[] | Record<string, unknown>): Promise<unknown> {
    const { reply, endpoint } = await this.#pool.call(method, params)
    if ('error' in reply) throw refusalError(endpoint, method, reply.error)
    return reply.result
  }
}

async function readChainId(pool: RpcPool): Promise<number> {
  const { reply, endpoint } = await pool.call('eth_chainId', [])
  if ('error' in reply) throw refusalError(endpoint, 'eth_chainId', reply.error)
  return chainIdOf(reply.result, endpoint)
}

/** True when the endpoint was reached and refused the question itself, so that another question may pass. */
export function isRefusal(error: unknown): boolean {
  return isFlockError(error) && error.code === 'RPC_FAILED' && error.details['rpcCode'] !== undefined
}
