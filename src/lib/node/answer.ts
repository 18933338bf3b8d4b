/** Answers one interval of a subscription: check, read the inputs, run the containers, deliver. */
import type { BlockTag } from '../chain/contracts.js'
import { FlockError, isFlockError, toFlockError } from '../errors.js'
import { ZERO_ADDRESS, type Address, type Hex } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { encodeDelivery, type DeliveryBytes } from '../infernet/payload.js'
import { CANCELLED_ACTIVE_AT, type Subscription } from '../infernet/subscription.js'
import { backoffMs, sleep } from '../retry.js'
import type { ContainerClient } from './container-client.js'
import type { CoordinatorView, IntervalKey } from './coordinator.js'
import type { Deliverer } from './deliver.js'
import type { CloseReason, EventSink } from './events.js'
import { keyOf, type Journal, type JournaledAnswer } from './journal.js'
import { askPatiently, type Limiter } from './patience.js'
import { runContainers, type ContainerFault } from './run.js'

export interface IntervalTask extends IntervalKey {
  /** Null when all that is left is to see a signed answer through. */
  readonly subscription: Subscription | null
  readonly fingerprint: Hex
  readonly containers: readonly NodeContainer[]
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

export interface RetryPolicy {
  /** Runs of the containers for one interval. */
  readonly attempts: number
  readonly delayMs: number
}

export interface AnswererOptions {
  readonly view: CoordinatorView
  readonly journal: Journal
  readonly deliverer: Deliverer
  readonly client: ContainerClient
  readonly urlOf: (container: NodeContainer) => string
  readonly node: Address
  readonly retry: RetryPolicy
  /** Time of the chain. */
  readonly nowSec: () => number
  /** Block to read at: the newest that was seen, so that an endpoint which lags behind fails and does not mislead. */
  readonly blockTag: () => BlockTag
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
  readonly asked: { readonly inputs: Hex; readonly timestampSec: number; readonly revision: number } | null
}

/** A task that can be computed, and not only seen through. */
type OpenTask = IntervalTask & { readonly subscription: Subscription }

type Closed = Extract<IntervalOutcome, { kind: 'closed' }>

const RETRY_MAX_DELAY_MS = 30_000
/** An endpoint that lags behind catches up sooner; what it refuses longer is too heavy for it. */
const MAX_REFUSALS = 8

/** The error that ends the work on an interval from outside. */
export function closeWith(reason: CloseReason, message: string): FlockError {
  return new FlockError('INTERRUPTED', message, { details: { reason } })
}

export function createAnswerer(options: AnswererOptions): Answerer {
  const { view, journal, emit } = options

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
      const result = await options.deliverer.deliver(computed.answer, {
        isOver: task.isOver,
        settled: task.settled,
        isCancelled: async () => (await patiently(task, () => read(task))).activeAt === CANCELLED_ACTIVE_AT,
        signal: task.signal,
      })
      if (result.kind === 'closed') return result
      const { signed, ...mined } = result
      return { ...mined, answer: { ...computed.answer, signed }, txHash: signed.hash }
    }
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
    const { id, interval, subscription, containers, fingerprint, signal } = task
    const revision = task.revision()
    const timestampSec = options.nowSec()
    emit({ type: 'intervalStarted', id, interval })
    const startedAt = options.now()
    const checked = await patiently(task, () => check(task, timestampSec))
    if ('kind' in checked) return checked
    const asked = { inputs: checked.inputs, timestampSec, revision }
    const request = { inputs: checked.inputs, requiresProof: subscription.verifier !== ZERO_ADDRESS }
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

  /** Whether the interval still wants an answer, and its inputs, in one round of calls. */
  async function check(task: OpenTask, timestampSec: number): Promise<Closed | { readonly inputs: Hex }> {
    const { subscription, isFresh } = task
    const blockTag = options.blockTag()
    const [responses, hasResponded, now, inputs] = await Promise.all([
      view.readResponses(task, blockTag),
      isFresh ? false : view.hasResponded(task, options.node, blockTag),
      isFresh ? subscription : read(task),
      view.readInputs(subscription.owner, task, { timestampSec, node: options.node, blockTag }),
    ])
    if (now.owner === ZERO_ADDRESS) return closed('missing', 'The subscription is not on the chain.')
    if (now.activeAt === CANCELLED_ACTIVE_AT) return closed('cancelled', 'The subscription was cancelled.')
    if (hasResponded) return closed('answered', 'This node has answered the interval before.')
    if (responses >= subscription.redundancy)
      return closed('filled', `The interval has its ${subscription.redundancy} answers.`)
    return { inputs }
  }

  /** True when a reorganisation changed what was asked; the answer is then dropped. */
  async function isOutdated(task: OpenTask, { asked }: Computed): Promise<boolean> {
    if (asked === null || asked.revision === task.revision()) return false
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

  /** The subscription as it stands now. */
  async function read({ id }: IntervalTask): Promise<Subscription> {
    const [row] = await view.readSubscriptions(id, id, options.blockTag())
    if (row === undefined) throw new FlockError('INTERNAL', `The Reader gave nothing for subscription ${id}.`)
    return row
  }

  function patiently<T>({ signal }: IntervalTask, ask: () => Promise<T>): Promise<T> {
    return askPatiently(() => options.limitReads(ask), { emit, signal, maxRefusals: MAX_REFUSALS })
  }

  return { answer }
}

function isOpen(task: IntervalTask): task is OpenTask {
  return task.subscription !== null && task.containers.length > 0
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

function closed(reason: CloseReason, message: string): Closed {
  return { kind: 'closed', reason, message }
}
