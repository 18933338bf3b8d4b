/** JSON-RPC as values: calls, replies, and errors that name the endpoint's host alone. */
import { FlockError, isFlockError, messageOf } from '../errors.js'
import type { Endpoint } from './endpoint.js'

export interface JsonRpcCall {
  readonly id: number
  readonly method: string
  readonly params: unknown
  readonly jsonrpc: '2.0'
}

export interface JsonRpcRefusal {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export type JsonRpcReply =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: JsonRpcRefusal }

/** A block's header as endpoints push and answer it, as far as it is read. */
export interface RpcHeader {
  readonly number: string
  readonly hash: string
  readonly parentHash: string
  readonly timestamp: string
  /** Left out or zero on some chains. */
  readonly logsBloom?: string
  /** Left out on chains without one (EIP-1559). */
  readonly baseFeePerGas?: string
}

/** New heads as an endpoint pushes them. Some may be left out, and after a break the next one just comes. */
export interface HeadFeed {
  /** True while a subscription stands. */
  isLive(): boolean
  /** Begins with the first listener; what is returned ends it for this one. */
  listen(onHead: (header: RpcHeader) => void): () => void
}

/** How calls get to one endpoint. */
export interface Transport {
  readonly endpoint: Endpoint
  /** Null where the endpoint cannot push. */
  readonly heads: HeadFeed | null
  /**
   * Makes one try. Errors with `details.transient` are worth another one.
   * @throws RPC_UNREACHABLE when no answer came, RPC_FAILED when the answer is not JSON-RPC
   */
  exchange(call: JsonRpcCall, stop: AbortSignal): Promise<Exchanged>
  close(): void
}

export interface Exchanged {
  readonly reply: JsonRpcReply
  /** True when the endpoint says that it was asked too often. */
  readonly isLimited: boolean
  /** The pause that it asks for. */
  readonly retryAfterMs: number | null
}

/** The error for work that a signal ended. */
export function interruption(signal: AbortSignal, details: Record<string, unknown> = {}): FlockError {
  if (isFlockError(signal.reason) && Object.keys(details).length === 0) return signal.reason
  return new FlockError('INTERRUPTED', 'Stopped before the chain had answered.', {
    cause: signal.reason,
    details,
  })
}

/** The reply in a value, or null when it is none. An error without an id (a rejected API key) is ours as well. */
export function toReply(value: unknown, id: number): JsonRpcReply | null {
  if (typeof value !== 'object' || value === null) return null
  const { id: replyId, error, result } = value as Record<string, unknown>
  if (
    typeof error === 'object' &&
    error !== null &&
    (replyId === id || replyId === null || replyId === undefined)
  ) {
    const { code, message, data } = error as Record<string, unknown>
    return { id, error: { code: Number(code ?? 0), message: messageText(message), data } }
  }
  return replyId === id && result !== undefined ? { id, result } : null
}

function messageText(message: unknown): string {
  return typeof message === 'string' && message !== '' ? message : 'no reason given'
}

export function unreachable(endpoint: Endpoint, reason: string, cause: unknown): FlockError {
  const safe = endpoint.redact(reason)
  return new FlockError('RPC_UNREACHABLE', `No answer from the RPC endpoint ${endpoint.label} (${safe}).`, {
    cause: new Error(endpoint.redact(messageOf(cause))),
    details: { endpoint: endpoint.label, reason: safe, transient: true },
    hint: 'Check the RPC URL of the network and that the node behind it runs.',
  })
}

export function failed(endpoint: Endpoint, fault: string, details: Record<string, unknown>): FlockError {
  return new FlockError('RPC_FAILED', `The RPC endpoint ${endpoint.label} ${fault}.`, {
    details: { endpoint: endpoint.label, ...details },
    hint: 'Check that the RPC URL of the network is that of an Ethereum node, its API key included.',
  })
}
