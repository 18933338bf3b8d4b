import { isFlockError } from './errors.js'

export interface RetryOptions {
  /** Tries in all, the first included. */
  readonly attempts: number
  /** Pause before the second try; doubles each time up to `maxDelayMs`, half of it random. */
  readonly delayMs: number
  readonly maxDelayMs?: number
  readonly signal?: AbortSignal
  /** Which failures are worth another try; by default errors of kind `unavailable`. */
  readonly isRetryable?: (error: unknown) => boolean
  readonly random?: () => number
}

/** Runs `task` until it succeeds, its failure is final, the tries are used up or the signal aborts. */
export async function retry<T>(task: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const isRetryable = options.isRetryable ?? ((error) => isFlockError(error) && error.kind === 'unavailable')
  for (let attempt = 1; ; attempt += 1) {
    options.signal?.throwIfAborted()
    try {
      return await task(attempt)
    } catch (error) {
      if (attempt >= options.attempts || !isRetryable(error)) throw error
      await sleep(backoffMs(attempt, options), options.signal)
    }
  }
}

/** The pause after a failed try: exponential, capped, with equal jitter. */
export function backoffMs(
  attempt: number,
  options: Pick<RetryOptions, 'delayMs' | 'maxDelayMs' | 'random'>,
): number {
  const random = options.random ?? Math.random
  const full = Math.min(options.delayMs * 2 ** (attempt - 1), options.maxDelayMs ?? 30_000)
  return full / 2 + (random() * full) / 2
}

/** Waits, or rejects with the signal's reason as soon as it aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
