/** `closed`: in use. `open`: avoided. `trial`: one request may find out whether the host is back. */
export type Circuit = 'closed' | 'open' | 'trial'

/** What past requests and checks say about a host. Times are milliseconds of any one clock that does not go backwards. */
export interface HealthTracker {
  succeeded(nowMs: number): void
  failed(nowMs: number): void
  /** A host that asked for time is avoided for that long; this is no failure. */
  rested(nowMs: number, pauseMs: number): void
  circuit(nowMs: number): Circuit
  /** How long the host is avoided from now on; 0 when it is not. */
  pauseMs(nowMs: number): number
  /** Has one listener told whenever the host begins to be avoided, or is for longer than it was. */
  onPause(listener: () => void): void
  /** From 0.1 to 1: how much of its share a host may take again. One that was away begins slowly. */
  warmth(nowMs: number): number
  /** Above 0, up to 1: the share of its last calls that a host answered; 1 when nothing speaks against it. */
  trust(nowMs: number): number
}

/** One failure may be chance and two may be one restart. */
const FAILURES_TO_OPEN = 3
const FIRST_PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 60_000
/** A host that never fails three times in a row, but half of the time, is no use either. */
const FAILED_SHARE_TO_OPEN = 0.5
const CALLS_TO_JUDGE = 10
const WINDOW_MS = 10_000
/** Caches of a model server fill, and weights load, while the first requests come in. */
const SLOW_START_MS = 30_000
const LEAST_WARMTH = 0.1
/** Longest time that a host's own `retry-after` is followed. */
const LONGEST_REST_MS = 30_000

interface Tally {
  calls: number
  failures: number
}

export function createHealthTracker(): HealthTracker {
  let failuresInRow = 0
  let openings = 0
  let openUntilMs = 0
  let isOpen = false
  let restUntilMs = 0
  let warmSinceMs: number | null = null
  let windowStartMs = 0
  let present: Tally = { calls: 0, failures: 0 }
  let previous: Tally = { calls: 0, failures: 0 }
  let tellPause: () => void = () => undefined

  function turnWindow(nowMs: number): void {
    const age = nowMs - windowStartMs
    if (age < WINDOW_MS) return
    previous = age < 2 * WINDOW_MS ? present : { calls: 0, failures: 0 }
    present = { calls: 0, failures: 0 }
    windowStartMs = nowMs
  }

  function failsTooOften(): boolean {
    const calls = present.calls + previous.calls
    const failures = present.failures + previous.failures
    return calls >= CALLS_TO_JUDGE && failures / calls >= FAILED_SHARE_TO_OPEN
  }

  /** One call more than there were, so that a first failure is not the last word. */
  function answeredShare(calls: number, failures: number): number {
    return failures === 0 ? 1 : (calls - failures + 1) / (calls + 1)
  }

  function open(nowMs: number): void {
    openUntilMs = nowMs + Math.min(FIRST_PAUSE_MS * 2 ** Math.min(openings, 10), LONGEST_PAUSE_MS)
    openings += 1
    isOpen = true
    tellPause()
  }

  return {
    succeeded(nowMs) {
      turnWindow(nowMs)
      present.calls += 1
      failuresInRow = 0
      // An answer to what was asked before the pause says nothing about the time after it.
      if (isOpen && nowMs >= openUntilMs) {
        isOpen = false
        warmSinceMs = nowMs
        present = { calls: 0, failures: 0 }
        previous = { calls: 0, failures: 0 }
      } else if (openings > 0 && !isOpen && nowMs - openUntilMs > LONGEST_PAUSE_MS) {
        openings = 0
      }
    },
    failed(nowMs) {
      turnWindow(nowMs)
      present.calls += 1
      present.failures += 1
      failuresInRow += 1
      if (isOpen && nowMs < openUntilMs) return
      if (isOpen || failuresInRow >= FAILURES_TO_OPEN || failsTooOften()) open(nowMs)
    },
    rested(nowMs, pauseMs) {
      const untilMs = nowMs + Math.min(pauseMs, LONGEST_REST_MS)
      if (untilMs <= restUntilMs) return
      restUntilMs = untilMs
      tellPause()
    },
    circuit(nowMs) {
      if (nowMs < restUntilMs) return 'open'
      if (!isOpen) return 'closed'
      return nowMs < openUntilMs ? 'open' : 'trial'
    },
    pauseMs(nowMs) {
      const untilMs = isOpen ? Math.max(restUntilMs, openUntilMs) : restUntilMs
      return Math.max(0, untilMs - nowMs)
    },
    onPause(listener) {
      tellPause = listener
    },
    warmth(nowMs) {
      if (warmSinceMs === null) return 1
      const share = (nowMs - warmSinceMs) / SLOW_START_MS
      if (share < 1) return Math.max(share, LEAST_WARMTH)
      warmSinceMs = null
      return 1
    },
    trust(nowMs) {
      // The circuit says when such a host is tried again, and a trial has to reach it.
      if (isOpen) return 1
      const age = nowMs - windowStartMs
      if (age >= 2 * WINDOW_MS) return 1
      if (age >= WINDOW_MS) return answeredShare(present.calls, present.failures)
      return answeredShare(present.calls + previous.calls, present.failures + previous.failures)
    },
  }
}
