/** Brings a computed answer on the chain: simulate, write down, send, confirm; every step can be taken up again. */
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { modelHostConsumerArtifact } from '../abi/model-host-consumer.js'
import { usageMeterArtifact } from '../abi/usage-meter.js'
import { walletArtifact } from '../abi/wallet.js'
import type { OutboxMined, OutboxTask, SignedAttempt } from '../chain/outbox-entry.js'
import type { Outbox } from '../chain/outbox.js'
import { toFlockError, type FlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import { backoffMs, sleep } from '../retry.js'
import type { EncodeDelivery } from './delivery-call.js'
import type { CloseReason, EventSink } from './events.js'
import { keyOf, type Journal, type JournaledAnswer, type SignedDelivery } from './journal.js'

export type DeliveryOutcome =
  | {
      readonly kind: 'delivered'
      readonly signed: SignedDelivery
      readonly blockNumber: number
      readonly blockHash: Hex
      readonly gasUsed: bigint
    }
  | ClosedDelivery

export interface ClosedDelivery {
  readonly kind: 'closed'
  readonly reason: CloseReason
  readonly message: string
}

export interface DeliveryContext {
  /** True once the answer would come too late. */
  readonly isOver: () => boolean
  /** Settles when the subscription is known to stand on the chain as it did when it was answered. */
  readonly settled: () => Promise<void>
  readonly isCancelled: () => Promise<boolean>
  /** What the delivery earns, in wei of the native token; null when that cannot be told, as for other tokens. */
  readonly paymentWei: bigint | null
  /** Ends waiting for a better moment. What was signed is seen through. */
  readonly signal: AbortSignal
}

export interface DelivererOptions {
  /** Owns the nonces of the node's account. */
  readonly outbox: Outbox
  readonly encode: EncodeDelivery
  /** What a delivery may use; the estimate is held against it. */
  readonly maxGasLimit: bigint
  /** Least that a delivery has to earn after gas, in wei of the native token; null takes any. */
  readonly minProfitWei: bigint | null
  readonly journal: Journal
  readonly emit: EventSink
  readonly retryDelayMs: number
  /** Pause before an answer is tried again that is a block too early. */
  readonly pollMs: number
  /** Ends even waits for transactions that were sent. */
  readonly stop: AbortSignal
}

export interface Deliverer {
  /** @throws INTERRUPTED, or the signal's reason, with the journal as it stands */
  deliver(answer: JournaledAnswer, context: DeliveryContext): Promise<DeliveryOutcome>
}

/** Refusals by a consumer, in simulation or mined, after which an answer is given up. */
const MAX_REFUSALS = 3
const RETRY_MAX_DELAY_MS = 30_000

const REVERT_INTERFACES = [
  eip712CoordinatorArtifact,
  modelHostConsumerArtifact,
  usageMeterArtifact,
  walletArtifact,
]

/** What the Coordinator's refusals say about an interval. @see infernet.md 1.7 */
const FINAL_REFUSALS: Readonly<Record<string, CloseReason>> = {
  IntervalCompleted: 'raceLost',
  NodeRespondedAlready: 'answered',
  SubscriptionCompleted: 'tooLate',
  SignatureExpired: 'signatureExpired',
}
/** Refusals by the clock of the latest block, which the next one may lift. */
const EARLY_REFUSALS: readonly string[] = [
  'SubscriptionNotActive',
  'IntervalMismatch',
  'SubscriptionNotFound',
]

export function createDeliverer(options: DelivererOptions): Deliverer {
  const { outbox, journal, emit } = options

  async function deliver(given: JournaledAnswer, context: DeliveryContext): Promise<DeliveryOutcome> {
    let answer = given
    let refusals = 0
    let attempt = 0
    for (;;) {
      try {
        return await send(answer, context)
      } catch (error) {
        const fault = toFlockError(error)
        if (context.signal.aborted || options.stop.aborted || fault.kind === 'bug') throw error
        if (needsTooMuchGas(fault)) return gasTooHigh(fault)
        attempt += 1
        // The journal knows of a signature even when the send that followed failed.
        answer = { ...answer, signed: journal.state.answers.get(keyOf(answer))?.signed ?? answer.signed }
        // A transaction that the chain or its pool refused is not mined later; one without an answer may be.
        if (fault.kind !== 'unavailable') answer = await forgetSigned(answer)
        if (answer.signed === null) {
          const reason = finalReason(fault)
          if (reason !== null) return closed(reason, fault.message)
          if (context.isOver()) return tooLate()
        }
        if (isEarly(fault) && (await context.isCancelled()))
          return closed('cancelled', 'The subscription was cancelled.')
        if (fault.code === 'TX_REVERTED' && !isEarly(fault)) refusals += 1
        if (refusals >= MAX_REFUSALS) return closed('deliveryRefused', fault.message)
        await pause(answer, fault, attempt, context.signal)
      }
    }
  }

  async function send(answer: JournaledAnswer, context: DeliveryContext): Promise<DeliveryOutcome> {
    const { id, interval, signed } = answer
    let refusal: ClosedDelivery | null = null
    const task = createTask(answer, context, (closed) => (refusal = closed))
    const mined = await (signed === null ? outbox.send(task) : outbox.resume(task, attemptsOf(signed)))
    if (mined === null) return refusal ?? tooLate()
    const { blockNumber, blockHash, gasUsed } = mined
    await journal.append({ type: 'confirmed', id, interval, blockNumber })
    return { kind: 'delivered', signed: deliveryOf(mined), blockNumber, blockHash, gasUsed }
  }

  function createTask(
    answer: JournaledAnswer,
    context: DeliveryContext,
    refuse: (closed: ClosedDelivery) => void,
  ): OutboxTask {
    const { id, interval } = answer
    return {
      call: options.encode(answer),
      revertInterfaces: REVERT_INTERFACES,
      maxGasLimit: options.maxGasLimit,
      signal: context.signal,
      isWanted: () => !context.isOver(),
      admit: async ({ gas, gasPriceWei }) => {
        await context.settled()
        const refusal = context.isOver() ? tooLate() : unprofitable(gas * gasPriceWei, context.paymentWei)
        if (refusal !== null) refuse(refusal)
        return refusal === null
      },
      onSigned: async ({ hash, raw, nonce }, replaced) => {
        const others = replaced.map((other) => ({ hash: other.hash, raw: other.raw }))
        const earlier = others.length === 0 ? {} : { replaced: others }
        await journal.append({ type: 'signed', id, interval, hash, raw, nonce, ...earlier })
        if (others.length > 0) emit({ type: 'deliveryReplaced', id, interval, txHash: hash, nonce })
      },
      onSent: ({ hash, nonce }) => {
        void journal.append({ type: 'sent', id, interval }).catch(() => undefined)
        emit({ type: 'deliverySent', id, interval, txHash: hash, nonce })
      },
      onStalled: ({ hash }) => emit({ type: 'deliveryPending', id, interval, txHash: hash }),
    }
  }

  function unprofitable(costWei: bigint, paymentWei: bigint | null): ClosedDelivery | null {
    const { minProfitWei } = options
    if (minProfitWei === null || paymentWei === null || paymentWei - costWei >= minProfitWei) return null
    const profit = `${paymentWei} wei paid, ${costWei} wei of gas`
    return closed('unprofitable', `The delivery would earn less than ${minProfitWei} wei: ${profit}.`)
  }

  async function forgetSigned(answer: JournaledAnswer): Promise<JournaledAnswer> {
    const { id, interval } = answer
    if (answer.signed !== null) await journal.append({ type: 'unsigned', id, interval })
    return { ...answer, signed: null }
  }

  async function pause(answer: JournaledAnswer, fault: FlockError, attempt: number, signal: AbortSignal) {
    const { id, interval } = answer
    if (isEarly(fault)) return sleep(options.pollMs, signal)
    const retryInMs = delayMs(attempt)
    emit({
      type: 'deliveryFailed',
      id,
      interval,
      attempt,
      code: fault.code,
      message: fault.message,
      retryInMs,
    })
    return sleep(retryInMs, signal)
  }

  function delayMs(attempt: number): number {
    return Math.round(backoffMs(attempt, { delayMs: options.retryDelayMs, maxDelayMs: RETRY_MAX_DELAY_MS }))
  }

  return { deliver }
}

/** Fees above the limit may fall again; the gas of a call does not. */
function needsTooMuchGas({ code, details }: FlockError): boolean {
  return code === 'FEE_TOO_HIGH' && details.maxGasLimit !== undefined
}

function gasTooHigh({ details: { gas, maxGasLimit } }: FlockError): ClosedDelivery {
  const needs = `The delivery needs ${String(gas)} gas`
  return closed('gasTooHigh', `${needs}, max_gas_limit is ${String(maxGasLimit)}.`)
}

function isEarly(fault: FlockError): boolean {
  return fault.code === 'TX_REVERTED' && EARLY_REFUSALS.includes(String(fault.details.error))
}

/** What was signed for the answer's nonce, oldest first. */
function attemptsOf({ hash, raw, nonce, replaced = [] }: SignedDelivery): SignedAttempt[] {
  return [...replaced.map((other) => ({ ...other, nonce })), { hash, raw, nonce }]
}

function deliveryOf({ signed: { hash, raw, nonce }, replaced }: OutboxMined): SignedDelivery {
  const others = replaced.map((other) => ({ hash: other.hash, raw: other.raw }))
  return { hash, raw, nonce, ...(others.length === 0 ? {} : { replaced: others }) }
}

function finalReason(fault: FlockError): CloseReason | null {
  if (fault.code !== 'TX_REVERTED') return null
  return FINAL_REFUSALS[String(fault.details.error)] ?? null
}

function tooLate(): ClosedDelivery {
  return closed('tooLate', 'The interval ended before its answer was sent.')
}

function closed(reason: CloseReason, message: string): ClosedDelivery {
  return { kind: 'closed', reason, message }
}
