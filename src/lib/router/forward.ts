import { FlockError, isFlockError } from '../errors.js'
import type { Logger } from '../log.js'
import { type BegunStream, callForAnswer, callForStream } from './calls.js'
import type { Channel } from './channel.js'
import type { Circuit } from './health.js'
import { race } from './hedge.js'
import { isRepeatable, isStale, isTimeout, verdictOf } from './host-errors.js'
import { startHealthChecks } from './health-check.js'
import type { StreamEvent } from './openai.js'
import type { Operation } from './operation.js'
import {
  type ModelRoute,
  type RouteState,
  type Seeker,
  createRouteTable,
  hasUntried,
  take,
  takeFree,
} from './route-table.js'

export interface ForwardOptions {
  /** Milliseconds of any clock that does not go backwards. */
  readonly nowMs: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  readonly log: Logger
  /** Told of every call to a host when it is over. */
  readonly onCall?: (call: HostCall) => void
  /** Largest answer that is read from a host. */
  readonly maxAnswerBytes?: number
}

/** Where a request may go, who asks, and who may call it off. */
export interface ForwardTarget {
  readonly route: ModelRoute
  /** Whom the policy `sticky` sends to the same host. */
  readonly key?: string | null
  readonly signal?: AbortSignal | undefined
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

/** What a router knows of a host. */
export interface HostReport {
  readonly model: string
  readonly hostId: string
  readonly circuit: Circuit
  readonly outstanding: number
  readonly queued: number
  /** Moving average with peaks, of whole answers and of first events of streams; null when none was seen. */
  readonly answerMs: number | null
  readonly firstEventMs: number | null
}

/** Sends requests to model servers; keeps their connections until it is closed. */
export interface Forward {
  /** Makes these the models: those that stay keep their connections, others finish what is under way. */
  use(routes: readonly ModelRoute[]): void
  /**
   * Asks a host, and further ones when it fails and the retry budget allows it.
   * @throws the error of the last host, with all attempts in its details; HOST_BUSY, INTERRUPTED
   */
  complete<T>(operation: Operation<T>, target: ForwardTarget): Promise<T>
  /** As `complete`, piece by piece. Once a piece was yielded, no other host is asked. */
  stream(operation: Operation<unknown>, target: ForwardTarget): AsyncGenerator<StreamEvent>
  report(): HostReport[]
  close(): Promise<void>
}

const DEFAULT_MAX_ANSWER_BYTES = 8 * 1024 * 1024

/** Share of requests that are faster than the time after which a second host is asked. */
const HEDGE_QUANTILE = 0.95

/** What is asked of a host, and what becomes of answers that come too late. */
interface Errand<A> {
  readonly isStream: boolean
  readonly promptTokens: number
  readonly run: (channel: Channel, signal: AbortSignal | undefined) => Promise<A>
  readonly drop: (answer: A) => void
}

/** A host that answered; it counts as busy until `settle`. */
interface Won<A> {
  readonly answer: A
  readonly attempt: Attempt
}

/** A call under way. */
interface Attempt {
  readonly channel: Channel
  readonly cause: CallCause
  readonly startMs: number
  firstEventMs: number | null
}

export function createForward(options: ForwardOptions): Forward {
  const { nowMs, random, log, onCall } = options
  const table = createRouteTable({
    nowMs,
    maxAnswerBytes: options.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
  })
  const checks = startHealthChecks({ nowMs, random, log })

  /** Counts a call that is over and frees its host. */
  function settle(
    state: RouteState,
    attempt: Attempt,
    errand: { isStream: boolean },
    error?: FlockError,
  ): void {
    const { channel, cause, startMs, firstEventMs } = attempt
    const endMs = nowMs()
    const durationMs = endMs - startMs
    const verdict = error === undefined ? 'ok' : verdictOf(error)
    if (verdict === 'ok' || verdict === 'refused') channel.health.succeeded(endMs)
    else if (verdict === 'failed') channel.health.failed(endMs)
    else if (verdict === 'busy') channel.health.rested(endMs, restOf(error))
    if (verdict === 'ok' || (error !== undefined && isTimeout(error))) {
      const sampleMs = errand.isStream ? (firstEventMs ?? durationMs) : durationMs
      const latency = errand.isStream ? channel.streamLatency : channel.answerLatency
      latency.record(sampleMs, endMs)
      if (state.route.routing.hedge) samplesOf(state, errand).record(sampleMs)
    }
    onCall?.({
      model: state.route.name,
      hostId: channel.host.id,
      outcome: error?.code ?? 'ok',
      isStream: errand.isStream,
      cause,
      durationMs,
      firstEventMs,
    })
    channel.leave()
  }

  async function attempt<A>(
    state: RouteState,
    channel: Channel,
    errand: Errand<A>,
    cause: CallCause,
    signal: AbortSignal | undefined,
  ): Promise<Won<A>> {
    const own: Attempt = { channel, cause, startMs: nowMs(), firstEventMs: null }
    try {
      const answer = await errand.run(channel, signal)
      if (errand.isStream) own.firstEventMs = nowMs() - own.startMs
      return { answer, attempt: own }
    } catch (error) {
      settle(state, own, errand, isFlockError(error) ? error : undefined)
      throw error
    }
  }

  /** Asks host after host until one answers. */
  async function overHosts<A>(
    state: RouteState,
    errand: Errand<A>,
    { key = null, signal }: ForwardTarget,
  ): Promise<Won<A>> {
    const { isStream, promptTokens } = errand
    const tried: Channel[] = []
    const seeker: Seeker = { key, promptTokens, isStream, tried, signal, nowMs, random }
    const failures: { hostId: string; code: string }[] = []
    let hasReconnected = false
    state.budget.deposit(nowMs())
    for (;;) {
      const channel = await take(state, seeker)
      const cause = failures.length === 0 ? 'first' : 'retry'
      try {
        if (state.route.routing.hedge) return await hedged(state, channel, errand, cause, seeker)
        return await attempt(state, channel, errand, cause, signal)
      } catch (error) {
        if (!isFlockError(error) || !speaksOfHost(error)) throw error
        failures.push({ hostId: channel.host.id, code: error.code })
        log.warn('A model host did not answer.', {
          model: state.route.name,
          hostId: channel.host.id,
          code: error.code,
          reason: error.message,
        })
        tried.push(channel)
        // Nobody but this host is left, and it was its connection that broke: it is asked once more.
        if (isStale(error) && !hasReconnected && !hasUntried(state, seeker)) {
          hasReconnected = true
          tried.pop()
        }
        const mayGoOn = isRepeatable(error, channel.host) && hasUntried(state, seeker)
        if (!mayGoOn || !state.budget.withdraw(nowMs())) throw withAttempts(error, failures)
      }
    }
  }

  /** Asks a second host when the first takes long; whichever answers first wins, the other is called off. */
  async function hedged<A>(
    state: RouteState,
    channel: Channel,
    errand: Errand<A>,
    cause: CallCause,
    seeker: Seeker,
  ): Promise<Won<A>> {
    const delayMs = samplesOf(state, errand).quantileMs(HEDGE_QUANTILE)
    return race({
      delayMs: state.channels.length < 2 ? null : delayMs,
      signal: seeker.signal,
      first: async (signal) => attempt(state, channel, errand, cause, signal),
      second() {
        const other = takeFree(state, { ...seeker, tried: [...seeker.tried, channel] })
        if (other === null) return null
        if (state.budget.withdraw(nowMs())) {
          return async (signal) => attempt(state, other, errand, 'hedge', signal)
        }
        other.leave()
        return null
      },
      late(won) {
        errand.drop(won.answer)
        settle(state, won.attempt, errand, new FlockError('INTERRUPTED', 'Another host was faster.'))
      },
    })
  }

  return {
    use(routes) {
      table.use(routes)
      checks.watch(table.states().flatMap(({ channels }) => channels))
    },
    async complete(operation, target) {
      const state = table.of(target.route)
      const errand = answerErrand(operation)
      const { answer, attempt: own } = await overHosts(state, errand, target)
      settle(state, own, errand)
      return answer
    },
    async *stream(operation, target) {
      const state = table.of(target.route)
      const errand = streamErrand(operation)
      const { answer, attempt: own } = await overHosts(state, errand, target)
      let failure: FlockError | undefined = new FlockError(
        'INTERRUPTED',
        'Nobody read the answer to its end.',
      )
      try {
        for await (const event of answer.events) {
          if (event.type === 'end') failure = undefined
          yield event
        }
      } catch (error) {
        if (isFlockError(error)) failure = error
        log.warn('A model host broke off its answer.', {
          model: state.route.name,
          hostId: own.channel.host.id,
        })
        throw error
      } finally {
        settle(state, own, errand, failure)
      }
    },
    report() {
      const now = nowMs()
      return table.states().flatMap(({ route, channels }) =>
        channels.map((channel) => ({
          model: route.name,
          hostId: channel.host.id,
          circuit: channel.health.circuit(now),
          outstanding: channel.outstanding(),
          queued: channel.queued(),
          answerMs: channel.answerLatency.valueMs(now),
          firstEventMs: channel.streamLatency.valueMs(now),
        })),
      )
    },
    async close() {
      checks.stop()
      await Promise.all(
        table.states().flatMap(({ channels }) => channels.map(async (channel) => channel.destroy())),
      )
    },
  }
}

function answerErrand<T>(operation: Operation<T>): Errand<T> {
  return {
    isStream: false,
    promptTokens: operation.promptTokens,
    run: async (channel, signal) => callForAnswer(channel, operation, signal),
    drop: () => undefined,
  }
}

function streamErrand(operation: Operation<unknown>): Errand<BegunStream> {
  return {
    isStream: true,
    promptTokens: operation.promptTokens,
    run: async (channel, signal) => callForStream(channel, operation, signal),
    drop: (begun) => begun.drop(),
  }
}

function speaksOfHost(error: FlockError): boolean {
  const verdict = verdictOf(error)
  return verdict === 'failed' || verdict === 'busy'
}

function samplesOf(state: RouteState, { isStream }: { readonly isStream: boolean }) {
  return isStream ? state.streamSamples : state.answerSamples
}

function restOf(error: FlockError | undefined): number {
  const retryAfterMs = error?.details.retryAfterMs
  return typeof retryAfterMs === 'number' ? retryAfterMs : 0
}

function withAttempts(error: FlockError, attempts: readonly { hostId: string; code: string }[]): FlockError {
  if (attempts.length === 1) return error
  return new FlockError(error.code, `None of ${attempts.length} attempts was answered. ${error.message}`, {
    cause: error,
    details: { ...error.details, attempts: [...attempts] },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}
