import { Pool } from 'undici'
import { FlockError, isFlockError } from '../errors.js'
import type { Logger } from '../log.js'
import { type ChatCall, completeChat, streamChat } from './chat-call.js'
import type { ChatRequest } from './chat-request.js'
import { type Circuit, type HostHealth, UNTRIED, afterFailure, afterSuccess, circuitOf } from './health.js'
import type { Host } from './hosts.js'
import type { ChatEvent, ChatResult } from './openai.js'
import { orderHosts } from './policy.js'

export interface ForwardOptions {
  /** Milliseconds of any clock that does not go backwards. */
  readonly nowMs: () => number
  readonly log: Logger
  /** Largest answer that is read from a host. */
  readonly maxAnswerBytes?: number
}

/** Where a request may go, and who may call it off. */
export interface ForwardTarget {
  readonly hosts: readonly Host[]
  readonly signal?: AbortSignal
}

/** What a router knows of a host. */
export interface HostReport {
  readonly hostId: string
  readonly circuit: Circuit
  readonly outstanding: number
}

/** Sends chat completions to model servers; keeps their connections until it is closed. */
export interface Forward {
  /**
   * Asks one host after the other until one answers.
   * @throws the error of the last host, with all attempts in its details; INTERRUPTED
   */
  complete(request: ChatRequest, target: ForwardTarget): Promise<ChatResult>
  /** As `complete`, piece by piece. Once a piece was yielded, no other host is asked. */
  stream(request: ChatRequest, target: ForwardTarget): AsyncGenerator<ChatEvent>
  report(hosts: readonly Host[]): HostReport[]
  close(): Promise<void>
}

/** More connections than a small server answers at once only move the queue. */
const CONNECTIONS_PER_HOST = 16
const CONNECT_TIMEOUT_MS = 5_000
const DEFAULT_MAX_ANSWER_BYTES = 8 * 1024 * 1024

interface Channel {
  readonly pool: Pool
  health: HostHealth
  outstanding: number
}

export function createForward({ nowMs, log, maxAnswerBytes }: ForwardOptions): Forward {
  const channels = new Map<Host, Channel>()

  function channelOf(host: Host): Channel {
    const known = channels.get(host)
    if (known !== undefined) return known
    const pool = new Pool(host.origin, {
      connections: CONNECTIONS_PER_HOST,
      connect: { timeout: Math.min(CONNECT_TIMEOUT_MS, host.timeoutMs) },
      maxResponseSize: maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
      // Each call carries its own deadline.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const channel = { pool, health: UNTRIED, outstanding: 0 }
    channels.set(host, channel)
    return channel
  }

  /** Runs `use` on host after host; a host that failed before yielding anything makes room for the next. */
  async function* eachInTurn<T>(
    { hosts, signal }: ForwardTarget,
    use: (call: Omit<ChatCall, 'request'>) => AsyncGenerator<T>,
  ): AsyncGenerator<T> {
    const states = hosts.map((host) => ({ host, ...channelOf(host) }))
    const attempts: { hostId: string; code: string }[] = []
    let lastError: unknown = new FlockError('CONFIG_INVALID', 'The model has no host to ask.')
    for (const host of orderHosts(states, nowMs())) {
      const channel = channelOf(host)
      let hasYielded = false
      channel.outstanding += 1
      try {
        for await (const item of use({ host, pool: channel.pool, signal })) {
          hasYielded = true
          yield item
        }
        channel.health = afterSuccess()
        return
      } catch (error) {
        if (!isFlockError(error)) throw error
        if (error.code === 'HOST_REJECTED') channel.health = afterSuccess()
        if (!speaksOfHost(error)) throw error
        channel.health = afterFailure(channel.health, nowMs())
        attempts.push({ hostId: host.id, code: error.code })
        log.warn('A model host did not answer.', { hostId: host.id, code: error.code, reason: error.message })
        if (hasYielded) throw error
        lastError = withAttempts(error, attempts)
      } finally {
        channel.outstanding -= 1
      }
    }
    throw lastError
  }

  return {
    async complete(request, target) {
      const results = eachInTurn(target, async function* (call) {
        yield await completeChat({ ...call, request })
      })
      // Read to its end, so that the host's success is noted.
      let answer: ChatResult | undefined
      for await (const result of results) answer = result
      if (answer === undefined) throw new FlockError('INTERNAL', 'A host neither answered nor failed.')
      return answer
    },
    stream(request, target) {
      return eachInTurn(target, (call) => streamChat({ ...call, request }))
    },
    report(hosts) {
      return hosts.map((host) => {
        const { health, outstanding } = channels.get(host) ?? { health: UNTRIED, outstanding: 0 }
        return { hostId: host.id, circuit: circuitOf(health, nowMs()), outstanding }
      })
    },
    async close() {
      const pools = [...channels.values()].map(({ pool }) => pool)
      channels.clear()
      await Promise.all(pools.map((pool) => pool.destroy()))
    },
  }
}

/** False for what another host would answer in the same way: a refused request, a caller who went away. */
function speaksOfHost(error: FlockError): boolean {
  return error.code === 'HOST_UNREACHABLE' || error.code === 'HOST_FAILED' || error.code === 'HOST_NOT_READY'
}

function withAttempts(error: FlockError, attempts: readonly { hostId: string; code: string }[]): FlockError {
  if (attempts.length === 1) return error
  return new FlockError(error.code, `None of ${attempts.length} hosts answered. ${error.message}`, {
    cause: error,
    details: { ...error.details, attempts: [...attempts] },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}
