/** What past requests say about a host. Times are milliseconds of any one clock. */
export interface HostHealth {
  /** Failures since the last success. */
  readonly failures: number
  /** Until when the host is avoided. */
  readonly openUntilMs: number
}

/** `closed`: in use. `open`: avoided. `trial`: one request may find out whether it is back. */
export type Circuit = 'closed' | 'open' | 'trial'

export const UNTRIED: HostHealth = { failures: 0, openUntilMs: 0 }

/** One failure may be chance and two may be one restart. */
const FAILURES_TO_OPEN = 3
const FIRST_PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 60_000

export function afterSuccess(): HostHealth {
  return UNTRIED
}

/** The pause doubles with every failed trial, up to a minute. */
export function afterFailure(health: HostHealth, nowMs: number): HostHealth {
  const failures = health.failures + 1
  if (failures < FAILURES_TO_OPEN) return { failures, openUntilMs: 0 }
  const doublings = Math.min(failures - FAILURES_TO_OPEN, 10)
  return { failures, openUntilMs: nowMs + Math.min(FIRST_PAUSE_MS * 2 ** doublings, LONGEST_PAUSE_MS) }
}

export function circuitOf(health: HostHealth, nowMs: number): Circuit {
  if (health.failures < FAILURES_TO_OPEN) return 'closed'
  return nowMs < health.openUntilMs ? 'open' : 'trial'
}
