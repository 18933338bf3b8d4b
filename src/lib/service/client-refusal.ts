/** Refusals of the OpenAI-compatible routes, in the words of OpenAI's API: its SDKs turn them into typed errors. */

/** Why a client was turned away, for logs and metrics. */
export type RefusalReason = 'FACE_CLOSED' | 'AUTH_REQUIRED' | 'MODEL_FORBIDDEN' | 'RATE_LIMITED'

export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

/**
 * A refusal is a value and not an exception: it is answered to strangers, who send as many as they like, and an
 * exception costs ten times as much.
 */
export interface ClientRefusal {
  readonly reason: RefusalReason
  readonly status: 401 | 403 | 429
  readonly headers: Readonly<Record<string, string>>
  readonly body: OpenAiErrorBody
}

/** No key, or one that nobody has. Neither the key nor a part of it is repeated. */
export function authRefusal(isKeyGiven: boolean): ClientRefusal {
  const message = isKeyGiven
    ? 'Incorrect API key provided.'
    : 'No API key was provided. Send it as "authorization: Bearer <key>", "api-key" or "x-api-key".'
  return {
    reason: 'AUTH_REQUIRED',
    status: 401,
    headers: { 'www-authenticate': 'Bearer' },
    body: errorBody(message, 'invalid_request_error', 'invalid_api_key'),
  }
}

/** Nobody has a key, and others than this machine can reach the service. */
export function closedRefusal(): ClientRefusal {
  return {
    reason: 'FACE_CLOSED',
    status: 403,
    headers: {},
    body: errorBody(
      'These routes are closed: the service can be reached by others and names no clients with keys.',
      'invalid_request_error',
      'no_clients',
    ),
  }
}

/** The key is good, the model is not among those that it opens. */
export function modelRefusal(clientName: string, model: string): ClientRefusal {
  return {
    reason: 'MODEL_FORBIDDEN',
    status: 403,
    headers: {},
    body: errorBody(
      `Client ${clientName} does not have access to the model ${JSON.stringify(model)}.`,
      'invalid_request_error',
      'model_not_found',
      'model',
    ),
  }
}

export interface Scarcity {
  /** What ran out, as OpenAI's SDKs show it. */
  readonly type: 'requests' | 'tokens'
  readonly message: string
  /** Null when waiting does not help. */
  readonly retryAfterMs: number | null
  /** The state of the limits. */
  readonly headers: Readonly<Record<string, string>>
}

/** Too much at once. `retry-after` counts whole seconds (RFC 9110); OpenAI's SDKs read the other two as well. */
export function rateRefusal({ type, message, retryAfterMs, headers }: Scarcity): ClientRefusal {
  const advice: Record<string, string> =
    retryAfterMs === null
      ? { 'x-should-retry': 'false' }
      : {
          'retry-after': Math.max(1, Math.ceil(retryAfterMs / 1000)).toString(),
          'retry-after-ms': Math.max(1, Math.ceil(retryAfterMs)).toString(),
        }
  return {
    reason: 'RATE_LIMITED',
    status: 429,
    headers: { ...headers, ...advice },
    body: errorBody(message, type, 'rate_limit_exceeded'),
  }
}

function errorBody(
  message: string,
  type: string,
  code: string,
  param: string | null = null,
): OpenAiErrorBody {
  return { error: { message, type, param, code } }
}
