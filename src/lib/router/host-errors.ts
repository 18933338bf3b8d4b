import { FlockError, isFlockError, toFlockError } from '../errors.js'
import { CalledOffError, TimeoutError } from './send.js'
import { interrupted } from './channel.js'
import type { Host } from './hosts.js'
import { malformed } from './openai.js'
import { SseLineTooLongError } from './sse.js'

/** Statuses that say something about this request; all others speak of the host. */
const REQUEST_FAULTS = new Set([400, 409, 413, 415, 422])

/** Reasons for which a connection was lost before the host can have begun to work. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'UND_ERR_CONNECT_TIMEOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

/** Reasons for which a kept connection fails when the host closed it while the request was on its way. */
const STALE_CONNECTION = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** How long a host is left alone that says it has too much to do and not for how long. */
const DEFAULT_REST_MS = 1_000

/** The host's own words are left out of every error: they may repeat the prompt. */
export function statusError(status: number, { id }: Host, retryAfter: string | null = null): FlockError {
  const details = { hostId: id, status }
  if (status === 429) {
    return new FlockError('HOST_BUSY', `Host ${id} has too many requests (HTTP 429).`, {
      details: { ...details, retryAfterMs: parseRetryAfter(retryAfter) },
    })
  }
  if (status >= 500 || status === 408) {
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
      hint: 'Look at auth, apiKeyEnv and apiKeyFile of the host.',
    })
  }
  const what =
    status >= 300 && status < 400 ? 'with a redirect, which is not followed' : `with HTTP ${status}`
  return new FlockError('HOST_NOT_READY', `Host ${id} answered ${what}.`, {
    details,
    hint: 'Look at baseUrl and model of the host.',
  })
}

/** Seconds; a date is not worth a clock of the world. */
function parseRetryAfter(text: string | null): number {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : DEFAULT_REST_MS
}

/** What went wrong with a call, in terms of the host. */
export function callError(error: unknown, host: Host): FlockError {
  if (isFlockError(error)) return error
  if (error instanceof CalledOffError) return interrupted()
  const details = { hostId: host.id, timeoutMs: host.timeoutMs }
  if (error instanceof TimeoutError) {
    return new FlockError('HOST_UNREACHABLE', `No answer from host ${host.id} in ${error.timeoutMs} ms.`, {
      details: { ...details, reason: 'timeout' },
      hint: 'Raise timeoutMs or firstTokenTimeoutMs of the host, or give the model a further host.',
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

/** A stream that ended before its end. */
export function cutError({ id }: Host): FlockError {
  return new FlockError('HOST_UNREACHABLE', `Host ${id} stopped in the middle of its answer.`, {
    details: { hostId: id, reason: 'cut' },
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

/** What an error says: of the host, of its load, of the request, or of nothing but the caller. */
export type Verdict = 'failed' | 'busy' | 'refused' | 'none'

export function verdictOf({ code }: FlockError): Verdict {
  switch (code) {
    case 'HOST_UNREACHABLE':
    case 'HOST_FAILED':
    case 'HOST_NOT_READY':
      return 'failed'
    case 'HOST_BUSY':
      return 'busy'
    case 'HOST_REJECTED':
      return 'refused'
    default:
      return 'none'
  }
}

/** Whether the request may be sent once more, elsewhere. A container may do more than compute: it is asked once. */
export function isRepeatable(error: FlockError, host: Host): boolean {
  const verdict = verdictOf(error)
  if (verdict !== 'failed' && verdict !== 'busy') return false
  return host.kind === 'openai' || verdict === 'busy' || NEVER_SENT.has(reasonOf(error))
}

/** Whether the same host may be asked again at once: its connection was gone, not the host. */
export function isStale(error: FlockError): boolean {
  return error.code === 'HOST_UNREACHABLE' && STALE_CONNECTION.has(reasonOf(error))
}

export function isTimeout(error: FlockError): boolean {
  return reasonOf(error) === 'timeout'
}

/** What becomes of a call when another host answered first. */
export function overtaken(hostId: string): FlockError {
  return new FlockError('INTERRUPTED', 'Another host was faster.', {
    details: { hostId, reason: 'overtaken' },
  })
}

export function isOvertaken(error: FlockError): boolean {
  return reasonOf(error) === 'overtaken'
}

/** The last error, with all attempts that led to it. */
export function withAttempts(
  error: FlockError,
  attempts: readonly { readonly hostId: string; readonly code: string }[],
): FlockError {
  if (attempts.length === 1) return error
  return new FlockError(error.code, `None of ${attempts.length} attempts was answered. ${error.message}`, {
    cause: error,
    details: { ...error.details, attempts: [...attempts] },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}

function reasonOf({ details }: FlockError): string {
  const { reason } = details
  return typeof reason === 'string' ? reason : ''
}

/** Looked up by shape: errors of Node.js itself may come from another realm. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
