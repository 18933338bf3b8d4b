import { constants } from 'node:os'
import { FlockError, toFlockError } from '../errors.js'
import type { Logger } from '../log.js'

export type StopSignal = 'SIGINT' | 'SIGTERM'

/** Turns the first SIGINT or SIGTERM into an abort; a second one, or slow clean-up, ends the process at once. */
export interface SignalWatch {
  readonly signal: AbortSignal
  /** The signal that came, if any. */
  readonly received: StopSignal | null
  /** Aborts for another reason, for instance a closed pipe; the same time for clean-up is given. */
  abort(reason: Error, exitStatus: number): void
  close(): void
}

/**
 * @param cleanUpMs how long the command may take to end after the first signal
 * @param leave ends the process with a status
 */
export function watchSignals(options: {
  cleanUpMs: number
  leave: (status: number) => void
  onFirst?: (signal: StopSignal) => void
}): SignalWatch {
  const controller = new AbortController()
  let received: StopSignal | null = null
  let timer: NodeJS.Timeout | undefined

  const abort = (reason: Error, exitStatus: number) => {
    if (controller.signal.aborted) return
    timer = setTimeout(() => options.leave(exitStatus), options.cleanUpMs)
    timer.unref()
    controller.abort(reason)
  }
  const onSignal = (signal: StopSignal) => {
    const status = signalStatus(signal)
    if (controller.signal.aborted) return options.leave(status)
    received = signal
    options.onFirst?.(signal)
    abort(new FlockError('INTERRUPTED', `Stopped by ${signal}.`, { details: { signal } }), status)
  }

  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    get received() {
      return received
    },
    abort,
    close() {
      clearTimeout(timer)
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}

/**
 * Calls back on each SIGHUP, by which services are told to read their configuration again, until it is closed. What goes
 * wrong then is logged: the service goes on as it was.
 */
export function watchHangups(reload: () => Promise<void>, log: Logger): { close(): void } {
  let last = Promise.resolve()
  const onHangup = () => {
    // One after the other: the file that was read last counts.
    last = last.then(reload).catch((thrown: unknown) => {
      const { code, message, details } = toFlockError(thrown)
      log.error('The configuration was not changed.', { code, reason: message, ...details })
    })
  }
  process.on('SIGHUP', onHangup)
  return {
    close() {
      process.off('SIGHUP', onHangup)
    },
  }
}

/** 130 for SIGINT, 143 for SIGTERM. */
export function signalStatus(signal: StopSignal): number {
  return 128 + constants.signals[signal]
}

/** The reader of stdout went away; by custom that ends a program without a complaint. */
export class ClosedPipe extends Error {}
