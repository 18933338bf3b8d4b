import {
  JsonRpcProvider,
  Network,
  type JsonRpcError,
  type JsonRpcPayload,
  type JsonRpcResult,
} from 'ethers/providers'
import { FlockError, isFlockError } from '../errors.js'
import { parseEndpoint, type Endpoint } from './endpoint.js'
import { refusalError } from './refusal.js'
import { postRpc, type JsonRpcRefusal, type RpcOptions } from './rpc.js'

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
  /** Ends calls under way; later calls are refused. */
  close(): void
}

export interface ChainOptions {
  readonly rpcUrl: string
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
 * Connects to an RPC endpoint and checks which chain it serves.
 * @throws RPC_UNREACHABLE, RPC_FAILED, CHAIN_MISMATCH, CONFIG_INVALID for a malformed URL
 */
export async function openChain(options: ChainOptions): Promise<Chain> {
  const endpoint = parseEndpoint(options.rpcUrl)
  const closing = new AbortController()
  const signal =
    options.signal === undefined ? closing.signal : AbortSignal.any([closing.signal, options.signal])
  const rpc: RpcOptions = { endpoint, timeoutMs: options.timeoutMs, signal }
  const chainId = await readChainId(rpc)
  if (options.expectedChainId !== null && chainId !== options.expectedChainId) {
    throw chainMismatch(endpoint, chainId, options.expectedChainId)
  }
  const pollIntervalMs = endpoint.isLoopback ? LOCAL_POLL_MS : PUBLIC_POLL_MS
  const provider = new RpcProvider(rpc, chainId, pollIntervalMs)
  const close = () => {
    if (closing.signal.aborted) return
    closing.abort(new FlockError('INTERRUPTED', 'The connection to the chain was closed.'))
    provider.destroy()
  }
  return { chainId, rpcUrl: options.rpcUrl, endpoint: endpoint.label, pollIntervalMs, provider, close }
}

/**
 * The provider of ethers with our transport beneath: its own tries for ever to detect a network, keeps sockets of
 * timed out requests open and puts URLs with keys into its errors.
 */
class RpcProvider extends JsonRpcProvider {
  readonly #rpc: RpcOptions

  constructor(rpc: RpcOptions, chainId: number, pollingInterval: number) {
    // A network without ethers' plugins, some of which ask third parties for gas prices or names.
    const network = new Network('flock', chainId)
    super(rpc.endpoint.url.href, network, {
      staticNetwork: network,
      batchMaxCount: 1,
      cacheTimeout: -1,
      pollingInterval,
    })
    this.#rpc = rpc
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const replies = await Promise.all([payload].flat().map((call) => postRpc(call, this.#rpc)))
    // Errors among the replies are handled by the caller, though the type of ethers leaves them out.
    return replies as JsonRpcResult[]
  }

  override getRpcError(payload: JsonRpcPayload, reply: JsonRpcError): Error {
    return refusalError(this.#rpc.endpoint, payload.method, reply.error as JsonRpcRefusal)
  }
}

async function readChainId(rpc: RpcOptions): Promise<number> {
  const reply = await postRpc({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }, rpc)
  if ('error' in reply) throw refusalError(rpc.endpoint, 'eth_chainId', reply.error)
  const chainId = typeof reply.result === 'string' ? Number(reply.result) : Number.NaN
  if (Number.isSafeInteger(chainId) && chainId > 0) return chainId
  throw new FlockError('RPC_FAILED', `The RPC endpoint ${rpc.endpoint.label} gave no chain id.`, {
    details: { endpoint: rpc.endpoint.label },
    hint: 'Check that the RPC URL of the network is that of an Ethereum node.',
  })
}

function chainMismatch(endpoint: Endpoint, actual: number, expected: number): FlockError {
  return new FlockError(
    'CHAIN_MISMATCH',
    `The RPC endpoint ${endpoint.label} serves chain ${actual}, the network asks for chain ${expected}.`,
    {
      details: { endpoint: endpoint.label, actual, expected },
      hint: 'Choose the network that belongs to this endpoint, or the endpoint of this network.',
    },
  )
}

/** True when the endpoint was reached and refused the question itself, so that another question may pass. */
export function isRefusal(error: unknown): boolean {
  return isFlockError(error) && error.code === 'RPC_FAILED' && error.details['rpcCode'] !== undefined
}
