import type { CallOffSignal } from '../call-off.js'
import { type Channel, createChannel, isAvailable, waitForRoom } from './channel.js'
import { FlockError, isFlockError } from '../errors.js'
import { type Host, isSameHost } from './hosts.js'
import { type Samples, createSamples } from './latency.js'
import type { HostRoute } from './operation.js'
import { admitAfterPauses } from './pause-end.js'
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
  /** The present state of the model of that name; of one that was never named, a new one. */
  of(route: ModelRoute): RouteState
  /** The present state of a model; of one that is gone, the last. */
  latest(state: RouteState): RouteState
  /** Makes these the models. Hosts that stay keep their connections and what is known about them. */
  use(routes: readonly ModelRoute[]): void
  states(): readonly RouteState[]
  /** Closes all connections, those of hosts that are on their way out too. */
  destroy(): Promise<void>
}

export interface RouteTableOptions {
  readonly nowMs: () => number
  readonly maxAnswerBytes: number
}

export function createRouteTable({ nowMs, maxAnswerBytes }: RouteTableOptions): RouteTable {
  let table = new Map<string, RouteState>()
  let retired: readonly Channel[] = []
  /** Of each channel, what stops that it is looked after. */
  const stops = new Map<Channel, () => void>()

  function open(host: Host): Channel {
    const channel = createChannel(host, { maxAnswerBytes })
    stops.set(channel, admitAfterPauses(channel, nowMs))
    return channel
  }

  function create(route: ModelRoute, former: RouteState | undefined): RouteState {
    const channels = route.hosts.map(
      (host) => former?.channels.find((channel) => isSameHost(channel.host, host)) ?? open(host),
    )
    return {
      route,
      channels,
      budget: createRetryBudget(route.routing.retryRatio, nowMs()),
      answerSamples: former?.answerSamples ?? createSamples(),
      streamSamples: former?.streamSamples ?? createSamples(),
    }
  }

  function forget(channels: readonly Channel[]): void {
    for (const channel of channels) {
      stops.get(channel)?.()
      stops.delete(channel)
    }
  }

  const channelsOf = (states: Iterable<RouteState>) => [...states].flatMap(({ channels }) => channels)

  return {
    of(route) {
      const known = table.get(route.name)
      if (known !== undefined) return known
      const state = create(route, undefined)
      table.set(route.name, state)
      return state
    },
    latest: (state) => table.get(state.route.name) ?? state,
    use(routes) {
      const former = table
      table = new Map(routes.map((route) => [route.name, create(route, former.get(route.name))]))
      const kept = new Set(channelsOf(table.values()))
      const gone = channelsOf(former.values()).filter((channel) => !kept.has(channel))
      for (const channel of gone) channel.retire()
      const leaving = [...retired, ...gone]
      retired = leaving.filter((channel) => !channel.isClosed())
      forget(leaving.filter((channel) => channel.isClosed()))
    },
    states: () => [...table.values()],
    async destroy() {
      const channels = [...channelsOf(table.values()), ...retired]
      forget(channels)
      await Promise.all(channels.map(async (channel) => channel.destroy()))
    },
  }
}

/** Who asks, for what, and which hosts have been tried. */
export interface Seeker {
  readonly key: string | null
  readonly route: HostRoute
  readonly promptTokens: number
  readonly isStream: boolean
  readonly tried: readonly Channel[]
  readonly signal: CallOffSignal | undefined
  readonly nowMs: () => number
  readonly random: () => number
}

/** Hosts that may still be asked. */
function untriedOf({ channels }: RouteState, seeker: Seeker): readonly Channel[] {
  const [only] = channels
  if (channels.length === 1 && only !== undefined && seeker.tried.length === 0 && fits(only, seeker)) {
    return channels
  }
  return channels.filter((channel) => fits(channel, seeker) && !seeker.tried.includes(channel))
}

function fits({ host }: Channel, { promptTokens, route }: Seeker): boolean {
  if (host.maxPromptTokens !== null && promptTokens > host.maxPromptTokens) return false
  return takesRoute(host, route)
}

function takesRoute({ kind }: Host, route: HostRoute): boolean {
  return kind === 'openai' || route === 'chat/completions'
}

/**
 * Takes a host that has room now, or null: there is none left to try, or all are full. A host that is known to be
 * down is taken only when there are no others.
 */
