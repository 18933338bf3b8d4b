import { toFlockError } from '../errors.js'
import type { OpenAiErrorBody } from './client-refusal.js'
import { renderHttpError } from './http-errors.js'

/** An error in the words of OpenAI's API. */
export interface OpenAiError {
  readonly status: number
  readonly body: OpenAiErrorBody
}

/** Turns whatever was thrown into what SDKs of OpenAI's API understand; the codes are those of this program. */
export function renderOpenAiError(error: unknown): OpenAiError {
  const { status, body } = renderHttpError(error)
  const { code } = toFlockError(error)
  return {
    status,
    body: {
      error: { message: body.description, type: typeOf(status), param: null, code: codeOf(code, status) },
    },
  }
}

function typeOf(status: number): string {
  if (status === 401 || status === 403) return 'authentication_error'
  if (status === 429) return 'requests'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** SDKs know some codes by their names at OpenAI. */
function codeOf(code: string, status: number): string {
  if (status === 404) return 'model_not_found'
  return status === 429 ? 'rate_limit_exceeded' : code.toLowerCase()
}
