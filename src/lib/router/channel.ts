import { Pool } from 'undici'
import { FlockError } from '../errors.js'
import { type Circuit, type HealthTracker, createHealthTracker } from './health.js'
import type { Host } from './hosts.js'
import { type Latency, createPeakEwma } from './latency.js'

/** A host in use: its connections, what is known about it, and who waits for it. */
export interface Channel {
  readonly host: Host
  readonly pool: Pool
  /** Names and values in turn, for whole answers and for streams. */
  readonly answerHeaders: readonly string[]
  readonly streamHeaders: readonly string[]
  readonly health: HealthTracker
  /** Of whole answers, and of first events of streams. */
  readonly answerLatency: Latency
  readonly streamLatency: Latency
  /** Requests under way. */
  readonly outstanding: () => number
  readonly queued: () => number
  readonly hasRoom: () => boolean
  /** Counts a request, until `leave`. */
  enter(): void
  leave(): void
  /** Lets those who wait in, as far as there is room. */
  admit(): void
  /** Waiters are served in the order in which they came. */
  enqueue(waiter: Waiter): void
  dequeue(waiter: Waiter): void
  /** Lets requests under way finish, then closes the connections. */
  retire(): void
  destroy(): Promise<void>
}

/** Somebody who waits for any one of several hosts. */
export interface Waiter {
  /** Called once, with the host that has room. */
  readonly admitted: (channel: Channel) => void
  /** True when the waiter would rather have another of its hosts. */
  readonly passes: (channel: Channel) => boolean
}

export interface ChannelOptions {
  /** Largest answer that is read. */
  readonly maxAnswerBytes: number
}

export function createChannel(host: Host, { maxAnswerBytes }: ChannelOptions): Channel {
  const pool = new Pool(host.origin, {
    connections: host.maxConcurrent,
    connect: { timeout: Math.min(host.connectTimeoutMs, host.timeoutMs) },
    maxResponseSize: maxAnswerBytes,
    // Each call carries its own deadlines.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const own = Object.entries(host.requestHeaders()).flat()
  const common = ['content-type', 'application/json', ...own]
  const waiters = new Set<Waiter>()
  let outstanding = 0
  let isRetired = false

  const channel: Channel = {
    host,
    pool,
    answerHeaders: [...common, 'accept', 'application/json'],
    streamHeaders: [...common, 'accept', host.kind === 'infernet' ? '*/*' : 'text/event-stream'],
    health: createHealthTracker(),
    answerLatency: createPeakEwma(),
    streamLatency: createPeakEwma(),
    outstanding: () => outstanding,
    queued: () => waiters.size,
    hasRoom: () => outstanding < host.maxConcurrent,
    enter() {
      outstanding += 1
    },
    leave() {
      outstanding -= 1
      if (waiters.size > 0) channel.admit()
      if (isRetired && outstanding === 0) void pool.destroy()
    },
    admit() {
      for (const waiter of waiters) {
        if (outstanding >= host.maxConcurrent) return
        if (waiter.passes(channel)) continue
        outstanding += 1
        waiter.admitted(channel)
      }
    },
    enqueue(waiter) {
      waiters.add(waiter)
    },
    dequeue(waiter) {
      waiters.delete(waiter)
    },
    retire() {
      isRetired = true
      if (outstanding === 0) void pool.destroy()
    },
    async destroy() {
      await pool.destroy()
    },
  }
  return channel
}

/** True when a host may be asked: it is in use, or due for the one request that finds out whether it is back. */
export function isAvailable(channel: Channel, nowMs: number): boolean {
  const circuit: Circuit = channel.health.circuit(nowMs)
  return circuit === 'closed' || (circuit === 'trial' && channel.outstanding() === 0)
}

export interface WaitOptions {
  readonly nowMs: () => number
  readonly signal: AbortSignal | undefined
}

/**
 * Waits until one of several hosts has room, and takes it.
 * @throws HOST_BUSY when too many wait already or it takes too long, INTERRUPTED
 */
export async function waitForRoom(channels: readonly Channel[], options: WaitOptions): Promise<Channel> {
  const { nowMs, signal } = options
  const open = channels.filter((channel) => channel.queued() < channel.host.maxQueued)
  const patienceMs = Math.max(0, ...open.map(({ host }) => host.queueTimeoutMs))
  if (open.length === 0 || patienceMs === 0) throw busy(channels)
  if (signal?.aborted === true) throw interrupted()
  return new Promise((resolve, reject) => {
    const waiter: Waiter = {
      admitted(channel) {
        stop()
        resolve(channel)
      },
      passes(channel) {
        return !isAvailable(channel, nowMs()) && open.some((other) => isAvailable(other, nowMs()))
      },
    }
    const giveUp = (error: FlockError) => {
      stop()
      reject(error)
    }
    const onAbort = () => giveUp(interrupted())
    const timer = setTimeout(() => giveUp(busy(channels)), patienceMs)
    function stop(): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      for (const channel of open) channel.dequeue(waiter)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    for (const channel of open) channel.enqueue(waiter)
  })
}

export function interrupted(): FlockError {
  return new FlockError('INTERRUPTED', 'The request was given up before it was answered.')
}

function busy(channels: readonly Channel[]): FlockError {
  const hostIds = channels.map(({ host }) => host.id)
  return new FlockError('HOST_BUSY', 'The hosts of the model have as many requests as they take.', {
    details: { hostIds },
    hint: 'Try again in a moment. The limits are maxConcurrent, maxQueued and queueTimeoutMs of the hosts.',
  })
}
