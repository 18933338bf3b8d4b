import type { Address, Hex } from '../hex.js'
import { ZERO_ADDRESS } from '../hex.js'

/** An Infernet subscription, field by field as the Coordinator stores it. Times are unix seconds of the chain. */
export interface Subscription {
  /** Creator and callback target; the zero address when there is no such subscription. */
  readonly owner: Address
  /** Earliest delivery; `CANCELLED_ACTIVE_AT` when cancelled. */
  readonly activeAt: number
  /** Seconds per interval; 0 for a one-off. */
  readonly period: number
  readonly frequency: number
  /** Distinct nodes accepted per interval. */
  readonly redundancy: number
  readonly containerId: Hex
  /** True when outputs go to the Inbox. */
  readonly lazy: boolean
  readonly verifier: Address
  /** Base units of `paymentToken` per accepted delivery. */
  readonly paymentAmount: bigint
  readonly paymentToken: Address
  readonly wallet: Address
}

/** Cancelling moves `activeAt` to the end of uint32 time. */
export const CANCELLED_ACTIVE_AT = 0xffffffff

/**
 * `missing`: never created. `pending`: not active yet. `completed`: nothing can be delivered any more.
 */
export type SubscriptionState = 'missing' | 'cancelled' | 'pending' | 'active' | 'completed'

/**
 * The interval at a time of the chain, by the Coordinator's own unchecked uint32 arithmetic.
 *
 * Like `getSubscriptionInterval` it does not look at activation: before `activeAt` the difference wraps around.
 */
export function intervalAt(subscription: Pick<Subscription, 'activeAt' | 'period'>, nowSec: number): number {
  const { activeAt, period } = subscription
  if (period === 0) return 1
  const elapsed = (nowSec - activeAt) >>> 0
  return (Math.floor(elapsed / period) + 1) >>> 0
}

/** The last interval that can be delivered: a one-off has one, whatever its frequency; 0 when there is none. */
export function lastInterval(
  subscription: Pick<Subscription, 'period' | 'frequency' | 'redundancy'>,
): number {
  const { period, frequency, redundancy } = subscription
  if (redundancy === 0) return 0
  return period === 0 ? Math.min(frequency, 1) : frequency
}

/** When an interval begins; it is over one period later, a one-off never. */
export function intervalStartSec(
  subscription: Pick<Subscription, 'activeAt' | 'period'>,
  interval: number,
): number {
  return subscription.activeAt + (interval - 1) * subscription.period
}

/**
 * Where a subscription stands.
 * @param responses accepted deliveries of the current interval (`redundancyCount`)
 */
export function subscriptionState(
  subscription: Subscription,
  { nowSec, responses }: { readonly nowSec: number; readonly responses: number },
): SubscriptionState {
  if (subscription.owner === ZERO_ADDRESS) return 'missing'
  if (subscription.activeAt === CANCELLED_ACTIVE_AT) return 'cancelled'
  const last = lastInterval(subscription)
  if (last === 0) return 'completed'
  if (nowSec < subscription.activeAt) return 'pending'
  const interval = intervalAt(subscription, nowSec)
  if (interval > last) return 'completed'
  return interval === last && responses >= subscription.redundancy ? 'completed' : 'active'
}
