import { intervalAt, type Subscription } from '../infernet/subscription.js'

/** Time of the chain, which goes on between blocks as the clock of this machine does. */
export interface ChainClock {
  nowSec(): number
  /** Takes the timestamp of the latest block. */
  set(timestampSec: number): void
}

/** @param now milliseconds; only differences count */
export function createChainClock(now: () => number): ChainClock {
  let last: { readonly timestampSec: number; readonly seenAtMs: number } | null = null
  return {
    nowSec() {
      if (last === null) return 0
      return last.timestampSec + Math.max(0, Math.floor((now() - last.seenAtMs) / 1000))
    },
    set(timestampSec) {
      if (last?.timestampSec !== timestampSec) last = { timestampSec, seenAtMs: now() }
    },
  }
}

/** True once a later interval runs. Before activation the protocol's own arithmetic would wrap around. */
export function isPast(subscription: Subscription, interval: number, nowSec: number): boolean {
  return nowSec >= subscription.activeAt && intervalAt(subscription, nowSec) > interval
}
