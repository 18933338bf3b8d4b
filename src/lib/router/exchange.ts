import type { Pool } from 'undici'
import type { CallOffSignal } from '../call-off.js'
import { type Outgoing, TimeoutError, send } from './send.js'

export interface Incoming {
  readonly status: number
  /** Seconds or a date, as the host wrote it. */
  readonly retryAfter: string | null
  readonly text: string
}

/**
 * Sends a request and reads the whole answer, whatever its status.
 * @throws TimeoutError, CalledOffError, or the error of the connection
 */
export function exchange(
  pool: Pool,
  outgoing: Outgoing,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: CallOffSignal | undefined },
): Promise<Incoming> {
  return new Promise((resolve, reject) => {
    let status = 0
    let retryAfter: string | null = null
    let only: Buffer | undefined
    let parts: Buffer[] | undefined
    const timer = setTimeout(() => sent.giveUp(new TimeoutError(timeoutMs)), timeoutMs)
    const sent = send(pool, outgoing, signal, {
      begun(given, after) {
        status = given
        retryAfter = after
      },
      piece(bytes) {
        if (only === undefined) only = bytes
        else (parts ??= [only]).push(bytes)
      },
      ended() {
        clearTimeout(timer)
        const bytes = parts === undefined ? only : Buffer.concat(parts)
        resolve({ status, retryAfter, text: bytes === undefined ? '' : bytes.toString('utf8') })
      },
      failed(error) {
        clearTimeout(timer)
        reject(error)
      },
    })
  })
}
