import { sameAddress, ZERO_ADDRESS, type Address, type Hex } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { intervalAt, lastInterval, subscriptionState, type Subscription } from '../infernet/subscription.js'
import type { GuardRefusal } from './delegated-intake.js'
import type { DropReason } from './events.js'

export interface GuardContext {
  /** Time of the chain. */
  readonly nowSec: number
  /** Deliveries of the current interval, when it is the last one; null when that was not read. */
  readonly responses: number | null
  /** The node's payment wallet. */
  readonly paymentAddress: Address | null
  readonly findContainers: (containerId: Hex) => readonly NodeContainer[] | null
  /** Null for a subscription that is on chain already. */
  readonly delegated: { readonly requiresProof: boolean } | null
}

export type Verdict =
  | { readonly accepted: true; readonly containers: readonly NodeContainer[] }
  | {
      readonly accepted: false
      readonly reason: DropReason
      readonly message: string
      /** The same for who asked over REST. */
      readonly refusal: GuardRefusal
    }

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
    return refuse(
      'containersUnknown',
      context.delegated === null ? 'Container-set not supported' : 'Container not supported',
      {
        container: subscription.containerId,
      },
    )
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
    ? refuse(
        'containerNotExternal',
        'First container must be external',
        { first_container: first.id },
        first.id,
      )
    : null
}

function refuseOwner({ subscription: { owner }, containers, context }: Case): Refusal | null {
  const list = context.delegated === null ? 'allowed_addresses' : 'allowed_delegate_addresses'
  const closed = containers.find(
    ({ [list]: allowed }) => allowed.length > 0 && !allowed.some((address) => sameAddress(address, owner)),
  )
  return closed
    ? refuse(
        'ownerNotAllowed',
        'Container not allowed for address',
        { container: closed.id, address: owner },
        `${closed.id}, ${owner}`,
      )
    : null
}

function refuseProof({ subscription: { verifier }, containers, context }: Case): Refusal | null {
  const last = containers.at(-1)
  const isWanted = verifier !== ZERO_ADDRESS || context.delegated?.requiresProof === true
  return isWanted && last?.generates_proofs === false
    ? refuse('proofNotSupported', 'Container does not generate proof', { container: last.id }, last.id)
    : null
}

function refusePayment({ subscription, containers, context }: Case): Refusal | null {
  const { paymentAmount: amount, paymentToken: token } = subscription
  const refusePay = (detail: string) =>
    refuse('paymentInvalid', 'Invalid payment', { amount: `${amount}`, token }, detail)
  if (context.paymentAddress === null && amount > 0n)
    return refusePay(`${amount} base units offered, and the node has no wallet`)
  const priced = containers.filter(({ accepted_payments: prices }) => Object.keys(prices).length > 0)
  const other = priced.find(({ accepted_payments: prices }) => prices[token] === undefined)
  if (other) return refusePay(`${other.id} takes no payment in ${token}`)
  const price = priced.reduce((sum, { accepted_payments: prices }) => sum + (prices[token] ?? 0n), 0n)
  return amount < price ? refusePay(`${amount} base units of ${token} offered, the price is ${price}`) : null
}

/**
 * @param error in the words of the reference, which clients of the REST face may compare
 * @param detail for the operator
 */
function refuse(
  reason: DropReason,
  error: string,
  params: Readonly<Record<string, string>> = {},
  detail = Object.values(params).join(', '),
): Refusal {
  const message = detail === '' ? error : `${error}: ${detail}`
  return { accepted: false, reason, message, refusal: { error, params } }
}
