import { sameAddress, ZERO_ADDRESS, type Address, type Hex } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { intervalAt, lastInterval, subscriptionState, type Subscription } from '../infernet/subscription.js'
import type { DropReason } from './events.js'

export interface GuardContext {
  /** Time of the chain. */
  readonly nowSec: number
  /** Deliveries of the current interval, when it is the last one; null when that was not read. */
  readonly responses: number | null
  /** The node's payment wallet. */
  readonly paymentAddress: Address | null
  readonly findContainers: (containerId: Hex) => readonly NodeContainer[] | null
}

export type Verdict =
  | { readonly accepted: true; readonly containers: readonly NodeContainer[] }
  | { readonly accepted: false; readonly reason: DropReason; readonly message: string }

type Refusal = Extract<Verdict, { accepted: false }>

interface Case {
  readonly subscription: Subscription
  readonly containers: readonly NodeContainer[]
  readonly context: GuardContext
}

/** Once the containers are known, in the order of the reference node. */
const RULES: readonly ((given: Case) => Refusal | null)[] = [
  refuseInternal,
  refuseOwner,
  refuseProof,
  refusePayment,
  refusePaidWork,
]

/**
 * Decides whether this node may answer a subscription.
 * @see infernet.md 4.4; the messages are those of the reference
 */
export function guardSubscription(subscription: Subscription, context: GuardContext): Verdict {
  const finished = refuseFinished(subscription, context)
  if (finished !== null) return finished
  const containers = context.findContainers(subscription.containerId)
  if (containers === null)
    return refuse('containersUnknown', `Container-set not supported: ${subscription.containerId}`)
  for (const rule of RULES) {
    const refusal = rule({ subscription, containers, context })
    if (refusal !== null) return refusal
  }
  return { accepted: true, containers }
}

/** What no node can answer any more. */
export function refuseFinished(
  subscription: Subscription,
  { nowSec, responses }: Pick<GuardContext, 'nowSec' | 'responses'>,
): Refusal | null {
  switch (subscriptionState(subscription, { nowSec, responses: responses ?? 0 })) {
    case 'missing':
      return refuse('missing', 'Subscription not found')
    case 'cancelled':
      return refuse('cancelled', 'Subscription cancelled')
    case 'completed': {
      const last = lastInterval(subscription)
      if (last === 0)
        return refuse('completed', 'Subscription takes no answers: frequency or redundancy is 0')
      return intervalAt(subscription, nowSec) > last
        ? refuse('expired', 'Subscription expired')
        : refuse('completed', 'Subscription completed')
    }
    case 'pending':
    case 'active':
      return null
  }
}

function refuseInternal({ containers }: Case): Refusal | null {
  const [first] = containers
  return first?.external === false
    ? refuse('containerNotExternal', `First container must be external: ${first.id}`)
    : null
}

function refuseOwner({ subscription: { owner }, containers }: Case): Refusal | null {
  const closed = containers.find(
    ({ allowed_addresses: allowed }) =>
      allowed.length > 0 && !allowed.some((address) => sameAddress(address, owner)),
  )
  return closed
    ? refuse('ownerNotAllowed', `Container not allowed for address: ${closed.id}, ${owner}`)
    : null
}

function refuseProof({ subscription: { verifier }, containers }: Case): Refusal | null {
  const last = containers.at(-1)
  return verifier !== ZERO_ADDRESS && last?.generates_proofs === false
    ? refuse('proofNotSupported', `Container does not generate proof: ${last.id}`)
    : null
}

function refusePayment({ subscription, containers, context }: Case): Refusal | null {
  const { paymentAmount: amount, paymentToken: token } = subscription
  if (context.paymentAddress === null && amount > 0n)
    return refuse(
      'paymentInvalid',
      `Invalid payment: ${amount} base units offered, and the node has no wallet`,
    )
  const priced = containers.filter(({ accepted_payments: prices }) => Object.keys(prices).length > 0)
  const other = priced.find(({ accepted_payments: prices }) => prices[token] === undefined)
  if (other) return refuse('paymentInvalid', `Invalid payment: ${other.id} takes no payment in ${token}`)
  const price = priced.reduce((sum, { accepted_payments: prices }) => sum + (prices[token] ?? 0n), 0n)
  return amount < price
    ? refuse(
        'paymentInvalid',
        `Invalid payment: ${amount} base units of ${token} offered, the price is ${price}`,
      )
    : null
}

/** Payments need the node's wallet to be checked, bonds to be tracked and proofs to be settled. */
function refusePaidWork({ subscription: { paymentAmount } }: Case): Refusal | null {
  return paymentAmount > 0n
    ? refuse('paymentNotSupported', 'Paid work: this node answers subscriptions without payment only')
    : null
}

function refuse(reason: DropReason, message: string): Refusal {
  return { accepted: false, reason, message }
}
