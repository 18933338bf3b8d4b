/** Answers one interval of a subscription: check, read the inputs, run the containers, deliver. */
import { isFlockError, toFlockError } from '../errors.js'
import { ZERO_ADDRESS, type Address, type Hex } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { DESTINATION, encodeDelivery, type DeliveryBytes } from '../infernet/payload.js'
import type { Subscription } from '../infernet/subscription.js'
import { backoffMs, sleep } from '../retry.js'
import type { Bonds } from './bonds.js'
import { createChecker } from './check.js'
import type { ContainerClient } from './container-client.js'
import type { CoordinatorView } from './coordinator.js'
import type { Deliverer, DeliveryOutcome } from './deliver.js'
import type { CloseReason, EventSink } from './events.js'
import type { Funding } from './funding.js'
import {
  closed,
  type Closed,
  type IntervalOutcome,
  type IntervalTask,
  type OpenTask,
} from './interval-task.js'
import { keyOf, type Journal, type JournaledAnswer } from './journal.js'
import { askPatiently, type Limiter } from './patience.js'
import { runContainers, type ContainerFault, type ContainerTask } from './run.js'

export interface RetryPolicy {
  /** Runs of the containers for one interval. */
  readonly attempts: number
  readonly delayMs: number
}

export interface AnswererOptions {
  readonly view: CoordinatorView
  readonly journal: Journal
  readonly deliverer: Deliverer
  readonly funding: Funding
  readonly bonds: Bonds
  /** The id under which a delegated subscription was created; 0 when it was not. */
  readonly idOnChain: (id: number) => Promise<number>
  readonly client: ContainerClient
  readonly urlOf: (container: NodeContainer) => string
  readonly node: Address
  readonly retry: RetryPolicy
  /** Time of the chain. */
  readonly nowSec: () => number
  /** Block to read at: the newest that was seen, so that an endpoint which lags behind fails and does not mislead. */
  readonly blockTag: () => number
  readonly now: () => number
  readonly emit: EventSink
  /** Asks the endpoint when there is room. */
  readonly limitReads: Limiter
  /** Runs containers when there is room. */
  readonly limitRuns: Limiter
}

export interface Answerer {
  /** Never throws: whatever ends the work is in the outcome. */
  answer(task: IntervalTask): Promise<IntervalOutcome>
}

interface Computed {
  readonly answer: JournaledAnswer
  /** What the answer answers; null when it was computed by an earlier process. */
  readonly asked: {
    readonly inputs: Hex | null
    readonly timestampSec: number
    readonly revision: number
  } | null
}

const RETRY_MAX_DELAY_MS = 30_000
/** An endpoint that lags behind catches up sooner; what it refuses longer is too heavy for it. */
const MAX_REFUSALS = 8

