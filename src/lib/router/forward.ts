import { FlockError, toFlockError } from '../errors.js'
import type { Logger } from '../log.js'
import { type Errand, type ForwardTarget, type HostCall, createAttempts, speaksOfHost } from './attempts.js'
import { type BegunStream, callForAnswer, callForStream } from './calls.js'
import type { Circuit } from './health.js'
import { startHealthChecks } from './health-check.js'
import type { StreamEvent } from './openai.js'
import type { Operation } from './operation.js'
import { type ModelRoute, createRouteTable } from './route-table.js'

export type { CallCause, ForwardTarget, HostCall } from './attempts.js'

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
  /** As `complete`, piece by piece: events that came together are yielded together. Once any was, no other host is asked. */
  stream(operation: Operation<unknown>, target: ForwardTarget): AsyncGenerator<readonly StreamEvent[]>
  report(): HostReport[]
  close(): Promise<void>
}

const DEFAULT_MAX_ANSWER_BYTES = 8 * 1024 * 1024

export function createForward(options: ForwardOptions): Forward {
  const { nowMs, random, log, onCall } = options
  const table = createRouteTable({
    nowMs,
    maxAnswerBytes: options.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
  })
  const attempts = createAttempts({ table, nowMs, random, log, onCall })
  const checks = startHealthChecks({ nowMs, random, log })

  return {
    use(routes) {
      table.use(routes)
      checks.watch(table.states().flatMap(({ channels }) => channels))
    },
    async complete(operation, target) {
      const { answer, attempt } = await attempts.ask(answerErrand(operation), target)
      attempts.settle(attempt)
      return answer
    },
    async *stream(operation, target) {
      const { answer, attempt } = await attempts.ask(streamErrand(operation), target)
      let failure: FlockError | undefined = new FlockError(
        'INTERRUPTED',
        'Nobody read the answer to its end.',
      )
      try {
        for (let events = await answer.next(); events !== null; events = await answer.next()) {
          if (events.some(({ type }) => type === 'end')) failure = undefined
          yield events
        }
      } catch (error) {
        failure = toFlockError(error)
        if (speaksOfHost(failure)) {
          const { code, message: reason } = failure
          const hostId = attempt.channel.host.id
          log.warn('A model host broke off its answer.', { model: target.route.name, hostId, code, reason })
        }
        throw failure
      } finally {
        answer.drop()
        attempts.settle(attempt, failure)
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
      await table.destroy()
    },
  }
}

function answerErrand<T>(operation: Operation<T>): Errand<T> {
  return {
    isStream: false,
    route: operation.route,
    promptTokens: operation.promptTokens,
    run: (channel, signal) => callForAnswer(channel, operation, signal),
    drop: () => undefined,
  }
}

function streamErrand(operation: Operation<unknown>): Errand<BegunStream> {
  return {
    isStream: true,
    route: operation.route,
    promptTokens: operation.promptTokens,
    run: (channel, signal) => callForStream(channel, operation, signal),
    drop: (begun) => begun.drop(),
  }
}
