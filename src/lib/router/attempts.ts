/** Asks hosts: one after the other until one answers, or a second one beside a first that takes long. */
import type { CallOffSignal } from '../call-off.js'
import { type FlockError, isFlockError, toFlockError } from '../errors.js'
import type { Logger } from '../log.js'
import type { Channel } from './channel.js'
import { race } from './hedge.js'
import {
  isOvertaken,
  isRepeatable,
  isStale,
  isTimeout,
  overtaken,
  verdictOf,
  withAttempts,
} from './host-errors.js'
import type { HostRoute } from './operation.js'
import {
  type ModelRoute,
  type RouteState,
  type RouteTable,
  type Seeker,
  hasUntried,
  take,
  takeFree,
  takeSecond,
} from './route-table.js'

/** Where a request may go, who asks, and who may call it off. */
export interface ForwardTarget {
  readonly route: ModelRoute
  /** Whom the policy `sticky` sends to the same host. */
  readonly key?: string | null
  readonly signal?: CallOffSignal | undefined
}

/** A call to a host that is over. */
export interface HostCall {
  readonly model: string
  readonly hostId: string
  /** `ok`, or the code of the error. */
  readonly outcome: string
  readonly isStream: boolean
  /** Why it was made: at first, because another failed, or because another was slow. */
  readonly cause: CallCause
  readonly durationMs: number
  /** Until the first event of a stream; null for whole answers, and for streams that gave none. */
  readonly firstEventMs: number | null
}

export type CallCause = 'first' | 'retry' | 'hedge'

/** What is asked of a host, and what becomes of answers that come too late. */
export interface Errand<A> {
  readonly isStream: boolean
  readonly route: HostRoute
  readonly promptTokens: number
  readonly run: (channel: Channel, signal: CallOffSignal | undefined) => Promise<A>
  readonly drop: (answer: A) => void
}

/** A call under way. */
export interface Attempt {
  readonly state: RouteState
  readonly channel: Channel
  readonly cause: CallCause
  readonly isStream: boolean
  readonly startMs: number
  firstEventMs: number | null
}

/** A host that answered; it counts as busy until the attempt is settled. */
export interface Won<A> {
  readonly answer: A
  readonly attempt: Attempt
}

export interface Attempts {
  /**
   * Asks a host, and further ones when it fails and the retry budget allows it.
   * @throws the error of the last host, with all attempts in its details; HOST_BUSY, INTERRUPTED
   */
  ask<A>(errand: Errand<A>, target: ForwardTarget): Promise<Won<A>>
  /** Counts a call that is over and frees its host. */
  settle(attempt: Attempt, error?: FlockError): void
}

export interface AttemptsOptions {
  readonly table: RouteTable
  readonly nowMs: () => number
  readonly random: () => number
  readonly log: Logger
  readonly onCall: ((call: HostCall) => void) | undefined
}

/** Share of requests that are faster than the time after which a second host is asked. */
const HEDGE_QUANTILE = 0.95

/** A request on its way from host to host. */
interface Journey<A> {
  readonly errand: Errand<A>
  readonly seeker: Seeker
  /** Hosts that failed, which are not asked again. */
  readonly tried: Channel[]
  readonly failures: { readonly hostId: string; readonly code: string }[]
}

