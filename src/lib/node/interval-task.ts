import { FlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import type { DelegatedRequest } from '../infernet/delegated-request.js'
import type { NodeContainer } from '../infernet/node-config.js'
import type { Subscription } from '../infernet/subscription.js'
import type { IntervalKey } from './coordinator.js'
import type { CloseReason } from './events.js'
import type { JournaledAnswer } from './journal.js'

export interface IntervalTask extends IntervalKey {
  /** Null when all that is left is to see a signed answer through. */
  readonly subscription: Subscription | null
  readonly fingerprint: Hex
  readonly containers: readonly NodeContainer[]
  /** What came over REST; null for a subscription that is on chain. */
  readonly request: DelegatedRequest | null
  /** Settles when this node brings no delegated subscription like this one on chain at the moment. */
  readonly alone: () => Promise<void>
  /** True when neither this node nor a cancellation can have touched the interval before. */
  readonly isFresh: boolean
  /** True once an answer would come too late, or to another question. */
  readonly isOver: () => boolean
  /** Changes when the subscription was found again after a reorganisation. */
  readonly revision: () => number
  /** Settles when the subscription is known to stand on the chain. */
  readonly settled: () => Promise<void>
  /** Aborts with an error that `closeWith` made. */
  readonly signal: AbortSignal
}

export type IntervalOutcome =
  | {
      readonly kind: 'delivered'
      readonly answer: JournaledAnswer
      readonly txHash: Hex
      readonly blockNumber: number
      readonly blockHash: Hex
      readonly gasUsed: bigint
    }
  | { readonly kind: 'closed'; readonly reason: CloseReason; readonly message: string }

/** A task that can be computed, and not only seen through. */
export type OpenTask = IntervalTask & { readonly subscription: Subscription }

export type Closed = Extract<IntervalOutcome, { kind: 'closed' }>

/** The error that ends the work on an interval from outside. */
export function closeWith(reason: CloseReason, message: string): FlockError {
  return new FlockError('INTERRUPTED', message, { details: { reason } })
}

export function closed(reason: CloseReason, message: string): Closed {
  return { kind: 'closed', reason, message }
}
