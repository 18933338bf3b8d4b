/** The nonces of one account: read from the chain once, then owned here. */

export interface Nonces {
  /** The lowest one that is free. */
  take(): Promise<number>
  /** Gives back one whose transaction never left, or was refused by everybody. */
  release(nonce: number): void
  /** Keeps one from being taken. */
  claim(nonce: number): void
  /** Asks the chain again before the next one is taken: somebody else used the account. */
  resync(): void
}

/**
 * @param readPending the account's next nonce after all pending transactions
 * @param reserved nonces of transactions that were signed before and are still to be followed
 */
export function createNonces(readPending: () => Promise<number>, reserved: readonly number[]): Nonces {
  let next = 0
  let free: number[] = []
  let isKnown = false
  let wasKnown = false
  let asking: Promise<number> | null = null

  function learn(pending: number): void {
    if (isKnown) return
    isKnown = true
    free = free.filter((nonce) => nonce >= pending)
    if (!wasKnown) {
      next = Math.max(next, pending, ...reserved.map((nonce) => nonce + 1))
      for (let nonce = pending; nonce < next; nonce += 1) if (!reserved.includes(nonce)) free.push(nonce)
      free.sort((a, b) => a - b)
    }
    next = Math.max(next, pending)
    wasKnown = true
  }

  return {
    async take() {
      while (!isKnown) {
        asking ??= readPending().finally(() => (asking = null))
        learn(await asking)
      }
      return free.shift() ?? next++
    },
    release(nonce) {
      if (free.includes(nonce)) return
      free.push(nonce)
      free.sort((a, b) => a - b)
    },
    claim(nonce) {
      free = free.filter((other) => other !== nonce)
      if (wasKnown) next = Math.max(next, nonce + 1)
    },
    resync() {
      isKnown = false
    },
  }
}
