/** How often a client may ask for a route, by the generic cell rate algorithm of the reference node. */

export interface RateState {
  readonly ok: boolean
  /** Requests that would pass now. */
  readonly remaining: number
  /** Whole seconds, rounded up, until the limit is untouched again. */
  readonly resetSec: number
  /** Whole seconds, rounded up, until one request passes; 0 when this one did. */
  readonly retryAfterSec: number
}

export interface RestRateLimit {
  readonly numRequests: number
  /** Counts one request of the key when it passes. */
  take(key: string): RateState
}

export interface RestRateSettings {
  readonly numRequests: number
  readonly periodSec: number
  /** Keys that are remembered; beyond it the one that was quiet for longest goes, whose limit is then untouched. */
  readonly maxKeys?: number
}

/** A key takes some 150 bytes, and a client has one for each route. */
const MAX_KEYS = 50_000

export function createRestRateLimit(
  { numRequests, periodSec, maxKeys = MAX_KEYS }: RestRateSettings,
  { now }: { readonly now: () => number },
): RestRateLimit {
  const periodMs = periodSec * 1_000
  const intervalMs = periodMs / numRequests
  /** Theoretical arrival time of the next request, in the clock's ms. */
  const arrivals = new Map<string, number>()

  /** The order is that of the last request, so that whoever was quiet for longest is forgotten first. */
  const remember = (key: string, arrival: number, nowMs: number) => {
    arrivals.delete(key)
    arrivals.set(key, arrival)
    for (const [oldest, itsArrival] of arrivals) {
      if (arrivals.size <= maxKeys && itsArrival > nowMs) break
      arrivals.delete(oldest)
    }
  }

  return {
    numRequests,
    take(key) {
      const nowMs = now()
      const before = Math.max(arrivals.get(key) ?? nowMs, nowMs)
      // A hair's breadth for the rounding of sums of intervals.
      const lateMs = before - nowMs - (periodMs - intervalMs) - 1e-6 * periodMs
      const ok = lateMs <= 0
      const after = ok ? before + intervalMs : before
      if (ok) remember(key, after, nowMs)
      return {
        ok,
        remaining: Math.max(0, Math.floor((periodMs - (after - nowMs)) / intervalMs + 1e-6)),
        resetSec: Math.ceil((after - nowMs) / 1_000),
        retryAfterSec: ok ? 0 : Math.max(1, Math.ceil(lateMs / 1_000)),
      }
    },
  }
}
