import { type FlockError, toFlockError } from '../errors.js'
import type { OpenAiErrorBody } from './client-refusal.js'
import { renderHttpError } from './http-errors.js'

/** An error in the words of OpenAI's API. */
export interface OpenAiError {
  readonly status: number
  readonly body: OpenAiErrorBody
}

/** Turns whatever was thrown into what SDKs of OpenAI's API understand; most codes are those of this program. */
export function renderOpenAiError(error: unknown): OpenAiError {
  const { status, body } = renderHttpError(error)
  const known = toFlockError(error)
  if (isModelMissing(known)) return openAiError(status, 'model_not_found', body.description, 'model')
  return openAiError(status, status === 429 ? 'rate_limit_exceeded' : known.code, body.description)
}

/** An error of HTTP itself, for which no error code exists. */
export function openAiError(
  status: number,
  code: string,
  message: string,
  param: string | null = null,
): OpenAiError {
  return { status, body: { error: { message, type: typeOf(status), param, code: code.toLowerCase() } } }
}

function typeOf(status: number): string {
  if (status === 429) return 'requests'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** SDKs know a code of their own for it; what is not found may be a route as well. */
function isModelMissing({ code, details }: FlockError): boolean {
  return code === 'TASK_NOT_FOUND' && details.model !== undefined
}
