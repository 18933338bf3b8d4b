import { type CallOff, type CallOffSignal, createCallOff } from '../call-off.js'
import { FlockError } from '../errors.js'

/** Lets callers who ask for the same thing at the same time wait for one piece of work. */
export interface Sharing<T> {
  /**
   * Joins the work under `key`, or starts it. The work is called off when its last caller went away.
   * @throws INTERRUPTED when the caller's signal aborts, and whatever the work throws
   */
  run(key: string, work: (signal: CallOffSignal) => Promise<T>, signal?: CallOffSignal): Promise<T>
}

interface SharedWork<T> {
  readonly result: Promise<T>
  readonly callOff: CallOff
  callers: number
}

/** @param maxKeys pieces of work under way at once that can be joined; those above run for themselves */
export function createSharing<T>(maxKeys: number): Sharing<T> {
  const running = new Map<string, SharedWork<T>>()

  function start(key: string, work: (signal: CallOffSignal) => Promise<T>): SharedWork<T> {
    const callOff = createCallOff()
    const shared: SharedWork<T> = { result: work(callOff), callOff, callers: 0 }
    if (running.size < maxKeys && !running.has(key)) running.set(key, shared)
    return shared
  }

  function forget(key: string, shared: SharedWork<T>): void {
    if (running.get(key) === shared) running.delete(key)
  }

  return {
    async run(key, work, signal) {
      if (signal?.aborted === true) throw interrupted()
      const shared = running.get(key) ?? start(key, work)
      shared.callers += 1
      try {
        return await orAbort(shared.result, signal)
      } finally {
        shared.callers -= 1
        if (shared.callers === 0) {
          forget(key, shared)
          shared.callOff.abort()
        }
      }
    },
  }
}

async function orAbort<T>(result: Promise<T>, signal: CallOffSignal | undefined): Promise<T> {
  if (signal === undefined) return result
  return new Promise<T>((resolve, reject) => {
    const giveUp = () => reject(interrupted())
    signal.addEventListener('abort', giveUp)
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}

function interrupted(): FlockError {
  return new FlockError('INTERRUPTED', 'The request was given up before it was answered.')
}
