/** Looks, before an interval is computed, whether it still wants an answer and will be paid for. */
import { FlockError } from '../errors.js'
import { ZERO_ADDRESS, type Address, type Hex } from '../hex.js'
import { CANCELLED_ACTIVE_AT, type Subscription } from '../infernet/subscription.js'
import type { CoordinatorView } from './coordinator.js'
import type { EventSink } from './events.js'
import type { Funding } from './funding.js'
import { closed, closeWith, type Closed, type IntervalTask, type OpenTask } from './interval-task.js'
import type { PaymentFault } from './wallets.js'

export interface Checked {
  /** What the consumer gives; null for a delegated subscription, which brings its data along. */
  readonly inputs: Hex | null
  /** Why it would not be paid for as things stand. */
  readonly payment: PaymentFault | null
}

export interface Checker {
  /** Everything in one round of calls. @throws RPC_UNREACHABLE, RPC_FAILED */
  check(task: OpenTask, timestampSec: number): Promise<Closed | Checked>
  /** Null for free work, too. @throws RPC_UNREACHABLE, RPC_FAILED */
  lookAtPayment(task: OpenTask): Promise<PaymentFault | null>
  /** Waits for the wallet that pays to be filled. @throws INTERRUPTED when that can never be */
  awaitPayment(task: OpenTask, now: PaymentFault): Promise<void>
  isCancelled(task: IntervalTask): Promise<boolean>
}

export interface CheckerOptions {
  readonly view: CoordinatorView
  readonly funding: Funding
  readonly node: Address
  /** Time of the chain. */
  readonly nowSec: () => number
  readonly blockTag: () => number
  /** The id under which a delegated subscription was created; 0 when it was not. */
  readonly idOnChain: (id: number) => Promise<number>
  readonly emit: EventSink
}

export function createChecker(options: CheckerOptions): Checker {
  const { view, node, emit } = options

  async function check(task: OpenTask, timestampSec: number): Promise<Closed | Checked> {
    const { subscription, isFresh, request, interval } = task
    const blockTag = options.blockTag()
    const id = await options.idOnChain(task.id)
    if (id === 0)
      return request !== null && options.nowSec() >= request.expiry
        ? closed('signatureExpired', 'The signature of the delegated subscription expired.')
        : { inputs: null, payment: await lookAtPayment(task) }
    const key = { id, interval }
    const [responses, hasResponded, now, inputs, payment] = await Promise.all([
      view.readResponses(key, blockTag),
      isFresh ? false : view.hasResponded(key, node, blockTag),
      isFresh ? subscription : read(id),
      request === null ? view.readInputs(subscription.owner, key, { timestampSec, node, blockTag }) : null,
      lookAtPayment(task),
    ])
    if (now.owner === ZERO_ADDRESS) return closed('missing', 'The subscription is not on the chain.')
    if (now.activeAt === CANCELLED_ACTIVE_AT) return closed('cancelled', 'The subscription was cancelled.')
    if (hasResponded) return closed('answered', 'This node has answered the interval before.')
    if (responses >= subscription.redundancy)
      return closed('filled', `The interval has its ${subscription.redundancy} answers.`)
    return { inputs, payment }
  }

  async function lookAtPayment({ subscription }: OpenTask): Promise<PaymentFault | null> {
    if (subscription.paymentAmount === 0n) return null
    const [fault] = await options.funding.look([subscription], options.blockTag())
    return fault ?? null
  }

  async function awaitPayment({ id, interval, subscription, signal }: OpenTask, now: PaymentFault) {
    emit({ type: 'paymentAwaited', id, interval, message: now.message })
    const fault = now.isFinal ? now : await options.funding.untilPayable(subscription, signal)
    if (fault !== null) throw closeWith('paymentInvalid', `Invalid payment: ${fault.message}`)
  }

  async function isCancelled(task: IntervalTask): Promise<boolean> {
    const id = await options.idOnChain(task.id)
    return id !== 0 && (await read(id)).activeAt === CANCELLED_ACTIVE_AT
  }

  /** The subscription as it stands now. */
  async function read(id: number): Promise<Subscription> {
    const [row] = await view.readSubscriptions(id, id, options.blockTag())
    if (row === undefined) throw new FlockError('INTERNAL', `The Reader gave nothing for subscription ${id}.`)
    return row
  }

  return { check, lookAtPayment, awaitPayment, isCancelled }
}
