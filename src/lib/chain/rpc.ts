/** Sends JSON-RPC over HTTP: bounded tries, one total deadline, errors that name the endpoint's host alone. */
import http from 'node:http'
import https from 'node:https'
import { gunzipSync } from 'node:zlib'
import { FlockError, isFlockError, messageOf } from '../errors.js'
import { retry } from '../retry.js'
import type { Endpoint } from './endpoint.js'
import { isTransientRefusal } from './refusal.js'

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

export interface RpcOptions {
  readonly endpoint: Endpoint
  /** For all tries of one call together. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** Tries of a read. A send is tried once here; `broadcast` looks before it tries again. */
const READ_ATTEMPTS = 3
const RETRY_DELAY_MS = 150
const RETRY_MAX_DELAY_MS = 2_000

/** Larger answers are a fault of the question; without a bound they would exhaust the memory. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/**
 * Sends one call and returns its reply, a refusal included.
 * @throws RPC_UNREACHABLE when no answer came, RPC_FAILED when the answer is not JSON-RPC, INTERRUPTED
 */
export async function postRpc(call: JsonRpcCall, options: RpcOptions): Promise<JsonRpcReply> {
  const deadline = AbortSignal.timeout(options.timeoutMs)
  const stop = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal])
  const attempts = call.method === 'eth_sendRawTransaction' ? 1 : READ_ATTEMPTS
  let last: FlockError | undefined
  try {
    return await retry(
      async (attempt) => {
        try {
          return await exchange(call, options.endpoint, stop, attempt === attempts)
        } catch (error) {
          if (!stop.aborted && isFlockError(error)) last = error
          throw error
        }
      },
      {
        attempts,
        delayMs: RETRY_DELAY_MS,
        maxDelayMs: RETRY_MAX_DELAY_MS,
        signal: stop,
        isRetryable: (error) => isFlockError(error) && error.details['transient'] === true,
      },
    )
  } catch (error) {
    if (options.signal?.aborted) throw interruption(options.signal)
    if (!deadline.aborted) throw error
    throw last ?? unreachable(options.endpoint, `timed out after ${options.timeoutMs} ms`, error)
  }
}

/** The error for work that a signal ended. */
export function interruption(signal: AbortSignal, details: Record<string, unknown> = {}): FlockError {
  if (isFlockError(signal.reason) && Object.keys(details).length === 0) return signal.reason
  return new FlockError('INTERRUPTED', 'Stopped before the chain had answered.', {
    cause: signal.reason,
    details,
  })
}

async function exchange(
  call: JsonRpcCall,
  endpoint: Endpoint,
  stop: AbortSignal,
  isLastTry: boolean,
): Promise<JsonRpcReply> {
  const { status, body } = await post(endpoint, JSON.stringify(call), stop)
  const reply = parseReply(body, call.id)
  if (reply !== null) {
    if ('error' in reply && !isLastTry && isTransientRefusal(reply.error)) {
      throw failed(endpoint, 'is limiting requests', { transient: true, status })
    }
    return reply
  }
  const transient = status === 429 || status >= 500
  const fault = status >= 200 && status < 300 ? 'does not speak JSON-RPC' : `answered HTTP ${status}`
  throw failed(endpoint, fault, { transient, status })
}

/** The reply in a body, or null when it holds none. An error without an id (a rejected API key) is ours as well. */
function parseReply(body: string, id: number): JsonRpcReply | null {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return null
  }
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

function post(
  endpoint: Endpoint,
  body: string,
  stop: AbortSignal,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const send = endpoint.url.protocol === 'https:' ? https.request : http.request
    const refuse = (error: unknown) => reject(unreachable(endpoint, reasonOf(error), error))
    const request = send(endpoint.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'accept-encoding': 'gzip',
      },
      signal: stop,
    })
    request.once('error', refuse)
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.once('error', refuse)
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) response.destroy(new Error('answer too large'))
      })
      response.once('end', () => {
        try {
          const bytes = Buffer.concat(chunks)
          const isGzip = response.headers['content-encoding'] === 'gzip'
          const text = isGzip ? gunzipSync(bytes, { maxOutputLength: MAX_ANSWER_BYTES }) : bytes
          resolve({ status: response.statusCode ?? 0, body: text.toString('utf8') })
        } catch (error) {
          refuse(error)
        }
      })
    })
    request.end(body)
  })
}

function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : messageOf(error)
}

function unreachable(endpoint: Endpoint, reason: string, cause: unknown): FlockError {
  const safe = endpoint.redact(reason)
  return new FlockError('RPC_UNREACHABLE', `No answer from the RPC endpoint ${endpoint.label} (${safe}).`, {
    cause: new Error(endpoint.redact(messageOf(cause))),
    details: { endpoint: endpoint.label, reason: safe, transient: true },
    hint: 'Check the RPC URL of the network and that the node behind it runs.',
  })
}

function failed(endpoint: Endpoint, fault: string, details: Record<string, unknown>): FlockError {
  return new FlockError('RPC_FAILED', `The RPC endpoint ${endpoint.label} ${fault}.`, {
    details: { endpoint: endpoint.label, ...details },
    hint: 'Check that the RPC URL of the network is that of an Ethereum node, its API key included.',
  })
}
