import { type Channel, createChannel, isAvailable, waitForRoom } from './channel.js'
import { FlockError } from '../errors.js'
import { type Host, isSameHost } from './hosts.js'
import { type Samples, createSamples } from './latency.js'
import { type Policy, chooseHost } from './policy.js'
import { type RetryBudget, createRetryBudget } from './retry-budget.js'

/** How a model's requests are spread. */
export interface RoutingSettings {
  readonly policy: Policy
  /** Further attempts per request that hosts may cost when they fail, for instance 0.2. */
  readonly retryRatio: number
  /** Whether a second host is asked when the first one takes longer than 95 of 100 requests did. */
  readonly hedge: boolean
}

/** A model's name and the hosts that serve it. */
export interface ModelRoute {
  readonly name: string
  readonly hosts: readonly Host[]
  readonly routing: RoutingSettings
}

/** A model in use. */
export interface RouteState {
  readonly route: ModelRoute
  readonly channels: readonly Channel[]
  readonly budget: RetryBudget
  /** How long hosts took, for hedging: whole answers and first events of streams. */
  readonly answerSamples: Samples
  readonly streamSamples: Samples
}

export interface RouteTable {
  /** The state of a model; of one that was never named, a new one. */
  of(route: ModelRoute): RouteState
  /** Makes these the models. Hosts that stay keep their connections and what is known about them. */
  use(routes: readonly ModelRoute[]): void
  states(): readonly RouteState[]
}

export interface RouteTableOptions {
  readonly nowMs: () => number
  readonly maxAnswerBytes: number
}

export function createRouteTable({ nowMs, maxAnswerBytes }: RouteTableOptions): RouteTable {
  let table = new Map<ModelRoute, RouteState>()

  function create(route: ModelRoute, known: readonly Channel[]): RouteState {
    const channels = route.hosts.map(
      (host) =>
        known.find((channel) => isSameHost(channel.host, host)) ?? createChannel(host, { maxAnswerBytes }),
    )
    return {
      route,
      channels,
      budget: createRetryBudget(route.routing.retryRatio, nowMs()),
      answerSamples: createSamples(),
      streamSamples: createSamples(),
    }
  }

  return {
    of(route) {
      const known = table.get(route)
      if (known !== undefined) return known
      const state = create(route, [])
      table.set(route, state)
      return state
    },
    use(routes) {
      const former = [...table.values()]
      table = new Map(
        routes.map((route) => {
          const same = former.find((state) => state.route.name === route.name)
          return [route, create(route, same?.channels ?? [])]
        }),
      )
      const kept = new Set([...table.values()].flatMap(({ channels }) => channels))
      for (const channel of former.flatMap(({ channels }) => channels)) {
        if (!kept.has(channel)) channel.retire()
      }
    },
    states: () => [...table.values()],
  }
}

/** Who asks, for what, and which hosts have been tried. */
export interface Seeker {
  readonly key: string | null
  readonly promptTokens: number
  readonly isStream: boolean
  readonly tried: readonly Channel[]
  readonly signal: AbortSignal | undefined
  readonly nowMs: () => number
  readonly random: () => number
}

/** Hosts that may still be asked, those that are known to be down only when there are no others. */
function candidatesOf(channels: readonly Channel[], seeker: Seeker): readonly Channel[] {
  const [only] = channels
  if (channels.length === 1 && only !== undefined && seeker.tried.length === 0 && fits(only, seeker)) {
    return channels
  }
  const nowMs = seeker.nowMs()
  const untried = channels.filter((channel) => fits(channel, seeker) && !seeker.tried.includes(channel))
  const available = untried.filter((channel) => isAvailable(channel, nowMs))
  return available.length > 0 ? available : untried
}

function fits({ host }: Channel, { promptTokens }: Seeker): boolean {
  return host.maxPromptTokens === null || promptTokens <= host.maxPromptTokens
}

/**
 * Takes a host that has room now, or null: there is none left to try, or all are full.
 */
export function takeFree(state: RouteState, seeker: Seeker): Channel | null {
  const free = candidatesOf(state.channels, seeker).filter((channel) => channel.hasRoom())
  const [only] = free
  if (only === undefined) return null
  const channel = free.length === 1 ? only : choose(free, state, seeker)
  channel.enter()
  return channel
}

/**
 * Takes a host, waiting for room where all are full.
 * @throws HOST_BUSY, INTERRUPTED, TASK_INVALID when no host takes a prompt of that length
 */
export async function take(state: RouteState, seeker: Seeker): Promise<Channel> {
  const free = takeFree(state, seeker)
  if (free !== null) return free
  const candidates = candidatesOf(state.channels, seeker)
  if (candidates.length === 0) throw noHost(state, seeker)
  return waitForRoom(candidates, { nowMs: seeker.nowMs, signal: seeker.signal })
}

/** True when a host is left that was not tried. */
export function hasUntried(state: RouteState, seeker: Seeker): boolean {
  return candidatesOf(state.channels, seeker).length > 0
}

function choose(free: readonly Channel[], { route }: RouteState, seeker: Seeker): Channel {
  const nowMs = seeker.nowMs()
  const states = free.map((channel) => ({
    channel,
    host: channel.host,
    outstanding: channel.outstanding(),
    latencyMs: (seeker.isStream ? channel.streamLatency : channel.answerLatency).valueMs(nowMs),
    warmth: channel.health.warmth(nowMs),
  }))
  const { key, random } = seeker
  return chooseHost(states, { policy: route.routing.policy, key, random }).channel
}

function noHost({ channels }: RouteState, { promptTokens }: Seeker): FlockError {
  if (channels.length === 0) return new FlockError('CONFIG_INVALID', 'The model has no host to ask.')
  const longest = Math.max(...channels.map(({ host }) => host.maxPromptTokens ?? Infinity))
  return new FlockError(
    'TASK_INVALID',
    `The prompt has about ${promptTokens} tokens; the hosts of the model take ${longest}.`,
  )
}
