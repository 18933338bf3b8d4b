/** How much may pass per minute, by the generic cell rate algorithm (ITU-T I.371, annex A), in exact arithmetic. */

export interface RateVerdict {
  readonly ok: boolean
  /** Until the cost would pass if nothing else did: 0 when it passes, null when it is above the burst and never will. */
  readonly retryAfterMs: number | null
  /** The largest cost that would pass now. */
  readonly remaining: number
  /** Until the whole burst would pass. */
  readonly resetMs: number
}

/** A cost that was charged before it was known. Opaque: it is made by `reserve` and given back to `settle`. */
export interface Reservation {
  readonly cost: number
}

export interface RateLimit {
  readonly perMinute: number
  /** What `take` would say; nothing is charged. */
  check(cost: number): RateVerdict
  /** Charges the cost when it passes. */
  take(cost: number): RateVerdict
  /** As `take`, for a cost that is an estimate. Null when it does not pass. Every reservation has to be settled. */
  reserve(cost: number): Reservation | null
  /**
   * Puts the true cost in the place of the estimate. More than the estimate becomes debt, which delays what comes next;
   * of what was not used, that part comes back which did not run off meanwhile. A second settlement changes nothing.
   */
  settle(reservation: Reservation, used: number): void
}

export interface RateLimitSettings {
  /** Whole number from 1 to 10^9: the products below stay exact in 53 bits. */
  readonly perMinute: number
  /** What may pass at one moment; a minute's worth by default. */
  readonly burst?: number
}

/** What one unit of cost weighs. A millisecond then lifts `perMinute` of weight, so that both are whole numbers. */
const WEIGHT = 60_000

interface OpenReservation extends Reservation {
  /** Weight of it that still lies in the bucket. */
  left: number
  isSettled: boolean
}

/**
 * A rate limit that never lets more than `burst + perMinute * t` pass in any time t, settled reservations counted at
 * their true cost up to the estimate. Of the two usual forms of the algorithm this is the one with a bucket: its level
 * is the theoretical arrival time less the present.
 * @param clock `nowMs` may be any clock: while it stands still or runs backwards nothing runs off, and a jump ahead
 *   empties the bucket at most
 */
export function createRateLimit(
  { perMinute, burst = perMinute }: RateLimitSettings,
  { nowMs }: { readonly nowMs: () => number },
): RateLimit {
  const capacity = burst * WEIGHT
  /** Reservations that still weigh something, the oldest first. */
  const open = new Set<OpenReservation>()
  let openWeight = 0
  let level = 0
  let seenMs = Math.floor(nowMs())

  function drain(): void {
    const now = Math.floor(nowMs())
    const elapsed = now - seenMs
    seenMs = now
    if (elapsed <= 0 || level === 0) return
    level = Math.max(0, level - elapsed * perMinute)
    forgetDrained()
  }

  /**
   * What ran off cannot come back: without this, a refund would make room that time had made already, and more than
   * the burst could pass at once. The oldest reservations run off first.
   */
  function forgetDrained(): void {
    for (const reservation of open) {
      if (openWeight <= level) return
      const gone = Math.min(reservation.left, openWeight - level)
      reservation.left -= gone
      openWeight -= gone
      if (reservation.left === 0) open.delete(reservation)
    }
  }

  function verdict(cost: number): RateVerdict {
    const over = level + cost * WEIGHT - capacity
    return {
      ok: over <= 0,
      retryAfterMs: over <= 0 ? 0 : cost > burst ? null : Math.ceil(over / perMinute),
      remaining: Math.max(0, Math.floor((capacity - level) / WEIGHT)),
      resetMs: Math.ceil(level / perMinute),
    }
  }

  function charge(cost: number): boolean {
    drain()
    if (level + cost * WEIGHT > capacity) return false
    level += cost * WEIGHT
    return true
  }

  return {
    perMinute,
    check(cost) {
      drain()
      return verdict(cost)
    },
    take(cost) {
      return charge(cost) ? verdict(0) : verdict(cost)
    },
    reserve(cost) {
      if (!charge(cost)) return null
      const reservation: OpenReservation = { cost, left: cost * WEIGHT, isSettled: false }
      open.add(reservation)
      openWeight += reservation.left
      return reservation
    },
    settle(reservation, used) {
      const own = reservation as OpenReservation
      if (own.isSettled) return
      drain()
      own.isSettled = true
      open.delete(own)
      openWeight -= own.left
      level += used > own.cost ? (used - own.cost) * WEIGHT : -Math.min(own.left, (own.cost - used) * WEIGHT)
    },
  }
}