export function takeFree(state: RouteState, seeker: Seeker): Channel | null {
  const untried = untriedOf(state, seeker)
  if (untried.length < 2) return enterOne(untried, state, seeker)
  const nowMs = seeker.nowMs()
  const available = untried.filter((channel) => isAvailable(channel, nowMs))
  return enterOne(available.length > 0 ? available : untried, state, seeker)
}

/**
 * Takes a host beside one that is at work on the same request; null when no host is idle enough and in good health.
 * A container may do more than compute, so none is asked for what another may already have done.
 */
export function takeSecond(state: RouteState, seeker: Seeker): Channel | null {
  const nowMs = seeker.nowMs()
  const spare = untriedOf(state, seeker).filter(
    (channel) => channel.host.kind === 'openai' && isAvailable(channel, nowMs),
  )
  return enterOne(spare, state, seeker)
}

function enterOne(channels: readonly Channel[], state: RouteState, seeker: Seeker): Channel | null {
  const free = channels.filter((channel) => channel.hasRoom())
  const [only] = free
  if (only === undefined) return null
  const channel = free.length === 1 ? only : choose(free, state, seeker)
  channel.enter()
  return channel
}

/** A host that was asked and did not answer. */
export interface FailedAttempt {
  readonly hostId: string
  readonly code: string
}

/**
 * Takes a host, waiting for room where all are full.
 * @param failures what was asked before for the same request: an error has them in its details
 * @throws HOST_BUSY, INTERRUPTED, TASK_INVALID when no host takes such a request
 */
export async function take(
  state: RouteState,
  seeker: Seeker,
  failures: readonly FailedAttempt[] = [],
): Promise<Channel> {
  const free = takeFree(state, seeker)
  if (free !== null) return free
  const untried = untriedOf(state, seeker)
  if (untried.length === 0) throw noHost(state, seeker)
  try {
    return await waitForRoom(untried, { nowMs: seeker.nowMs, signal: seeker.signal })
  } catch (error) {
    throw failures.length > 0 && isFlockError(error) ? busyAfter(error, failures) : error
  }
}

function busyAfter(error: FlockError, failures: readonly FailedAttempt[]): FlockError {
  const { code, message, details, hint } = error
  const before = failures.length === 1 ? 'One attempt was' : `${failures.length} attempts were`
  return new FlockError(code, `${before} not answered. ${message}`, {
    cause: error,
    details: { ...details, attempts: [...failures] },
    ...(hint === undefined ? {} : { hint }),
  })
}

/** True when a host is left that was not tried. */
export function hasUntried(state: RouteState, seeker: Seeker): boolean {
  return untriedOf(state, seeker).length > 0
}

function choose(free: readonly Channel[], { route }: RouteState, seeker: Seeker): Channel {
  const nowMs = seeker.nowMs()
  const states = free.map((channel) => ({
    channel,
    host: channel.host,
    outstanding: channel.outstanding(),
    latencyMs: latencyOf(channel, seeker, nowMs),
    warmth: channel.health.warmth(nowMs),
    trust: channel.health.trust(nowMs),
  }))
  const { key, random } = seeker
  return chooseHost(states, { policy: route.routing.policy, key, random }).channel
}

/** A host that stalls gives no samples, and would look better by the second if its latency fell meanwhile. */
function latencyOf(channel: Channel, { isStream }: Seeker, nowMs: number): number | null {
  const latency = isStream ? channel.streamLatency : channel.answerLatency
  return channel.outstanding() > 0 ? latency.heldMs() : latency.valueMs(nowMs)
}

function noHost({ channels }: RouteState, { promptTokens, route }: Seeker): FlockError {
  if (channels.length === 0) return new FlockError('CONFIG_INVALID', 'The model has no host to ask.')
  const takers = channels.filter(({ host }) => takesRoute(host, route))
  if (takers.length === 0) {
    return new FlockError(
      'TASK_INVALID',
      `The hosts of the model are containers and take chats, not ${route}.`,
    )
  }
  const longest = Math.max(...takers.map(({ host }) => host.maxPromptTokens ?? Infinity))
  return new FlockError(
    'TASK_INVALID',
    `The prompt has about ${promptTokens} tokens; the hosts of the model take ${longest}.`,
  )
}
