/** A time limit that can be extended, joined with a signal of the caller. */
export interface Deadline {
  readonly signal: AbortSignal
  /** True once the time ran out, as opposed to the caller giving up. */
  readonly isExpired: boolean
  /** Starts the time anew. */
  renew(): void
  /** Stops the time, for as long as somebody else is to be waited for. */
  pause(): void
  end(): void
}

export function createDeadline(timeoutMs: number, parent: AbortSignal | undefined): Deadline {
  const controller = new AbortController()
  let isExpired = false
  let timer: NodeJS.Timeout | undefined
  const expire = () => {
    isExpired = true
    controller.abort()
  }
  const giveUp = () => controller.abort()
  const pause = () => clearTimeout(timer)
  const renew = () => {
    pause()
    timer = setTimeout(expire, timeoutMs)
  }
  if (parent?.aborted === true) giveUp()
  parent?.addEventListener('abort', giveUp, { once: true })
  renew()
  return {
    signal: controller.signal,
    get isExpired() {
      return isExpired
    },
    renew,
    pause,
    end() {
      pause()
      parent?.removeEventListener('abort', giveUp)
    },
  }
}
