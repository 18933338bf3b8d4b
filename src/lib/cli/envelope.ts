import { isFlockError } from '../errors.js'
import type { FlockError } from '../errors.js'
import { toJsonValue } from '../json.js'
import type { JsonValue } from '../json.js'
import type { Redactor } from './redact.js'

export interface Notice {
  readonly level: 'error' | 'warning'
  readonly code: string
  readonly message: string
  readonly details?: JsonValue
  readonly next?: string
}

/** What every command prints under `--json`. All keys are always present; `data` is null on failure. */
export interface Envelope {
  readonly schema_version: 1
  readonly command: string
  readonly success: boolean
  readonly data: JsonValue
  readonly errors: readonly Notice[]
  readonly warnings: readonly Notice[]
}

export interface UserWarning {
  readonly code: string
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly next?: string
}

export function successEnvelope(command: string, data: unknown, warnings: readonly UserWarning[]): Envelope {
  return {
    schema_version: 1,
    command,
    success: true,
    data: toJsonValue(data),
    errors: [],
    warnings: warnings.map(warningNotice),
  }
}

/** The envelope of a failure, without secrets. `next` is what to do, in one line. */
export function failureEnvelope(
  command: string,
  error: FlockError,
  options: { redactor: Redactor; warnings?: readonly UserWarning[] },
): Envelope {
  const { redactor, warnings = [] } = options
  const details = redactor.value(toJsonValue(error.details)) as JsonValue
  return {
    schema_version: 1,
    command,
    success: false,
    data: null,
    errors: [
      {
        level: 'error',
        code: error.code,
        message: redactor.text(error.message),
        ...(Object.keys(error.details).length > 0 ? { details } : {}),
        ...(error.hint === undefined ? {} : { next: redactor.text(error.hint) }),
      },
    ],
    warnings: warnings.map(warningNotice),
  }
}

function warningNotice(warning: UserWarning): Notice {
  return {
    level: 'warning',
    code: warning.code,
    message: warning.message,
    ...(warning.details === undefined ? {} : { details: toJsonValue(warning.details) }),
    ...(warning.next === undefined ? {} : { next: warning.next }),
  }
}

/** One line on why: the first cause that says more than the error itself. */
export function causeLine(error: FlockError): string | null {
  let cause: unknown = error.cause
  while (cause instanceof Error) {
    const line = cause.message.split('\n')[0]?.trim() ?? ''
    if (line !== '' && !error.message.includes(line) && !isFlockError(cause)) return line.slice(0, 200)
    cause = cause.cause
  }
  return null
}