export function createAttempts({ table, nowMs, random, log, onCall }: AttemptsOptions): Attempts {
  function settle(attempt: Attempt, error?: FlockError): void {
    const { state, channel, cause, isStream, startMs, firstEventMs } = attempt
    const endMs = nowMs()
    const durationMs = endMs - startMs
    const verdict = error === undefined ? 'ok' : verdictOf(error)
    if (verdict === 'ok' || verdict === 'refused') channel.health.succeeded(endMs)
    else if (verdict === 'failed') channel.health.failed(endMs)
    else if (verdict === 'busy') channel.health.rested(endMs, restOf(error))
    const isMeasured = isStream ? firstEventMs !== null : error === undefined
    if (isMeasured || isTooSlow(error, cause)) {
      const sampleMs = isStream ? (firstEventMs ?? durationMs) : durationMs
      const latency = isStream ? channel.streamLatency : channel.answerLatency
      // A call that was broken off would have taken longer, so it speaks only against its host.
      if (isMeasured || sampleMs > (latency.valueMs(endMs) ?? 0)) latency.record(sampleMs, endMs)
      if (state.route.routing.hedge) samplesOf(attempt).record(sampleMs)
    }
    channel.leave()
    onCall?.({
      model: state.route.name,
      hostId: channel.host.id,
      outcome: error?.code ?? 'ok',
      isStream,
      cause,
      durationMs,
      firstEventMs,
    })
  }

  /** Asks one host, and notes down when it fails. */
  async function attempt<A>(
    { errand, seeker, tried, failures }: Journey<A>,
    { state, channel, cause }: Pick<Attempt, 'state' | 'channel' | 'cause'>,
    signal: CallOffSignal | undefined,
  ): Promise<Won<A>> {
    const { isStream } = errand
    const own: Attempt = { state, channel, cause, isStream, startMs: nowMs(), firstEventMs: null }
    try {
      const answer = await errand.run(channel, signal)
      if (isStream) own.firstEventMs = nowMs() - own.startMs
      return { answer, attempt: own }
    } catch (error) {
      const hostId = channel.host.id
      const known = toFlockError(error)
      const failure = isCalledOff(known, seeker) ? overtaken(hostId) : known
      settle(own, failure)
      if (speaksOfHost(failure)) {
        const { code, message: reason } = failure
        tried.push(channel)
        failures.push({ hostId, code })
        log.warn('A model host did not answer.', { model: state.route.name, hostId, code, reason })
      }
      throw failure
    }
  }

  /** Asks a second host when the first takes long; whichever answers first wins, the other is called off. */
  async function hedged<A>(
    journey: Journey<A>,
    { state, channel, cause }: Pick<Attempt, 'state' | 'channel' | 'cause'>,
  ): Promise<Won<A>> {
    const { errand, seeker } = journey
    const samples = errand.isStream ? state.streamSamples : state.answerSamples
    return race({
      delayMs: state.channels.length < 2 ? null : samples.quantileMs(HEDGE_QUANTILE),
      signal: seeker.signal,
      first: async (signal) => attempt(journey, { state, channel, cause }, signal),
      second() {
        const other = takeSecond(state, { ...seeker, tried: [...seeker.tried, channel] })
        if (other === null) return null
        if (state.budget.withdraw(nowMs())) {
          return async (signal) => attempt(journey, { state, channel: other, cause: 'hedge' }, signal)
        }
        other.leave()
        return null
      },
      late(won) {
        errand.drop(won.answer)
        settle(won.attempt, overtaken(won.attempt.channel.host.id))
      },
    })
  }

  return {
    settle,
    async ask(errand, { route, key = null, signal }) {
      const { isStream, promptTokens } = errand
      const tried: Channel[] = []
      const seeker: Seeker = {
        key,
        route: errand.route,
        promptTokens,
        isStream,
        tried,
        signal,
        nowMs,
        random,
      }
      const journey = { errand, seeker, tried, failures: [] }
      let hasReconnected = false
      let state = table.of(route)
      state.budget.deposit(nowMs())
      for (;;) {
        // Nearly always a host is free, and then nobody has to wait for a promise.
        const channel = takeFree(state, seeker) ?? (await take(state, seeker, journey.failures))
        const cause = journey.failures.length === 0 ? 'first' : 'retry'
        const call = { state, channel, cause } as const
        try {
          // Asked twice, a container might do twice what it does.
          if (!state.route.routing.hedge || channel.host.kind === 'infernet') {
            return await attempt(journey, call, signal)
          }
          return await hedged(journey, call)
        } catch (error) {
          if (!isFlockError(error) || !speaksOfHost(error)) throw error
          // The hosts of the model may have changed in the meantime.
          state = table.latest(state)
          // Nobody but this host is left, and it was its connection that broke: it is asked once more.
          if (isStale(error) && !hasReconnected && !hasUntried(state, seeker)) {
            hasReconnected = true
            tried.pop()
          }
          const mayGoOn = isRepeatable(error, channel.host) && hasUntried(state, seeker)
          if (!mayGoOn || !state.budget.withdraw(nowMs())) throw withAttempts(error, journey.failures)
        }
      }
    },
  }
}

/** A call that was broken off although whoever asked is still there: another host has answered. */
function isCalledOff(error: FlockError, { signal }: Seeker): boolean {
  return error.code === 'INTERRUPTED' && signal?.aborted !== true
}

/** False for what another host would answer in the same way: a refused request, a caller who went away. */
export function speaksOfHost(error: FlockError): boolean {
  const verdict = verdictOf(error)
  return verdict === 'failed' || verdict === 'busy'
}

/** Whether a call was broken off because it took long. */
function isTooSlow(error: FlockError | undefined, cause: CallCause): boolean {
  if (error === undefined) return false
  return isTimeout(error) || (isOvertaken(error) && cause !== 'hedge')
}

function samplesOf({ state, isStream }: Attempt) {
  return isStream ? state.streamSamples : state.answerSamples
}

function restOf(error: FlockError | undefined): number {
  const retryAfterMs = error?.details.retryAfterMs
  return typeof retryAfterMs === 'number' ? retryAfterMs : 0
}
