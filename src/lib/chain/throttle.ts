/** Spaces calls to one endpoint by a limit that is configured, or learnt from its refusals. */
export interface Throttle {
  /** Milliseconds until the next call may go. */
  delayMs(): number
  /** Counts a call that goes now. */
  take(): void
  /** The endpoint said that it was asked too often; `retryAfterMs` as it asks, null when it does not say. */
  limited(retryAfterMs: number | null): void
}

/** For programs that make a few calls and end: refused ones are repeated after a pause, the others are not held back. */
export const UNLIMITED: Throttle = { delayMs: () => 0, take: () => undefined, limited: () => undefined }

/** Endpoints count by the second, so that as many calls as a second holds may go at once. */
const WINDOW_MS = 1_000
/** Pause without a word of the endpoint, doubled each time in a row. */
const PAUSE_MS = 500
const MAX_PAUSE_MS = 60_000
/** A learnt limit stays this far below what was refused, and is eased after a while without refusals. */
const LEARNT_SHARE = 0.75
const EASE_AFTER_MS = 30_000
const EASE_BY = 1.5

/**
 * @param maxPerSec null learns it
 * @param now milliseconds; only differences count
 */
export function createThrottle(maxPerSec: number | null, now: () => number): Throttle {
  let learntPerSec = Number.POSITIVE_INFINITY
  let learntAtMs = 0
  let pausedUntilMs = Number.NEGATIVE_INFINITY
  let limitedInARow = 0
  /** When the calls so far would have gone if they were spaced evenly. */
  let evenMs = Number.NEGATIVE_INFINITY
  let windowStartMs = Number.NEGATIVE_INFINITY
  let inWindow = 0
  let inLastWindow = 0

  const perSec = () => {
    if (learntPerSec !== Number.POSITIVE_INFINITY && now() - learntAtMs > EASE_AFTER_MS) {
      learntPerSec *= EASE_BY
      learntAtMs = now()
    }
    return Math.min(maxPerSec ?? Number.POSITIVE_INFINITY, learntPerSec)
  }
  return {
    delayMs() {
      const at = now()
      return Math.max(0, pausedUntilMs - at, evenMs - WINDOW_MS - at)
    },
    take() {
      const at = now()
      evenMs = Math.max(evenMs, at) + WINDOW_MS / perSec()
      if (at - windowStartMs >= WINDOW_MS) {
        inLastWindow = at - windowStartMs < 2 * WINDOW_MS ? inWindow : 0
        windowStartMs = at
        inWindow = 0
      }
      inWindow += 1
      // A pause that was kept and a call after it: the next refusal begins a new row.
      if (at - pausedUntilMs > MAX_PAUSE_MS) limitedInARow = 0
    },
    limited(retryAfterMs) {
      const at = now()
      // Refusals of calls that went together speak of one excess.
      if (at < pausedUntilMs) return
      const usedPerSec = Math.max(inWindow, inLastWindow, 1)
      learntPerSec = Math.max(1, Math.min(learntPerSec, usedPerSec) * LEARNT_SHARE)
      learntAtMs = at
      const pauseMs = retryAfterMs ?? PAUSE_MS * 2 ** limitedInARow
      limitedInARow += 1
      pausedUntilMs = at + Math.min(pauseMs, MAX_PAUSE_MS)
    },
  }
}
