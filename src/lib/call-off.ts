/** Calling off work under way, for work that is called off once in a thousand times. */

/** Says whether work is still wanted. An AbortSignal is one, too. */
export interface CallOffSignal {
  readonly aborted: boolean
  /** A listener is called once at most, and not at all when the work was called off before. */
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface CallOff extends CallOffSignal {
  abort(): void
}

/**
 * What an AbortController and its signal do, without the events, errors and weak references that make one of those
 * cost as much as a whole request beside it.
 */
export function createCallOff(): CallOff {
  const listeners: (() => void)[] = []
  const callOff = {
    // No getter: V8 makes a shape of its own for each object with one, and keeps it for long.
    aborted: false,
    addEventListener(_type: 'abort', listener: () => void) {
      if (!callOff.aborted && !listeners.includes(listener)) listeners.push(listener)
    },
    removeEventListener(_type: 'abort', listener: () => void) {
      const at = listeners.indexOf(listener)
      if (at >= 0) listeners.splice(at, 1)
    },
    abort() {
      callOff.aborted = true
      // One listener may take away another one.
      for (let listener = listeners.shift(); listener !== undefined; listener = listeners.shift()) listener()
    },
  }
  return callOff
}