export function createAnswerer(options: AnswererOptions): Answerer {
  const { view, journal, emit } = options
  const checker = createChecker(options)

  async function answer(task: IntervalTask): Promise<IntervalOutcome> {
    let outcome: IntervalOutcome
    try {
      outcome = await work(task)
    } catch (error) {
      outcome = outcomeOf(error, task.signal)
    }
    // An answer whose delivery was only interrupted stays in the journal for the next process.
    if (outcome.kind === 'closed' && outcome.reason !== 'stopped' && journal.state.answers.has(keyOf(task))) {
      const { id, interval } = task
      await journal.append({ type: 'closed', id, interval, reason: outcome.reason }).catch(() => undefined)
    }
    return outcome
  }

  async function work(task: IntervalTask): Promise<IntervalOutcome> {
    for (;;) {
      const computed = (await recall(task)) ?? (await computeOpen(task))
      if ('kind' in computed) return computed
      await task.settled()
      if (isOpen(task) && (await isOutdated(task, computed))) continue
      const result = await deliver(task, computed.answer)
      if (result.kind === 'closed' && result.reason === 'deliveryRefused' && isOpen(task)) {
        // The wallet that pays may have been emptied since it was looked at.
        const fault = await patiently(task, () => checker.lookAtPayment(task))
        if (fault !== null && !fault.isFinal) {
          await checker.awaitPayment(task, fault)
          continue
        }
      }
      if (result.kind === 'closed') return result
      const { signed, ...mined } = result
      return { ...mined, answer: { ...computed.answer, signed }, txHash: signed.hash }
    }
  }

  function deliver(task: IntervalTask, answer: JournaledAnswer): Promise<DeliveryOutcome> {
    const { id, interval, subscription, signal } = task
    const work = { id, interval, subscription, signal, isSigned: answer.signed !== null }
    return options.bonds.around({ ...work, block: options.blockTag() }, () =>
      options.deliverer.deliver(answer, {
        isOver: task.isOver,
        settled: task.settled,
        isCancelled: () => patiently(task, () => checker.isCancelled(task)),
        paymentWei: paymentOf(task.subscription),
        signal,
      }),
    )
  }

  /** The answer that an earlier process left, unless another subscription took the id since. */
  async function recall(task: IntervalTask): Promise<Computed | null> {
    const { id, interval } = task
    const left = journal.state.answers.get(keyOf(task))
    if (left === undefined) return null
    if (left.fingerprint !== task.fingerprint) {
      await journal.append({ type: 'closed', id, interval, reason: 'reorged' })
      return null
    }
    emit({ type: 'resumed', id, interval, stage: left.signed === null ? 'computed' : 'signed' })
    return { answer: left, asked: null }
  }

  async function computeOpen(task: IntervalTask): Promise<Computed | Closed> {
    return isOpen(task) ? compute(task) : closed('missing', 'The answer of an earlier run is gone.')
  }

  async function compute(task: OpenTask): Promise<Computed | Closed> {
    const { id, interval, containers, fingerprint, signal } = task
    const revision = task.revision()
    emit({ type: 'intervalStarted', id, interval })
    const startedAt = options.now()
    await task.alone()
    const timestampSec = options.nowSec()
    let checked = await patiently(task, () => checker.check(task, timestampSec))
    if ('payment' in checked && checked.payment !== null) {
      await checker.awaitPayment(task, checked.payment)
      checked = await patiently(task, () => checker.check(task, timestampSec))
    }
    if ('kind' in checked) return checked
    const asked = { inputs: checked.inputs, timestampSec, revision }
    const request = containerTask(task, checked.inputs)
    for (let attempt = 1; ; attempt += 1) {
      const result = await options.limitRuns(() => runContainers(containers, request, { ...options, signal }))
      const delivery = result.ok ? encodeAnswer(containers, result.outputJson) : result.fault
      if (!('kind' in delivery)) {
        const record = { id, interval, fingerprint, delivery }
        await journal.append({ type: 'computed', ...record })
        emit({ type: 'computed', id, interval, elapsedMs: options.now() - startedAt })
        return { answer: { ...record, signed: null }, asked }
      }
      const { container, message } = delivery
      const isLast = delivery.isFinal || attempt >= options.retry.attempts
      const delays = { delayMs: options.retry.delayMs, maxDelayMs: RETRY_MAX_DELAY_MS }
      const retryInMs = isLast ? null : Math.round(backoffMs(attempt, delays))
      emit({ type: 'containerFailed', id, interval, container, attempt, message, retryInMs })
      if (retryInMs === null) return closed(reasonOf(delivery), `${container}: ${message}`)
      await sleep(retryInMs, signal)
    }
  }

  /** True when a reorganisation changed what was asked; the answer is then dropped. */
  async function isOutdated(task: OpenTask, { asked }: Computed): Promise<boolean> {
    if (asked === null || asked.inputs === null || asked.revision === task.revision()) return false
    const { id, interval, subscription } = task
    const inputs = await patiently(task, () =>
      view.readInputs(subscription.owner, task, {
        timestampSec: asked.timestampSec,
        node: options.node,
        blockTag: options.blockTag(),
      }),
    )
    if (inputs === asked.inputs) return false
    await journal.append({ type: 'closed', id, interval, reason: 'reorged' })
    return true
  }

  function patiently<T>({ signal }: IntervalTask, ask: () => Promise<T>): Promise<T> {
    return askPatiently(() => options.limitReads(ask), { emit, signal, maxRefusals: MAX_REFUSALS })
  }

  return { answer }
}

/** A delegated subscription brings the data of its first delivery along. */
function containerTask({ subscription, request }: OpenTask, inputs: Hex | null): ContainerTask {
  const isVerified = subscription.verifier !== ZERO_ADDRESS
  return request === null
    ? { inputs: inputs ?? '0x', requiresProof: isVerified }
    : {
        dataJson: request.dataJson,
        destination: DESTINATION.onChain,
        requiresProof: isVerified || request.requiresProof,
      }
}

function isOpen(task: IntervalTask): task is OpenTask {
  return task.subscription !== null && task.containers.length > 0
}

/** What the subscription pays in the native token; other tokens have no price here. */
function paymentOf(subscription: Subscription | null): bigint | null {
  if (subscription === null || subscription.paymentAmount === 0n) return 0n
  return subscription.paymentToken === ZERO_ADDRESS ? subscription.paymentAmount : null
}

function encodeAnswer(
  containers: readonly NodeContainer[],
  outputJson: string,
):
  | DeliveryBytes
  | (Pick<ContainerFault, 'container' | 'message' | 'isFinal'> & { readonly kind: 'encoding' }) {
  try {
    return encodeDelivery(outputJson)
  } catch (error) {
    if (!isFlockError(error)) throw error
    return {
      container: containers.at(-1)?.id ?? '',
      kind: 'encoding',
      message: error.message,
      isFinal: false,
    }
  }
}

function reasonOf({ kind, isFinal }: { readonly kind: string; readonly isFinal: boolean }): CloseReason {
  if (['encoding', 'notJson', 'notObject', 'contentType', 'tooLarge'].includes(kind)) return 'answerInvalid'
  return isFinal ? 'containerRefused' : 'containerFailed'
}

function outcomeOf(error: unknown, signal: AbortSignal): Closed {
  const fault = toFlockError(signal.aborted ? signal.reason : error)
  if (fault.code !== 'INTERRUPTED') return closed('failed', `${fault.code}: ${fault.message}`)
  const reason = fault.details.reason as CloseReason | undefined
  return closed(reason ?? 'stopped', fault.message)
}
