/** Sends requests to model servers. The only HTTP client of the service. */
import type { CallOffSignal } from '../call-off.js'
import type { Dispatcher, Pool } from 'undici'

/** A request as it goes out. */
export interface Outgoing {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body?: string
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

/** Who is told what becomes of a request: the beginning of its answer, the pieces of its body, then its end or its failure. */
export interface Receiver {
  begun(status: number, retryAfter: string | null): void
  piece(bytes: Buffer): void
  ended(): void
  failed(error: Error): void
}

/** A request under way. */
export interface Sent {
  /** Closes its connection; the receiver is told of this failure. */
  giveUp(reason: Error): void
  /** Does not mind any more when the caller goes away. */
  detach(): void
  pause(): void
  resume(): void
}

/**
 * Sends a request. Works on undici's dispatcher itself: its streams and abort signals cost as much as all else that is
 * done for a request.
 */
export function send(
  pool: Pool,
  { method, path, headers, body }: Outgoing,
  signal: CallOffSignal | undefined,
  receiver: Receiver,
): Sent {
  let controller: Dispatcher.DispatchController | undefined
  let early: Error | undefined
  let isOver = false
  const onAbort = () => giveUp(new CalledOffError())
  const detach = () => signal?.removeEventListener('abort', onAbort)
  const finish = () => {
    isOver = true
    detach()
  }
  const fail = (error: Error) => {
    if (isOver) return
    finish()
    receiver.failed(early ?? error)
  }
  function giveUp(reason: Error): void {
    if (isOver) return
    early ??= reason
    // Nothing was sent yet; should its turn come all the same, it is taken back.
    if (controller === undefined) fail(early)
    else controller.abort(early)
  }
  if (signal?.aborted === true) {
    early = new CalledOffError()
    fail(early)
  } else {
    signal?.addEventListener('abort', onAbort)
    pool.dispatch(
      { method, path, headers: headers as string[], body: body ?? null },
      {
        onRequestStart(given) {
          controller = given
          if (early !== undefined) given.abort(early)
        },
        onResponseStart(_controller, status, given) {
          receiver.begun(status, status === 200 ? null : textOf(given['retry-after']))
        },
        onResponseData(_controller, bytes) {
          receiver.piece(bytes)
        },
        onResponseEnd() {
          finish()
          receiver.ended()
        },
        onResponseError(_controller, error) {
          fail(error)
        },
      },
    )
  }
  return {
    giveUp,
    detach,
    pause: () => controller?.pause(),
    resume: () => controller?.resume(),
  }
}

function textOf(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null
}
