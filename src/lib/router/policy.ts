import { type HostHealth, circuitOf } from './health.js'
import type { Host } from './hosts.js'

/** A host and what is known about it at this moment. */
export interface HostState {
  readonly host: Host
  readonly health: HostHealth
  /** Requests that are under way. */
  readonly outstanding: number
}

/**
 * Orders hosts for one request: the first is asked, the others stand by.
 *
 * Those in use come before those that are avoided; among equals the one with the fewest requests under way, then the
 * order of the configuration. A host whose pause is over takes one request at a time until it answers again. Avoided
 * hosts stay at the end: when all else failed, they are better than no answer.
 */
export function orderHosts(states: readonly HostState[], nowMs: number): Host[] {
  return states
    .map((state, position) => ({ ...state, position, isAvoided: isAvoided(state, nowMs) }))
    .sort(
      (a, b) =>
        Number(a.isAvoided) - Number(b.isAvoided) || a.outstanding - b.outstanding || a.position - b.position,
    )
    .map(({ host }) => host)
}

function isAvoided({ health, outstanding }: HostState, nowMs: number): boolean {
  const circuit = circuitOf(health, nowMs)
  return circuit === 'open' || (circuit === 'trial' && outstanding > 0)
}
