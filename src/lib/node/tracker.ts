import type { Hex } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import {
  CANCELLED_ACTIVE_AT,
  intervalAt,
  intervalStartSec,
  lastInterval,
  type Subscription,
} from '../infernet/subscription.js'

/** A subscription that this node serves. */
export interface Tracked {
  readonly id: number
  readonly subscription: Subscription
  readonly fingerprint: Hex
  readonly containers: readonly NodeContainer[]
  /** True when it appeared while the node was watching, so that this node cannot have answered it before. */
  readonly isFresh: boolean
  /** The highest interval that was begun; 0 before the first. */
  readonly handledInterval: number
  /** How often blocks that held it were replaced and it was found again. */
  readonly revision: number
  /** True between a reorganisation and the next sight of it. */
  readonly isVoid: boolean
}

/** What the passing of time asks for. */
export type Due =
  | {
      readonly type: 'begin'
      readonly tracked: Tracked
      readonly interval: number
      readonly missedFrom: number | null
    }
  /** The last interval is over. */
  | { readonly type: 'expired'; readonly tracked: Tracked }

export interface Tracker {
  readonly size: number
  get(id: number): Tracked | undefined
  values(): IterableIterator<Tracked>
  put(tracked: Tracked): void
  remove(id: number): void
  /** Everything that is due by now; each interval is given out once. */
  takeDue(nowSec: number): Due[]
}

/** Keeps subscriptions and the time of the next interval, so that looking costs nothing before it. */
export function createTracker(): Tracker {
  const byId = new Map<number, Tracked>()
  let nextDueSec = 0
  return {
    get size() {
      return byId.size
    },
    get: (id) => byId.get(id),
    values: () => byId.values(),
    put(tracked) {
      byId.set(tracked.id, tracked)
      nextDueSec = 0
    },
    remove(id) {
      byId.delete(id)
    },
    takeDue(nowSec) {
      if (nowSec < nextDueSec) return []
      const due: Due[] = []
      nextDueSec = Number.POSITIVE_INFINITY
      for (const tracked of byId.values()) {
        if (tracked.isVoid) continue
        const next = dueOf(tracked, nowSec)
        if (next?.type === 'begin') byId.set(tracked.id, { ...tracked, handledInterval: next.interval })
        if (next !== null) due.push(next)
        nextDueSec = Math.min(nextDueSec, changesAtSec(tracked.subscription, nowSec))
      }
      return due
    },
  }
}

function dueOf(tracked: Tracked, nowSec: number): Due | null {
  const { subscription, handledInterval } = tracked
  if (nowSec < subscription.activeAt) return null
  const interval = intervalAt(subscription, nowSec)
  if (interval > lastInterval(subscription)) return { type: 'expired', tracked }
  if (interval <= handledInterval) return null
  const isGap = interval > handledInterval + 1 && (handledInterval > 0 || tracked.isFresh)
  return { type: 'begin', tracked, interval, missedFrom: isGap ? handledInterval + 1 : null }
}

/** The next time at which `dueOf` may say something else. */
function changesAtSec(subscription: Subscription, nowSec: number): number {
  const { activeAt, period } = subscription
  if (activeAt === CANCELLED_ACTIVE_AT) return Number.POSITIVE_INFINITY
  if (nowSec < activeAt) return activeAt
  return period === 0
    ? Number.POSITIVE_INFINITY
    : intervalStartSec(subscription, intervalAt(subscription, nowSec) + 1)
}
