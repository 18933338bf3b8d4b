/** What one client may ask for: requests and tokens a minute, and requests at once. Counted in this process alone. */
import { type ClientRefusal, type Scarcity, rateRefusal } from './client-refusal.js'
import { type RateLimit, type RateVerdict, type Reservation, createRateLimit } from './rate-limit.js'

/** Null means without limit. */
export interface ClientLimitSettings {
  /** Also how many may come at one moment. */
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly maxConcurrent: number | null
}

/** One request that was let in. Opaque: it is made by `admit` and given back to `finish`. */
export interface Permit {
  readonly reservation: Reservation | null
}

export type Admission =
  | { readonly permit: Permit; readonly refusal: null }
  | { readonly permit: null; readonly refusal: ClientRefusal }

export interface ClientLimits {
  /** Why no request would be let in now, whatever it may use; null when one may be. Costs nothing. */
  refusal(): ClientRefusal | null
  /**
   * Lets a request in or says why not; a refused request costs nothing.
   * @param estimatedTokens what it may use at most: its prompt by estimate and the completion tokens that it asks for
   */
  admit(estimatedTokens: number): Admission
  /**
   * Lets a request in that no host works for, and that ends at once: it counts as a request and nothing else. Says why
   * when there were too many.
   */
  admitIdle(): ClientRefusal | null
  /**
   * Ends a request that was let in; a second time changes nothing.
   * @param usedTokens 0 when no host did any work, null when nobody knows: the estimate then stands
   */
  finish(permit: Permit, usedTokens: number | null): void
  /** `x-ratelimit-*` as OpenAI's API sends them, for the limits that are set. */
  headers(): Readonly<Record<string, string>>
}

/** Nobody knows how long the others of a client take. SDKs wait longer with every retry. */
const BUSY_RETRY_MS = 1_000

export function createClientLimits(
  { requestsPerMinute, tokensPerMinute, maxConcurrent }: ClientLimitSettings,
  clock: { readonly nowMs: () => number },
): ClientLimits {
  const requests =
    requestsPerMinute === null ? null : createRateLimit({ perMinute: requestsPerMinute }, clock)
  const tokens = tokensPerMinute === null ? null : createRateLimit({ perMinute: tokensPerMinute }, clock)
  const underWay = new Set<Permit>()

  function headers(): Record<string, string> {
    const all: Record<string, string> = {}
    if (requests !== null) addHeaders(all, 'requests', requests)
    if (tokens !== null) addHeaders(all, 'tokens', tokens)
    return all
  }

  function refuse(scarcity: Omit<Scarcity, 'headers'>): ClientRefusal {
    return rateRefusal({ ...scarcity, headers: headers() })
  }

  function refusal(): ClientRefusal | null {
    if (maxConcurrent !== null && underWay.size >= maxConcurrent) return refuse(busy(maxConcurrent))
    return requests?.check(1).ok === false ? refuse(tooManyRequests(requests)) : null
  }

  return {
    refusal,
    admit(estimatedTokens) {
      const refused = refusal()
      if (refused !== null) return { permit: null, refusal: refused }
      const cost = Math.ceil(estimatedTokens)
      const reservation = tokens?.reserve(cost) ?? null
      if (tokens !== null && reservation === null) {
        return { permit: null, refusal: refuse(tooManyTokens(tokens, cost)) }
      }
      requests?.take(1)
      const permit: Permit = { reservation }
      underWay.add(permit)
      return { permit, refusal: null }
    },
    admitIdle() {
      return requests === null || requests.take(1).ok ? null : refuse(tooManyRequests(requests))
    },
    finish(permit, usedTokens) {
      underWay.delete(permit)
      if (permit.reservation !== null)
        tokens?.settle(permit.reservation, usedTokens ?? permit.reservation.cost)
    },
    headers,
  }
}

function busy(maxConcurrent: number): Omit<Scarcity, 'headers'> {
  return {
    type: 'requests',
    message: `This client may have ${maxConcurrent} requests under way at once.`,
    retryAfterMs: BUSY_RETRY_MS,
  }
}

function tooManyRequests(limit: RateLimit): Omit<Scarcity, 'headers'> {
  const { retryAfterMs } = limit.check(1)
  return {
    type: 'requests',
    message: `The limit of ${limit.perMinute} requests a minute is reached.${advice(retryAfterMs)}`,
    retryAfterMs,
  }
}

function tooManyTokens(limit: RateLimit, cost: number): Omit<Scarcity, 'headers'> {
  const { retryAfterMs, remaining }: RateVerdict = limit.check(cost)
  const message =
    retryAfterMs === null
      ? `The request may use ${cost} tokens, more than the ${limit.perMinute} a minute of this client. Lower max_tokens.`
      : `The limit of ${limit.perMinute} tokens a minute is reached: the request may use ${cost}, ${remaining} are left.` +
        advice(retryAfterMs)
  return { type: 'tokens', message, retryAfterMs }
}

function advice(retryAfterMs: number | null): string {
  return retryAfterMs === null ? '' : ` Try again in ${renderDuration(retryAfterMs)}.`
}

function addHeaders(to: Record<string, string>, kind: 'requests' | 'tokens', limit: RateLimit): void {
  const { remaining, resetMs } = limit.check(0)
  to[`x-ratelimit-limit-${kind}`] = limit.perMinute.toString()
  to[`x-ratelimit-remaining-${kind}`] = remaining.toString()
  to[`x-ratelimit-reset-${kind}`] = renderDuration(resetMs)
}

/** A duration as OpenAI's API writes it, which is how Go does: `120ms`, `8.64s`, `6m0s`, `1h0m0.5s`. */
function renderDuration(ms: number): string {
  if (ms < 1_000) return `${ms}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  const seconds = (ms % 60_000) / 1_000
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`
}
