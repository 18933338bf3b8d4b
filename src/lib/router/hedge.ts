import { type CallOff, type CallOffSignal, createCallOff } from '../call-off.js'
import { toFlockError } from '../errors.js'

/** A piece of work that can be called off. */
type Run<T> = (signal: CallOffSignal | undefined) => Promise<T>

export interface Race<T> {
  /** After which the second piece of work begins; null for never. */
  readonly delayMs: number | null
  /** Calls off both; the one that wins listens to it for as long as it lives. */
  readonly signal: CallOffSignal | undefined
  readonly first: Run<T>
  /** Asked once, when the delay is over; null when there is nothing to begin. */
  readonly second: () => Run<T> | null
  /** Given what came second although it was called off. */
  readonly late: (result: T) => void
}

/**
 * Does a piece of work, and when it takes long the same elsewhere: the first result counts, the other is called off.
 * @throws what the first throws before the second began, else what the last of them throws
 */
export async function race<T>({ delayMs, signal, first, second, late }: Race<T>): Promise<T> {
  if (delayMs === null) return first(signal)
  return new Promise<T>((resolve, reject) => {
    const callOffs: CallOff[] = []
    let running = 0
    let isOver = false
    const finish = () => {
      isOver = true
      clearTimeout(timer)
    }
    const begin = (run: Run<T>) => {
      const own = createCallOff()
      const pass = () => own.abort()
      callOffs.push(own)
      running += 1
      if (signal?.aborted === true) own.abort()
      signal?.addEventListener('abort', pass)
      run(own).then(
        (result) => {
          running -= 1
          if (isOver) {
            signal?.removeEventListener('abort', pass)
            late(result)
            return
          }
          finish()
          for (const other of callOffs) if (other !== own) other.abort()
          resolve(result)
        },
        (error: unknown) => {
          running -= 1
          signal?.removeEventListener('abort', pass)
          if (isOver || running > 0) return
          finish()
          reject(toFlockError(error))
        },
      )
    }
    const timer = setTimeout(() => {
      const run = second()
      if (run !== null) begin(run)
    }, delayMs)
    begin(first)
  })
}
