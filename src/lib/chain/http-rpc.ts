/** Sends JSON-RPC over HTTP, one call at a time. */
import http from 'node:http'
import https from 'node:https'
import { gunzipSync } from 'node:zlib'
import { messageOf } from '../errors.js'
import type { Endpoint } from './endpoint.js'
import { isTransientRefusal } from './refusal.js'
import { failed, toReply, unreachable, type Exchanged, type JsonRpcCall, type Transport } from './rpc.js'

/** Larger answers are a fault of the question; without a bound they would exhaust the memory. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const TOO_MANY_REQUESTS = 429

export function createHttpRpc(endpoint: Endpoint): Transport {
  return {
    endpoint,
    heads: null,
    exchange: (call, stop) => exchange(call, endpoint, stop),
    close: () => undefined,
  }
}

interface HttpAnswer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
}

async function exchange(call: JsonRpcCall, endpoint: Endpoint, stop: AbortSignal): Promise<Exchanged> {
  const { status, retryAfter, body } = await post(endpoint, JSON.stringify(call), stop)
  const retryAfterMs = retryAfterOf(retryAfter)
  const reply = toReply(parseBody(body), call.id)
  if (reply !== null) {
    const isLimited = status === TOO_MANY_REQUESTS || ('error' in reply && isTransientRefusal(reply.error))
    return { reply, isLimited, retryAfterMs }
  }
  const transient = status === TOO_MANY_REQUESTS || status >= 500
  const isMalformed = status >= 200 && status < 300
  const fault = isMalformed ? 'does not speak JSON-RPC' : `answered HTTP ${status}`
  throw failed(endpoint, fault, { transient, status, isMalformed, retryAfterMs })
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return null
  }
}

/** Milliseconds of a `retry-after` in seconds; dates are not used by endpoints. */
function retryAfterOf(header: string | undefined): number | null {
  const seconds = header === undefined ? Number.NaN : Number(header)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
}

function post(endpoint: Endpoint, body: string, stop: AbortSignal): Promise<HttpAnswer> {
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
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            body: text.toString('utf8'),
          })
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
