/** Sorts found subscriptions into those that this node serves and those it does not. */
import type { NodeContainer } from '../infernet/node-config.js'
import { intervalAt, lastInterval, type Subscription } from '../infernet/subscription.js'
import type { CoordinatorView, Head } from './coordinator.js'
import type { FoundSubscription } from './discover.js'
import type { DropReason } from './events.js'
import type { Funding } from './funding.js'
import { guardSubscription, type GuardContext } from './guard.js'
import type { IntervalOutcome } from './interval-task.js'

export interface AcceptedSubscription extends FoundSubscription {
  readonly containers: readonly NodeContainer[]
}

export interface RefusedSubscription {
  readonly id: number
  readonly reason: DropReason
  readonly message: string
}

export interface JudgeContext extends Omit<GuardContext, 'delegated'> {
  readonly view: CoordinatorView
  readonly funding: Pick<Funding, 'look'>
  readonly head: Head
  /** Old subscriptions are mostly answered already; one call tells of a whole batch which are. */
  readonly areOld: boolean
}

/** @throws RPC_UNREACHABLE, RPC_FAILED */
export async function judgeSubscriptions(
  found: readonly FoundSubscription[],
  context: JudgeContext,
): Promise<{
  readonly accepted: readonly AcceptedSubscription[]
  readonly refused: readonly RefusedSubscription[]
}> {
  const refused: RefusedSubscription[] = []
  const accepted: AcceptedSubscription[] = []
  for (const { id, subscription } of found) {
    const verdict = guardSubscription(subscription, { ...context, delegated: null })
    if (verdict.accepted) accepted.push({ id, subscription, containers: verdict.containers })
    else refused.push({ id, reason: verdict.reason, message: verdict.message })
  }
  const filled = context.areOld ? await findFilled(accepted, context) : new Set<number>()
  for (const id of filled) refused.push({ id, reason: 'completed', message: 'Subscription completed' })
  const open = accepted.filter(({ id }) => !filled.has(id))
  const unpayable = await findUnpayable(open, context)
  for (const [id, message] of unpayable) refused.push({ id, reason: 'paymentInvalid', message })
  return { accepted: open.filter(({ id }) => !unpayable.has(id)), refused }
}

/** Paid ones whose wallet the Coordinator never takes. One that only lacks funds may be filled in time. */
async function findUnpayable(
  accepted: readonly AcceptedSubscription[],
  { funding, head }: JudgeContext,
): Promise<ReadonlyMap<number, string>> {
  const paid = accepted.filter(({ subscription }) => subscription.paymentAmount > 0n)
  if (paid.length === 0) return new Map()
  const faults = await funding.look(
    paid.map(({ subscription }) => subscription),
    head.number,
  )
  return new Map(
    paid.flatMap(({ id }, index): [number, string][] => {
      const fault = faults[index] ?? null
      return fault?.isFinal === true ? [[id, `Invalid payment: ${fault.message}`]] : []
    }),
  )
}

/** Those on their last interval, which has all its answers. */
async function findFilled(
  accepted: readonly AcceptedSubscription[],
  { view, head, nowSec }: JudgeContext,
): Promise<ReadonlySet<number>> {
  const onLast = accepted.filter(
    ({ subscription }) =>
      nowSec >= subscription.activeAt && intervalAt(subscription, nowSec) === lastInterval(subscription),
  )
  if (onLast.length === 0) return new Set()
  const keys = onLast.map(({ id, subscription }) => ({ id, interval: lastInterval(subscription) }))
  const counts = await view.readResponsesBatch(keys, head.number)
  const isFilled = ({ subscription }: AcceptedSubscription, at: number) =>
    (counts[at] ?? 0) >= subscription.redundancy
  return new Set(onLast.filter(isFilled).map(({ id }) => id))
}

/**
 * Why a subscription is done with after an interval; null while others follow. A delegated one is done with as soon as it
 * is on chain, where it goes on under another id.
 */
export function dropAfter(
  subscription: Subscription,
  interval: number,
  outcome: IntervalOutcome,
  isDelegated = false,
): { readonly reason: DropReason; readonly message: string } | null {
  const reason = outcome.kind === 'delivered' ? 'delivered' : outcome.reason
  const message = outcome.kind === 'delivered' ? 'Subscription completed' : outcome.message
  switch (reason) {
    case 'cancelled':
    case 'missing':
    case 'paymentInvalid':
      return { reason, message }
    case 'signatureExpired':
      return { reason: 'expired', message }
    case 'stopped':
    case 'reorged':
      return null
    case 'delivered':
    case 'answered':
    case 'filled':
    case 'raceLost':
      return isDelegated || interval >= lastInterval(subscription)
        ? { reason: 'completed', message: 'Subscription completed' }
        : null
    default:
      return interval >= lastInterval(subscription) ? { reason: 'gaveUp', message } : null
  }
}
