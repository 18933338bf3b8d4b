/** Brings a computed answer on the chain: simulate, write down, send, confirm; every step can be taken up again. */
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { modelHostConsumerArtifact } from '../abi/model-host-consumer.js'
import { usageMeterArtifact } from '../abi/usage-meter.js'
import { walletArtifact } from '../abi/wallet.js'
import { broadcast } from '../chain/broadcast.js'
import type { Chain } from '../chain/provider.js'
import type { ChainSigner } from '../chain/signer.js'
import { prepareTransaction, simulateTransaction, withGasMargin } from '../chain/transact.js'
import { findTransaction, waitForTransaction } from '../chain/wait.js'
import { isFlockError, toFlockError, type FlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import { backoffMs, sleep } from '../retry.js'
import type { EncodeDelivery } from './delivery-call.js'
import type { CloseReason, EventSink } from './events.js'
import type { Journal, JournaledAnswer, SignedDelivery } from './journal.js'

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
  /** Ends waiting for a better moment. What was signed is seen through. */
  readonly signal: AbortSignal
}

export interface DelivererOptions {
  readonly chain: Chain
  readonly signer: ChainSigner
  readonly encode: EncodeDelivery
  readonly maxGasLimit: bigint
  readonly journal: Journal
  readonly emit: EventSink
  readonly retryDelayMs: number
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
/** Longer than several blocks; then the operator hears of it and the wait goes on. */
const PENDING_AFTER_MS = 120_000

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
  const { chain, signer, journal, emit } = options

  async function deliver(given: JournaledAnswer, context: DeliveryContext): Promise<DeliveryOutcome> {
    let answer = given
    let refusals = 0
    let attempt = 0
    for (;;) {
      try {
        const signed =
          answer.signed === null
            ? await send(answer, context)
            : await sendAgain(answer, answer.signed, context)
        if ('kind' in signed) return signed
        answer = { ...answer, signed }
        return await confirm(answer, signed)
      } catch (error) {
        const fault = toFlockError(error)
        if (context.signal.aborted || options.stop.aborted || fault.kind === 'bug') throw error
        attempt += 1
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

  /** Simulates, signs and sends, as the only one of this account who does. */
  function send(answer: JournaledAnswer, context: DeliveryContext): Promise<SignedDelivery | ClosedDelivery> {
    return signer.inTurn(async () => {
      await context.settled()
      context.signal.throwIfAborted()
      if (context.isOver()) return tooLate()
      const request = options.encode(answer)
      const prepare = (gasLimit?: bigint) =>
        prepareTransaction(chain, signer, gasLimit === undefined ? request : { ...request, gasLimit }, {
          revertInterfaces: REVERT_INTERFACES,
        })
      let prepared = await prepare()
      if (prepared.gasLimit > withGasMargin(options.maxGasLimit)) return gasTooHigh(prepared.gasLimit)
      if (prepared.gasLimit > options.maxGasLimit) prepared = await prepare(options.maxGasLimit)
      const { hash, raw, nonce } = prepared
      await journal.append({ type: 'signed', id: answer.id, interval: answer.interval, hash, raw, nonce })
      await handOver(answer, { hash, raw, nonce })
      return { hash, raw, nonce }
    })
  }

  /** Takes up a transaction that was signed before this process began or before blocks were replaced. */
  function sendAgain(
    answer: JournaledAnswer,
    signed: SignedDelivery,
    context: DeliveryContext,
  ): Promise<SignedDelivery | ClosedDelivery> {
    return signer.inTurn(async () => {
      if ((await findTransaction(chain, signed.hash)) === 'unknown') {
        // Nobody has it yet, so that one that would fail by now need not cost its gas.
        if (context.isOver()) return tooLate()
        const request = options.encode(answer)
        await simulateTransaction(chain, signer.address, request, REVERT_INTERFACES)
        await handOver(answer, signed)
      }
      return signed
    })
  }

  /** Sends until the endpoint takes it: whether an unanswered try arrived is unknown, so the bytes stay the same. */
  async function handOver({ id, interval }: JournaledAnswer, signed: SignedDelivery): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await broadcast(chain, signed, options.stop)
        break
      } catch (error) {
        if (options.stop.aborted || !isFlockError(error) || error.kind !== 'unavailable') throw error
        await sleep(reportFault(error, attempt), options.stop)
      }
    }
    void journal.append({ type: 'sent', id, interval }).catch(() => undefined)
    emit({ type: 'deliverySent', id, interval, txHash: signed.hash, nonce: signed.nonce })
  }

  async function confirm(answer: JournaledAnswer, signed: SignedDelivery): Promise<DeliveryOutcome> {
    const { id, interval } = answer
    for (;;) {
      try {
        const mined = await waitForTransaction(chain, signed, {
          confirmations: 1,
          timeoutMs: PENDING_AFTER_MS,
          signal: options.stop,
          revertInterfaces: REVERT_INTERFACES,
        })
        const { blockNumber, blockHash, gasUsed } = mined
        await journal.append({ type: 'confirmed', id, interval, blockNumber })
        return { kind: 'delivered', signed, blockNumber, blockHash, gasUsed }
      } catch (error) {
        if (options.stop.aborted || !isFlockError(error) || error.code !== 'TX_TIMEOUT') throw error
        emit({ type: 'deliveryPending', id, interval, txHash: signed.hash })
      }
    }
  }

  async function forgetSigned(answer: JournaledAnswer): Promise<JournaledAnswer> {
    const { id, interval } = answer
    // The journal knows of a signature even when the send that followed failed.
    if (journal.state.answers.get(`${id}:${interval}`)?.signed)
      await journal.append({ type: 'unsigned', id, interval })
    return { ...answer, signed: null }
  }

  async function pause(answer: JournaledAnswer, fault: FlockError, attempt: number, signal: AbortSignal) {
    const { id, interval } = answer
    if (isEarly(fault)) return sleep(options.chain.pollIntervalMs, signal)
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

  function reportFault({ code, message }: FlockError, attempt: number): number {
    const retryInMs = delayMs(attempt)
    emit({ type: 'rpcFailed', code, message, retryInMs })
    return retryInMs
  }

  function delayMs(attempt: number): number {
    return Math.round(backoffMs(attempt, { delayMs: options.retryDelayMs, maxDelayMs: RETRY_MAX_DELAY_MS }))
  }

  function gasTooHigh(gasLimit: bigint): ClosedDelivery {
    return closed(
      'gasTooHigh',
      `The delivery needs ${gasLimit} gas, max_gas_limit is ${options.maxGasLimit}.`,
    )
  }

  return { deliver }
}

function isEarly(fault: FlockError): boolean {
  return fault.code === 'TX_REVERTED' && EARLY_REFUSALS.includes(String(fault.details.error))
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
