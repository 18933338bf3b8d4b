/** How many further attempts requests may cost, so that a fault of all hosts is not made worse by asking thrice. */
export interface RetryBudget {
  /** Counts a request. */
  deposit(nowMs: number): void
  /** True when a further attempt may be made, which it then counts. */
  withdraw(nowMs: number): boolean
}

/** Retries that are granted however few requests there are. */
const RETRIES_PER_SEC = 10
/** Most that can be saved up. */
const MAX_SAVED = 100

/** @param ratio retries per request beyond those of every second, for instance 0.2 */
export function createRetryBudget(ratio: number, startMs: number): RetryBudget {
  let saved = RETRIES_PER_SEC
  let atMs = startMs

  function refill(nowMs: number): void {
    saved = Math.min(MAX_SAVED, saved + ((nowMs - atMs) / 1_000) * RETRIES_PER_SEC)
    atMs = nowMs
  }

  return {
    deposit(nowMs) {
      refill(nowMs)
      saved = Math.min(MAX_SAVED, saved + ratio)
    },
    withdraw(nowMs) {
      refill(nowMs)
      if (saved < 1) return false
      saved -= 1
      return true
    },
  }
}
