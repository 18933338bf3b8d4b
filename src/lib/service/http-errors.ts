import { type ErrorCode, type ErrorKind, toFlockError } from '../errors.js'

/** An error as containers of Infernet answer it. The node takes any `code` but `"200"` for a failure. */
export interface HttpErrorBody {
  readonly code: string
  readonly name: string
  readonly description: string
}

export interface HttpError {
  readonly status: number
  readonly body: HttpErrorBody
}

const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  user: 400,
  rejected: 502,
  unavailable: 502,
  bug: 500,
}

const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  // What the operator set up wrongly is no fault of the task.
  CONFIG_INVALID: 500,
  TASK_NOT_FOUND: 404,
  BODY_TOO_LARGE: 413,
  // The answer cannot be kept, so it may not leave.
  PATH_UNWRITABLE: 503,
  STATE_CONFLICT: 503,
  RECORD_INVALID: 500,
  HOST_BUSY: 429,
  // The host understood and refused: its reason lies in the task.
  HOST_REJECTED: 422,
  // The service is going down, or gave the task up while doing so.
  SERVICE_UNREACHABLE: 503,
  INTERRUPTED: 503,
}

/** What these say names folders of this machine. */
const UNTOLD: ReadonlySet<ErrorCode> = new Set([
  'CONFIG_INVALID',
  'PATH_UNWRITABLE',
  'STATE_CONFLICT',
  'RECORD_INVALID',
])

/** Turns whatever was thrown into a status and a body. Faults of this side are not described to strangers. */
export function renderHttpError(error: unknown): HttpError {
  const { code, kind, message, hint } = toFlockError(error)
  const status = STATUS_OF_CODE[code] ?? STATUS_OF_KIND[kind]
  const isTold = kind !== 'bug' && !UNTOLD.has(code)
  const description = [message, ...(hint === undefined ? [] : [hint])].join(' ')
  return httpError(status, code, isTold ? description : 'The service failed on this task.')
}

/** When to try again; nothing where that would not help. */
export function retryAdvice(error: unknown, status: number): Readonly<Record<string, string>> {
  if (status !== 429 && status !== 503) return {}
  const { retryAfterMs } = toFlockError(error).details
  const waitMs = typeof retryAfterMs === 'number' ? retryAfterMs : 1_000
  return { 'retry-after': Math.max(1, Math.ceil(waitMs / 1_000)).toString() }
}

/** An error of HTTP itself, for which no error code exists. */
export function httpError(status: number, name: string, description: string): HttpError {
  return { status, body: { code: status.toString(), name, description } }
}
