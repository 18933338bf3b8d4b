import type { Host } from './hosts.js'

/**
 * `latency`: the least expected wait, by peak-EWMA latency times requests under way. `least-outstanding`: the fewest
 * requests under way. `weighted`: at random by weight. `priority`: the lowest priority number, the next when full.
 * `sticky`: the same host for the same requester, as long as hosts stay the same. The first two, and `priority` among
 * equals, ask less of hosts that fail: who fails fast has little to do, and would otherwise draw all requests.
 */
export const POLICIES = ['latency', 'least-outstanding', 'weighted', 'priority', 'sticky'] as const
export type Policy = (typeof POLICIES)[number]

/** A host and what is known about it at this moment. */
export interface HostState {
  readonly host: Host
  /** Requests that are under way. */
  readonly outstanding: number
  /** Null when the host was never asked. */
  readonly latencyMs: number | null
  /** From 0.1 to 1: how much of its share the host may take. */
  readonly warmth: number
  /** Above 0, up to 1: the share of its last calls that the host answered. */
  readonly trust: number
}

export interface Choice {
  readonly policy: Policy
  /** Who asks; null for nobody in particular. */
  readonly key: string | null
  /** From 0 up to 1. */
  readonly random: () => number
}

/**
 * Chooses one of several hosts, all of which may be asked. The order of the configuration decides between equals.
 * @param states at least one
 */
export function chooseHost<S extends HostState>(states: readonly S[], choice: Choice): S {
  const [first] = states
  if (first === undefined) throw new RangeError('There is no host to choose from.')
  if (states.length === 1) return first
  switch (choice.policy) {
    case 'latency':
      return least(states, expectedWait)
    case 'least-outstanding':
      return least(states, load)
    case 'weighted':
      return byWeight(states, choice.random)
    case 'priority': {
      const lowest = Math.min(...states.map(({ host }) => host.priority))
      return least(
        states.filter(({ host }) => host.priority === lowest),
        load,
      )
    }
    case 'sticky':
      return choice.key === null ? least(states, load) : closest(states, choice.key)
  }
}

/** Trust counts twice: what fails has cost its own time, and costs that of another call. */
function load({ host, outstanding, warmth, trust }: HostState): number {
  return (outstanding + 1) / (host.weight * warmth * trust * trust)
}

/** What is expected of a host that has yet to answer: more than of any that did. */
const UNKNOWN_MS = 1e12
/** Below that, hosts are equally fast, and what else is known of them decides. */
const LEAST_MS = 1

/** A host that was never asked gets one request; more only when that one has shown how long it takes. */
function expectedWait(state: HostState): number {
  if (state.latencyMs !== null) return Math.max(state.latencyMs, LEAST_MS) * load(state)
  return state.outstanding === 0 && state.trust === 1 ? 0 : UNKNOWN_MS * load(state)
}

function least<S extends HostState>(states: readonly S[], cost: (state: S) => number): S {
  let best = states[0] as S
  let bestCost = cost(best)
  for (const state of states) {
    const own = cost(state)
    if (own < bestCost || (own === bestCost && state.outstanding < best.outstanding)) {
      best = state
      bestCost = own
    }
  }
  return best
}

function byWeight<S extends HostState>(states: readonly S[], random: () => number): S {
  const weights = states.map(({ host, warmth }) => host.weight * warmth)
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0)
  const index = weights.findIndex((weight) => (left -= weight) < 0)
  return states[index === -1 ? states.length - 1 : index] as S
}

/**
 * Rendezvous hashing: each requester ranks all hosts by itself, so that a host that comes or goes moves only its own
 * requesters. The logarithm makes shares follow weights.
 */
function closest<S extends HostState>(states: readonly S[], key: string): S {
  return least(states, ({ host }) => -Math.log(unitHash(`${host.id}\u0000${key}`)) / host.weight)
}

/** FNV-1a with a final mix, as a number above 0 and below 1. */
function unitHash(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 0x1_0000_0000
}
