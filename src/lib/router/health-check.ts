/** Asks hosts from time to time whether they live, so that no user's request has to find out. */
import type { Logger } from '../log.js'
import type { Channel } from './channel.js'

export interface HealthChecksOptions {
  readonly nowMs: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  readonly log: Logger
}

export interface HealthChecks {
  /** Makes these the hosts that are asked. */
  watch(channels: readonly Channel[]): void
  stop(): void
}

const CHECK_TIMEOUT_MS = 5_000

/** Checks spread out by this share of their interval, so that replicas do not ask all at once. */
const SPREAD = 0.2

export function startHealthChecks({ nowMs, random, log }: HealthChecksOptions): HealthChecks {
  const timers = new Map<Channel, NodeJS.Timeout>()

  function plan(channel: Channel): void {
    const intervalMs = channel.host.healthIntervalMs * (1 + SPREAD * (random() - 0.5))
    const timer = setTimeout(() => void look(channel), intervalMs)
    // A service that has nothing else to do may end.
    timer.unref()
    timers.set(channel, timer)
  }

  async function look(channel: Channel): Promise<void> {
    const before = channel.health.circuit(nowMs())
    const fault = await faultOf(channel)
    if (!timers.has(channel)) return
    const now = nowMs()
    if (fault !== null) channel.health.failed(now)
    // A check that passes is the trial; while requests are served they know better than a check.
    else if (channel.health.circuit(now) === 'trial') {
      channel.health.succeeded(now)
      channel.admit()
    }
    const after = channel.health.circuit(now)
    if (after !== before) {
      log.info('A model host changed.', { hostId: channel.host.id, circuit: after, ...(fault && { fault }) })
    }
    plan(channel)
  }

  return {
    watch(channels) {
      const wanted = new Set(channels.filter(({ host }) => host.healthIntervalMs > 0))
      for (const [channel, timer] of timers) {
        if (wanted.has(channel)) continue
        clearTimeout(timer)
        timers.delete(channel)
      }
      for (const channel of wanted) if (!timers.has(channel)) plan(channel)
    },
    stop() {
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
  }
}

/** What is wrong with a host, or null. Any answer but a server error shows that it lives. */
async function faultOf({ host, pool }: Channel): Promise<string | null> {
  try {
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: host.basePath + host.healthPath,
      headers: { accept: '*/*', ...host.requestHeaders() },
      signal: AbortSignal.timeout(CHECK_TIMEOUT_MS),
    })
    await body.dump()
    return statusCode >= 500 ? `HTTP ${statusCode}` : null
  } catch {
    return 'no answer'
  }
}
