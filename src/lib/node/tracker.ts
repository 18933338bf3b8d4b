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
  values(): Iterable<Tracked>
  put(tracked: Tracked): void
  remove(id: number): void
  /** Everything that is due by now; each interval is given out once. */
  takeDue(nowSec: number): Due[]
}

/** Keeps subscriptions with the time of their next interval on a heap, so that looking costs what is due and no more. */
export function createTracker(): Tracker {
  const byId = new Map<number, Kept>()
  let heap: Kept[] = []
  /** Places on the heap that nobody needs any more. */
  let goneCount = 0

  /** Gives a place up. It stays on the heap until it comes first, or until most of the heap is such places. */
  function giveUp(kept: Kept): void {
    if (kept.isGone || kept.dueSec === Number.POSITIVE_INFINITY) return
    kept.isGone = true
    goneCount += 1
    if (goneCount * 2 <= Math.max(heap.length, SMALL_HEAP)) return
    // A sorted list is a heap.
    heap = heap.filter(({ isGone }) => !isGone).sort((a, b) => a.dueSec - b.dueSec)
    goneCount = 0
  }

  function put(tracked: Tracked): void {
    const before = byId.get(tracked.id)
    const dueSec = nextDueSec(tracked)
    if (before?.dueSec === dueSec) {
      before.tracked = tracked
      return
    }
    if (before !== undefined) giveUp(before)
    const kept = { tracked, dueSec, isGone: false }
    byId.set(tracked.id, kept)
    if (dueSec !== Number.POSITIVE_INFINITY) push(heap, kept)
  }

  return {
    get size() {
      return byId.size
    },
    get: (id) => byId.get(id)?.tracked,
    *values() {
      for (const { tracked } of byId.values()) yield tracked
    },
    put,
    remove(id) {
      const kept = byId.get(id)
      if (kept !== undefined) giveUp(kept)
      byId.delete(id)
    },
    takeDue(nowSec) {
      const due: Due[] = []
      for (let first = heap[0]; first !== undefined && first.dueSec <= nowSec; first = heap[0]) {
        pop(heap)
        if (first.isGone) {
          goneCount -= 1
          continue
        }
        const { tracked } = first
        const next = dueOf(tracked, nowSec)
        due.push(next)
        // It left the heap, so that the next `put` has to give it a place again.
        first.dueSec = Number.POSITIVE_INFINITY
        if (next.type === 'begin') put({ ...tracked, handledInterval: next.interval })
      }
      return due
    },
  }
}

/** A heap smaller than this is left as it is, whatever stands on it. */
const SMALL_HEAP = 1_000

/** A subscription with its place on the heap, where it has one while `dueSec` is finite. */
interface Kept {
  tracked: Tracked
  dueSec: number
  isGone: boolean
}

/** The first second at which something is due; what it is depends on when somebody looks. */
function nextDueSec({ subscription, handledInterval, isVoid }: Tracked): number {
  const { activeAt, period } = subscription
  if (isVoid || activeAt === CANCELLED_ACTIVE_AT) return Number.POSITIVE_INFINITY
  if (handledInterval === 0) return activeAt
  return period === 0 ? Number.POSITIVE_INFINITY : intervalStartSec(subscription, handledInterval + 1)
}

/** @param nowSec `nextDueSec` of it or later */
function dueOf(tracked: Tracked, nowSec: number): Due {
  const { subscription, handledInterval } = tracked
  const interval = intervalAt(subscription, nowSec)
  if (interval > lastInterval(subscription)) return { type: 'expired', tracked }
  const isGap = interval > handledInterval + 1 && (handledInterval > 0 || tracked.isFresh)
  return { type: 'begin', tracked, interval, missedFrom: isGap ? handledInterval + 1 : null }
}

function push(heap: Kept[], kept: Kept): void {
  let at = heap.length
  heap.push(kept)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent] as Kept
    if (above.dueSec <= kept.dueSec) break
    heap[at] = above
    at = parent
  }
  heap[at] = kept
}

function pop(heap: Kept[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    const right = heap[child + 1]
    if (right !== undefined && right.dueSec < (heap[child] as Kept).dueSec) child += 1
    const below = heap[child] as Kept
    if (below.dueSec >= last.dueSec) break
    heap[at] = below
    at = child
  }
  heap[at] = last
}
