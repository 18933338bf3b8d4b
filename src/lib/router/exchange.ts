/** Sends requests to model servers. The only HTTP client of the service. */
import type { Dispatcher, Pool } from 'undici'
import { createDeadline } from './deadline.js'

/** A request as it goes out. */
export interface Outgoing {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body?: string
}

export interface Incoming {
  readonly status: number
  /** Seconds or a date, as the host wrote it. */
  readonly retryAfter: string | null
  readonly text: string
}

/** Thrown when the time of a call ran out. */
export class TimeoutError extends Error {
  constructor(readonly timeoutMs: number) {
    super(`no answer in ${timeoutMs} ms`)
    this.name = 'TimeoutError'
  }
}

/** Thrown when the caller went away. */
export class CalledOffError extends Error {
  constructor() {
    super('the caller went away')
    this.name = 'CalledOffError'
  }
}

/**
 * Sends a request and reads the whole answer, whatever its status. Works on undici's dispatcher itself: streams and
 * abort signals would cost as much as the rest of a request.
 * @throws TimeoutError, CalledOffError, or the error of the connection
 */
export function exchange(
  pool: Pool,
  outgoing: Outgoing,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
): Promise<Incoming> {
  const { timeoutMs, signal } = limits
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined
    let early: Error | undefined
    let status = 0
    let retryAfter: string | null = null
    let only: Buffer | undefined
    let parts: Buffer[] | undefined

    const giveUp = (reason: Error) => {
      early ??= reason
      if (controller === undefined) fail(early)
      else controller.abort(early)
    }
    const onAbort = () => giveUp(new CalledOffError())
    const timer = setTimeout(() => giveUp(new TimeoutError(timeoutMs)), timeoutMs)
    const stop = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const fail = (error: Error) => {
      stop()
      reject(early ?? error)
    }
    if (signal?.aborted === true) {
      fail(new CalledOffError())
      return
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    pool.dispatch(
      {
        method: outgoing.method,
        path: outgoing.path,
        headers: outgoing.headers as string[],
        body: outgoing.body ?? null,
      },
      {
        onRequestStart(given) {
          controller = given
          if (early !== undefined) given.abort(early)
        },
        onResponseStart(_controller, statusCode, headers) {
          status = statusCode
          if (statusCode !== 200) retryAfter = textOf(headers['retry-after'])
        },
        onResponseData(_controller, chunk) {
          if (only === undefined) only = chunk
          else (parts ??= [only]).push(chunk)
        },
        onResponseEnd() {
          stop()
          const bytes = parts === undefined ? only : Buffer.concat(parts)
          resolve({ status, retryAfter, text: bytes === undefined ? '' : bytes.toString('utf8') })
        },
        onResponseError(_controller, error) {
          fail(error)
        },
      },
    )
  })
}

/** An answer that is read as it comes. */
export interface OpenedStream {
  readonly status: number
  readonly retryAfter: string | null
  /** @throws TimeoutError, CalledOffError, or the error of the connection */
  readonly body: AsyncIterable<Uint8Array>
  /** Stops the time, for as long as somebody else is to be waited for; the next piece starts it anew. */
  pause(): void
  /** Frees the connection, once: for the next request when all that matters was read, else by closing it. */
  release(isDone: boolean): void
}

/** What may follow the last event of a stream; more is not worth keeping the connection for. */
const TAIL = { limit: 16_384, timeoutMs: 1_000 }

/**
 * Sends a request and gives the answer's body as it comes.
 * @param limits `silenceMs` bounds the wait for the first piece and between two, `timeoutMs` the whole
 * @throws as `exchange`
 */
export async function openStream(
  pool: Pool,
  outgoing: Outgoing,
  limits: {
    readonly silenceMs: number
    readonly timeoutMs: number
    readonly signal: AbortSignal | undefined
  },
): Promise<OpenedStream> {
  const whole = createDeadline(limits.timeoutMs, limits.signal)
  const silence = createDeadline(limits.silenceMs, whole.signal)
  let isReleased = false
  const end = () => {
    whole.end()
    silence.end()
  }
  const explained = (error: unknown): unknown => {
    if (limits.signal?.aborted === true) return new CalledOffError()
    if (whole.isExpired) return new TimeoutError(limits.timeoutMs)
    return silence.isExpired ? new TimeoutError(limits.silenceMs) : error
  }
  try {
    const response = await pool.request({
      method: outgoing.method,
      path: outgoing.path,
      headers: outgoing.headers as string[],
      body: outgoing.body ?? null,
      signal: silence.signal,
    })
    return {
      status: response.statusCode,
      retryAfter: textOf(response.headers['retry-after']),
      body: pieces(response.body, () => silence.renew(), explained),
      pause: () => silence.pause(),
      release(isDone) {
        if (isReleased) return
        isReleased = true
        end()
        void free(response.body, isDone)
      },
    }
  } catch (error) {
    end()
    throw explained(error)
  }
}

async function* pieces(
  body: Dispatcher.ResponseData['body'],
  renew: () => void,
  explained: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      yield piece
      renew()
    }
  } catch (error) {
    throw explained(error)
  }
}

async function free(body: Dispatcher.ResponseData['body'], isDone: boolean): Promise<void> {
  // Closing early is told to the body as an error, which nobody waits for any more.
  body.on('error', () => undefined)
  if (!isDone) body.destroy()
  else
    await body.dump({ limit: TAIL.limit, signal: AbortSignal.timeout(TAIL.timeoutMs) }).catch(() => undefined)
}

function textOf(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null
}
