/** Answers that are read while they are written. */
import type { Pool } from 'undici'
import type { CallOffSignal } from '../call-off.js'
import { CalledOffError, type Outgoing, TimeoutError, send } from './send.js'

/** An answer that is read as it comes. */
export interface OpenedStream {
  readonly status: number
  readonly retryAfter: string | null
  /**
   * The next bytes; null at the end. For one reader at a time.
   * @throws TimeoutError, CalledOffError, or the error of the connection
   */
  read(): Promise<Uint8Array | null>
  /** Frees the connection, once: for the next request when all that matters was read, else by closing it. */
  release(isDone: boolean): void
}

/** What may follow the last event of a stream; more is not worth keeping the connection for. */
const TAIL = { bytes: 16_384, timeoutMs: 1_000 }

/** Bytes that wait for their reader; the host waits when there are more. */
const MAX_QUEUED_BYTES = 65_536

/**
 * Sends a request and gives the answer's body as it comes.
 * @param limits `silenceMs` bounds the wait for the first piece, and that of the reader for each further one;
 * `timeoutMs` bounds the whole
 * @throws as `exchange`
 */
export function openStream(
  pool: Pool,
  outgoing: Outgoing,
  limits: {
    readonly silenceMs: number
    readonly timeoutMs: number
    readonly signal: CallOffSignal | undefined
  },
): Promise<OpenedStream> {
  const { silenceMs, timeoutMs, signal } = limits
  return new Promise((open, refuse) => {
    const queue: Uint8Array[] = []
    let queuedBytes = 0
    let tailBytes = 0
    let reader: { resolve(bytes: Uint8Array | null): void; reject(error: Error): void } | undefined
    /** Whether the host is waited for; a reader may also take its time. */
    let isAwaited = true
    let end: Error | 'ended' | undefined
    let isReleased = false

    const giveUpAfter = (ms: number) => setTimeout(() => sent.giveUp(new TimeoutError(ms)), ms)
    let whole = giveUpAfter(timeoutMs)
    const silence = setTimeout(() => {
      if (isAwaited) sent.giveUp(new TimeoutError(silenceMs))
    }, silenceMs)
    const stopTimers = () => {
      clearTimeout(whole)
      clearTimeout(silence)
    }

    function read(): Promise<Uint8Array | null> {
      const bytes = queue.shift()
      if (bytes !== undefined) {
        const wasFull = queuedBytes > MAX_QUEUED_BYTES
        queuedBytes -= bytes.length
        if (wasFull && queuedBytes <= MAX_QUEUED_BYTES) sent.resume()
        return Promise.resolve(bytes)
      }
      if (end !== undefined) return end === 'ended' ? Promise.resolve(null) : Promise.reject(end)
      if (!isAwaited) silence.refresh()
      isAwaited = true
      return new Promise((resolve, reject) => {
        reader = { resolve, reject }
      })
    }

    function release(isDone: boolean): void {
      if (isReleased) return
      isReleased = true
      stopTimers()
      if (end !== undefined) return
      sent.detach()
      if (!isDone) {
        sent.giveUp(new CalledOffError())
        return
      }
      whole = giveUpAfter(TAIL.timeoutMs)
      if (queuedBytes > MAX_QUEUED_BYTES) sent.resume()
    }

    function keep(bytes: Uint8Array): void {
      const wasFull = queuedBytes > MAX_QUEUED_BYTES
      queue.push(bytes)
      queuedBytes += bytes.length
      if (!wasFull && queuedBytes > MAX_QUEUED_BYTES) sent.pause()
    }

    const sent = send(pool, outgoing, signal, {
      begun(status, retryAfter) {
        open({ status, retryAfter, read, release })
      },
      piece(bytes) {
        isAwaited = false
        if (isReleased) {
          tailBytes += bytes.length
          if (tailBytes > TAIL.bytes) sent.giveUp(new CalledOffError())
        } else if (reader === undefined) {
          keep(bytes)
        } else {
          reader.resolve(bytes)
          reader = undefined
        }
      },
      ended() {
        end = 'ended'
        stopTimers()
        reader?.resolve(null)
      },
      failed(error) {
        end = error
        stopTimers()
        refuse(error)
        reader?.reject(error)
      },
    })
  })
}
