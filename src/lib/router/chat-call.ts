import type { Dispatcher, Pool } from 'undici'
import { FlockError, isFlockError, toFlockError } from '../errors.js'
import { type ChatRequest, renderChatRequest } from './chat-request.js'
import { type Deadline, createDeadline } from './deadline.js'
import type { Host } from './hosts.js'
import {
  type ChatEvent,
  type ChatResult,
  checkUsage,
  malformed,
  parseChatChunk,
  parseChatCompletion,
} from './openai.js'
import { SseLineTooLongError, readSseData } from './sse.js'

/** One request to one host. */
export interface ChatCall {
  readonly pool: Pool
  readonly host: Host
  readonly request: ChatRequest
  readonly signal: AbortSignal | undefined
}

type Body = Dispatcher.ResponseData['body']

/** What may follow the last event of a stream; more is not worth keeping the connection for. */
const TAIL = { limit: 16_384, timeoutMs: 1_000 }

/** Statuses that say something about this request; all others speak of the host. */
const REQUEST_FAULTS = new Set([400, 409, 413, 415, 422])

/**
 * Asks a host for a whole completion. Does network I/O; the host's timeout bounds it from end to end.
 * @throws HOST_UNREACHABLE, HOST_FAILED, HOST_NOT_READY, HOST_REJECTED, INTERRUPTED
 */
export async function completeChat(call: ChatCall): Promise<ChatResult> {
  const deadline = createDeadline(call.host.timeoutMs, call.signal)
  try {
    const response = await post(call, deadline, false)
    return parseChatCompletion(parseBody(await response.body.text(), call.host), call.host.id)
  } catch (error) {
    throw callError(error, call, deadline)
  } finally {
    deadline.end()
  }
}

/**
 * Asks a host for a completion piece by piece. Does network I/O; the host's timeout bounds each silence of the host,
 * not the whole.
 * @throws as `completeChat`, before the first event or between two
 */
export async function* streamChat(call: ChatCall): AsyncGenerator<ChatEvent> {
  const { host } = call
  const deadline = createDeadline(host.timeoutMs, call.signal)
  let body: Body | undefined
  let isDone = false
  try {
    body = (await post(call, deadline, true)).body
    let finishReason: string | null = null
    let usage: unknown = null
    for await (const data of readSseData(
      body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>,
    )) {
      if (data.trim() === '[DONE]') {
        isDone = true
        break
      }
      const chunk = parseChatChunk(parseBody(data, host), host.id)
      finishReason = chunk.finishReason ?? finishReason
      usage = chunk.usage ?? usage
      deadline.pause()
      if (chunk.text !== '') yield { type: 'text', text: chunk.text }
      deadline.renew()
    }
    if (!isDone && finishReason === null) throw cut(host)
    deadline.end()
    yield { type: 'end', hostId: host.id, finishReason, ...checkUsage(usage) }
  } catch (error) {
    throw callError(error, call, deadline)
  } finally {
    deadline.end()
    void release(body, isDone)
  }
}

async function post(
  { pool, host, request }: ChatCall,
  deadline: Deadline,
  stream: boolean,
): Promise<Dispatcher.ResponseData> {
  const response = await pool.request({
    method: 'POST',
    path: `${host.basePath}/chat/completions`,
    headers: {
      'content-type': 'application/json',
      accept: stream ? 'text/event-stream' : 'application/json',
      ...host.authHeaders(),
    },
    body: renderChatRequest(request, host.model, stream),
    signal: deadline.signal,
  })
  if (response.statusCode === 200) return response
  await release(response.body, true)
  throw statusError(response.statusCode, host)
}

/** The host's own words are left out of every error: they may repeat the prompt. */
export function statusError(status: number, { id }: Host): FlockError {
  const details = { hostId: id, status }
  if (status >= 500 || status === 429 || status === 408) {
    return new FlockError('HOST_FAILED', `Host ${id} answered with HTTP ${status}.`, { details })
  }
  if (REQUEST_FAULTS.has(status)) {
    return new FlockError('HOST_REJECTED', `Host ${id} refused the request with HTTP ${status}.`, {
      details,
      hint: 'The request may be longer than the model takes, or use a setting that this host lacks.',
    })
  }
  if (status === 401 || status === 403) {
    return new FlockError('HOST_NOT_READY', `Host ${id} did not accept the API key (HTTP ${status}).`, {
      details,
      hint: 'Look at auth and apiKeyEnv of the host.',
    })
  }
  const what =
    status >= 300 && status < 400 ? 'with a redirect, which is not followed' : `with HTTP ${status}`
  return new FlockError('HOST_NOT_READY', `Host ${id} answered ${what}.`, {
    details,
    hint: 'Look at baseUrl and model of the host.',
  })
}

export function callError(error: unknown, { host, signal }: ChatCall, deadline: Deadline): FlockError {
  if (isFlockError(error)) return error
  if (signal?.aborted === true) {
    return new FlockError('INTERRUPTED', 'The request was given up before it was answered.')
  }
  const details = { hostId: host.id, timeoutMs: host.timeoutMs }
  if (deadline.isExpired) {
    return new FlockError('HOST_UNREACHABLE', `No answer from host ${host.id} in ${host.timeoutMs} ms.`, {
      details,
      hint: 'Raise timeoutMs of the host or give the model a further host.',
    })
  }
  const code = codeOf(error)
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' || error instanceof SseLineTooLongError) {
    return malformed(host.id, 'it is too large')
  }
  if (code?.startsWith('HPE_')) return malformed(host.id, 'it is not HTTP')
  if (code === undefined || code === 'UND_ERR_INVALID_ARG') return toFlockError(error)
  return new FlockError('HOST_UNREACHABLE', `Host ${host.id} cannot be reached (${code}).`, {
    cause: error,
    details: { ...details, reason: code },
  })
}

/** The parser's message quotes the text, so it is not kept as a cause. */
export function parseBody(text: string, host: Host): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed(host.id, 'it is not JSON')
  }
}

function cut(host: Host): FlockError {
  return new FlockError('HOST_UNREACHABLE', `Host ${host.id} stopped in the middle of its answer.`, {
    details: { hostId: host.id },
  })
}

/** A body that has been read to its last event leaves its connection to the next request, any other closes it. */
async function release(body: Body | undefined, isDone: boolean): Promise<void> {
  // Closing early is told to the body as an error, which nobody waits for any more.
  body?.on('error', () => undefined)
  if (!isDone) body?.destroy()
  else
    await body
      ?.dump({ limit: TAIL.limit, signal: AbortSignal.timeout(TAIL.timeoutMs) })
      .catch(() => undefined)
}

/** Looked up by shape: errors of Node.js itself may come from another realm. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
