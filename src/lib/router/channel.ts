import type { CallOffSignal } from '../call-off.js'
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
  /** True once it was retired and the last request left: nothing can be asked through it any more. */
  readonly isClosed: () => boolean
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
  /** The host to take now that this one has room: this one, a better one, or none yet. */
  readonly choose: (channel: Channel) => Channel | null
  /** Called once, with the host that was taken. */
  readonly admitted: (channel: Channel) => void
}

export interface ChannelOptions {
  /** Largest answer that is read. */
  readonly maxAnswerBytes: number
}

export function createChannel(host: Host, { maxAnswerBytes }: ChannelOptions): Channel {
  const pool = new Pool(host.origin, {
    // One more for health checks, which would otherwise take a host for dead that is busy.
    connections: host.maxConcurrent + 1,
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
    isClosed: () => isRetired && outstanding === 0,
    enter() {
      outstanding += 1
    },
    leave() {
      outstanding -= 1
      if (waiters.size > 0) channel.admit()
      if (channel.isClosed()) void pool.destroy()
    },
    admit() {
      for (const waiter of waiters) {
        if (!channel.hasRoom()) return
        const chosen = waiter.choose(channel)
        if (chosen === null) continue
        chosen.enter()
        waiter.admitted(chosen)
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
      if (channel.isClosed()) void pool.destroy()
    },
    async destroy() {
      await pool.destroy()
    },
  }
  return channel
}

/** True when a host may be asked: it is in use, or due for the one request that finds out whether it is back. */
export function isAvailable(channel: Channel, nowMs: number): boolean {
  if (channel.isClosed()) return false
  const circuit: Circuit = channel.health.circuit(nowMs)
  return circuit === 'closed' || (circuit === 'trial' && channel.outstanding() === 0)
}

export interface WaitOptions {
  readonly nowMs: () => number
  readonly signal: CallOffSignal | undefined
}

/**
 * Waits until one of several hosts has room, and takes it. Hosts that are away are waited for as well, since they may
 * come back; they are taken only when they did, or when all others are away too.
 * @throws HOST_BUSY when too many wait already or it takes too long, INTERRUPTED
 */
export async function waitForRoom(channels: readonly Channel[], options: WaitOptions): Promise<Channel> {
  const { nowMs, signal } = options
  const inUse = channels.filter((channel) => isAvailable(channel, nowMs()))
  const wanted = (inUse.length > 0 ? inUse : channels).filter(hasPlace)
  const patienceMs = Math.max(0, ...wanted.map(({ host }) => host.queueTimeoutMs))
  if (patienceMs === 0) throw busy(channels)
  if (signal?.aborted === true) throw interrupted()
  const queues = channels.filter(hasPlace)
  return new Promise((resolve, reject) => {
    const waiter: Waiter = {
      choose(channel) {
        const now = nowMs()
        if (isAvailable(channel, now)) return channel
        const others = queues.filter((other) => isAvailable(other, now))
        // Nobody tells of a pause that is over, so a host that came back may stand there with room.
        return others.length === 0 ? channel : (others.find((other) => other.hasRoom()) ?? null)
      },
      admitted(channel) {
        stop()
        resolve(channel)
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
      for (const channel of queues) channel.dequeue(waiter)
    }
    signal?.addEventListener('abort', onAbort)
    for (const channel of queues) channel.enqueue(waiter)
  })
}

function hasPlace(channel: Channel): boolean {
  return channel.queued() < channel.host.maxQueued
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
