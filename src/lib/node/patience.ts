import { isRefusal } from '../chain/provider.js'
import { toFlockError } from '../errors.js'
import { backoffMs, sleep } from '../retry.js'
import type { EventSink } from './events.js'

export interface PatienceOptions {
  readonly emit: EventSink
  readonly signal: AbortSignal
  readonly delayMs?: number
  /** Refusals of the question itself after which it is given up; by default it never is. */
  readonly maxRefusals?: number
}

const DELAY_MS = 250
const MAX_DELAY_MS = 10_000
/** Asks until the endpoint answers or the signal aborts; each failure is told. What is no fault of the endpoint is thrown. */
export async function askPatiently<T>(
  ask: () => Promise<T>,
  { emit, signal, delayMs = DELAY_MS, maxRefusals = Number.POSITIVE_INFINITY }: PatienceOptions,
): Promise<T> {
  let refusals = 0
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      const fault = toFlockError(error)
      if (isRefusal(fault)) refusals += 1
      if (fault.kind !== 'unavailable' || refusals >= maxRefusals) throw fault
      const retryInMs = Math.round(backoffMs(attempt, { delayMs, maxDelayMs: MAX_DELAY_MS }))
      emit({ type: 'rpcFailed', code: fault.code, message: fault.message, retryInMs })
      await sleep(retryInMs, signal)
    }
  }
}

/** Runs a task when there is room. */
export type Limiter = <T>(task: () => Promise<T>) => Promise<T>

/** Lets at most `limit` tasks run at a time, in the order they came. */
export function createLimiter(limit: number): Limiter {
  const waiting: (() => void)[] = []
  let running = 0
  return async (task) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
