/** Sorts found subscriptions into those that this node serves and those it does not. */
import type { Address } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { intervalAt, lastInterval, type Subscription } from '../infernet/subscription.js'
import type { IntervalOutcome } from './answer.js'
import type { ContainerIndex } from './container-index.js'
import type { CoordinatorView, Head } from './coordinator.js'
import type { FoundSubscription } from './discover.js'
import type { DropReason } from './events.js'
import { guardSubscription } from './guard.js'

export interface AcceptedSubscription extends FoundSubscription {
  readonly containers: readonly NodeContainer[]
}

export interface RefusedSubscription {
  readonly id: number
  readonly reason: DropReason
  readonly message: string
}

export interface JudgeContext {
  readonly view: CoordinatorView
  readonly head: Head
  readonly nowSec: number
  readonly paymentAddress: Address | null
  readonly index: ContainerIndex
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
    const verdict = guardSubscription(subscription, {
      nowSec: context.nowSec,
      responses: null,
      paymentAddress: context.paymentAddress,
      findContainers: (containerId) => context.index.find(containerId),
    })
    if (verdict.accepted) accepted.push({ id, subscription, containers: verdict.containers })
    else refused.push({ id, reason: verdict.reason, message: verdict.message })
  }
  const filled = context.areOld ? await findFilled(accepted, context) : new Set<number>()
  for (const id of filled) refused.push({ id, reason: 'completed', message: 'Subscription completed' })
  return { accepted: accepted.filter(({ id }) => !filled.has(id)), refused }
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

/** Why a subscription is done with after an interval; null while others follow. */
export function dropAfter(
  subscription: Subscription,
  interval: number,
  outcome: IntervalOutcome,
): { readonly reason: DropReason; readonly message: string } | null {
  const reason = outcome.kind === 'delivered' ? 'delivered' : outcome.reason
  const message = outcome.kind === 'delivered' ? 'Subscription completed' : outcome.message
  switch (reason) {
    case 'cancelled':
    case 'missing':
      return { reason, message }
    case 'stopped':
    case 'reorged':
      return null
    case 'delivered':
    case 'answered':
    case 'filled':
    case 'raceLost':
      return interval >= lastInterval(subscription)
        ? { reason: 'completed', message: 'Subscription completed' }
        : null
    default:
      return interval >= lastInterval(subscription) ? { reason: 'gaveUp', message } : null
  }
}
