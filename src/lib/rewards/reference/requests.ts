import { ZERO_ADDRESS, type Address, type Hex } from '../../hex.js'
import { TOKENS_PER_PRICE_UNIT, mulDivUp } from '../../units.js'
import type { FeeParts } from '../split.js'
import type { Accounts } from './accounts.js'
import type { Memory } from './memory.js'
import { refuse } from './refusal.js'
import { epochOf } from './stakes.js'
import { requireSplit, type FeeTables } from './tables.js'
import type { Tokens } from './tokens.js'

/** What a model costs and how its fees are split; prices in base units, those of tokens per million. */
export interface Terms {
  readonly requestPrice: bigint
  readonly promptPrice: bigint
  readonly completionPrice: bigint
  readonly maxPromptTokens: bigint
  readonly maxCompletionTokens: bigint
  readonly trainingPpm: bigint
  readonly validatorPpm: bigint
}

export interface RegisteredModel {
  readonly host: Address
  readonly terms: Terms
  /** False while paused and once retired: new requests and orders are refused, open requests are answered. */
  readonly isActive: boolean
  readonly nodes: readonly Address[]
}

export interface RequestWish {
  readonly requestId: Hex
  readonly modelId: Hex
  readonly requester: Address
  readonly payloadBytes: bigint
  readonly intervals: bigint
  readonly periodSec: bigint
  readonly redundancy: bigint
  readonly timeoutSec: bigint
  readonly maxCost: bigint
}

/** What a node delivers, as its receipt has it. */
export interface Delivery {
  readonly node: Address
  readonly interval: bigint
  readonly promptTokens: bigint
  readonly completionTokens: bigint
  readonly outputBytes: bigint
}

/** An order that a delivery brings; `orderId` is its EIP-712 digest. Its subscription is new and has one interval. */
export interface OrderDelivery extends Delivery {
  readonly orderId: Hex
  readonly modelId: Hex
  readonly requester: Address
  readonly terms: Terms
  readonly payloadBytes: bigint
  readonly deadlineSec: bigint
}

/** What a delivery did with money: `fee` is the sum of the parts, `refund` what is left of the answer's escrow. */
export interface BookedFee extends FeeParts {
  readonly fee: bigint
  readonly refund: bigint
}

/**
 * Paid requests and orders, from escrow to fee, through one consumer. Times are unix seconds.
 *
 * Receipts are taken to be well formed and signed; everything else that decides about money is checked.
 */
export interface Requests {
  putModel(modelId: Hex, model: RegisteredModel): void
  modelOf(modelId: Hex): RegisteredModel
  setPaused(isPaused: boolean): void
  /** How far a request is; all 0n for one that never was. */
  progressOf(requestId: Hex): Progress
  /** Returns the escrow. */
  request(wish: RequestWish, timeSec: bigint): bigint
  deliver(requestId: Hex, delivery: Delivery, timeSec: bigint): BookedFee
  deliverOrder(order: OrderDelivery, timeSec: bigint): BookedFee
  /** Returns the refund, as `reclaim` does. */
  cancel(requestId: Hex, caller: Address, timeSec: bigint): bigint
  reclaim(requestId: Hex, timeSec: bigint): bigint
}

export interface Progress {
  /** Answers that can still be given. */
  readonly deliveriesLeft: bigint
  /** The latest interval with an answer. */
  readonly interval: bigint
}

export interface RequestParts {
  readonly memory: Memory
  readonly tokens: Tokens
  readonly tables: FeeTables
  readonly accounts: Accounts
  readonly paymentToken: Address
  readonly distributor: Address
}

interface Opened extends RequestWish {
  readonly terms: Terms
  readonly deadlineSec: bigint
  readonly activeAt: bigint
  readonly isCancelled: boolean
}

/** What the meter counts of a request: who answered in the latest interval too. */
interface Ticket extends Progress {
  readonly answeredBy: readonly Address[]
}

const MAX_REDUNDANCY = 16n
const MAX_DELIVERIES = 2n ** 32n - 1n
/** EIP-170 allows 24,576 bytes of code: one is SSTORE2's own and 110 hold the request. */
const MAX_PAYLOAD_BYTES = 24_465n
/** Prompt tokens that a chat template may add to those of the payload. */
const PROMPT_OVERHEAD_TOKENS = 128n

const NO_MODEL: RegisteredModel = {
  host: ZERO_ADDRESS,
  terms: {
    requestPrice: 0n,
    promptPrice: 0n,
    completionPrice: 0n,
    maxPromptTokens: 0n,
    maxCompletionTokens: 0n,
    trainingPpm: 0n,
    validatorPpm: 0n,
  },
  isActive: false,
  nodes: [],
}

export function createRequests(parts: RequestParts): Requests {
  const { memory, tokens, tables, accounts, paymentToken, distributor } = parts
  const models = memory.cells(NO_MODEL)
  const opened = memory.cells<Opened | null>(null)
  const tickets = memory.cells<Ticket>({ deliveriesLeft: 0n, interval: 0n, answeredBy: [] })
  const isPaused = memory.cells(false)
  const usedOrders = memory.cells(false)
  /** Who answered an interval, as the Coordinator counts it. */
  const answers = memory.cells<readonly Address[]>([])

  const termsFor = (modelId: Hex): Terms => {
    if (isPaused.get()) refuse('UsageMeter', 'RequestsArePaused')
    const { isActive, terms } = models.get(modelId)
    if (!isActive) refuse('UsageMeter', 'ModelNotActive', { modelId })
    return terms
  }
  const openedOf = (requestId: Hex): Opened => {
    const request = opened.get(requestId)
    if (request === null) return refuse('ModelHostConsumer', 'SubscriptionUnknown', { requestId })
    return request
  }
  /** The Coordinator's checks, in its order. */
  const countAnswer = (request: Opened, { node, interval }: Delivery, timeSec: bigint) => {
    if (request.isCancelled || timeSec < request.activeAt) {
      refuse('EIP712Coordinator', 'SubscriptionNotActive')
    }
    const current = intervalAt(request, timeSec)
    if (current !== interval) refuse('EIP712Coordinator', 'IntervalMismatch')
    if (current > request.intervals) refuse('EIP712Coordinator', 'SubscriptionCompleted')
    const given = answers.get(request.requestId, interval)
    if (BigInt(given.length) === request.redundancy) refuse('EIP712Coordinator', 'IntervalCompleted')
    if (given.includes(node)) refuse('EIP712Coordinator', 'NodeRespondedAlready')
    answers.put([...given, node], request.requestId, interval)
  }
  const end = (request: Opened): bigint => {
    const { requestId, requester, terms } = request
    const ticket = tickets.get(requestId)
    if (ticket.deliveriesLeft === 0n) refuse('UsageMeter', 'RequestNotOpen', { requestId })
    opened.put({ ...request, isCancelled: true }, requestId)
    tickets.put({ ...ticket, deliveriesLeft: 0n }, requestId)
    const refund = highestFee(terms) * ticket.deliveriesLeft
    accounts.credit(requester, refund)
    return refund
  }

  return {
    putModel(modelId, model) {
      requireSplit(model.terms)
      models.put(model, modelId)
    },
    modelOf: (modelId) => models.get(modelId),
    setPaused: (paused) => isPaused.put(paused),
    progressOf(requestId) {
      const { deliveriesLeft, interval } = tickets.get(requestId)
      return { deliveriesLeft, interval }
    },
    request(wish, timeSec) {
      const { requestId, intervals, periodSec, redundancy, requester } = wish
      if (intervals > 1n !== periodSec > 0n) {
        refuse('ModelHostConsumer', 'ScheduleInvalid', { intervals, periodSec })
      }
      requireSchedule(intervals, redundancy)
      const terms = termsFor(wish.modelId)
      const cost = highestFee(terms) * intervals * redundancy
      if (cost > wish.maxCost) refuse('ModelHostConsumer', 'CostAboveLimit', { cost, maxCost: wish.maxCost })
      tokens.pull({ token: paymentToken, from: requester, to: distributor, amount: cost })
      if (wish.payloadBytes === 0n || wish.payloadBytes > MAX_PAYLOAD_BYTES) {
        refuse('UsageMeter', 'PayloadSizeInvalid', { size: wish.payloadBytes })
      }
      const span = intervals === 1n ? 0n : (intervals + 1n) * periodSec
      const deadlineSec = timeSec + span + wish.timeoutSec
      if (deadlineSec <= timeSec) refuse('UsageMeter', 'DeadlineInvalid', { deadline: deadlineSec })
      if (opened.get(requestId) !== null) refuse('UsageMeter', 'RequestAlreadyOpen', { requestId })
      const activeAt = timeSec + periodSec
      opened.put({ ...wish, terms, deadlineSec, activeAt, isCancelled: false }, requestId)
      tickets.put({ deliveriesLeft: intervals * redundancy, interval: 0n, answeredBy: [] }, requestId)
      accounts.reserve(cost)
      return cost
    },
    deliver(requestId, delivery, timeSec) {
      const request = openedOf(requestId)
      const { terms, modelId, requester } = request
      countAnswer(request, delivery, timeSec)
      const ticket = tickets.get(requestId)
      if (ticket.deliveriesLeft === 0n) refuse('UsageMeter', 'RequestNotOpen', { requestId })
      requireUsage(request, delivery, timeSec)
      requireListed(modelId, models.get(modelId), delivery.node)
      tickets.put(advance(requestId, ticket, delivery), requestId)

      const fee = feeUp(terms, delivery.promptTokens, delivery.completionTokens)
      const refund = highestFee(terms) - fee
      const booked = tables.book(modelId, fee, terms, epochOf(timeSec))
      accounts.credit(requester, refund)
      return { ...booked, fee, refund }
    },
    deliverOrder(order, timeSec) {
      const { orderId, modelId, requester } = order
      if (order.interval !== 1n) refuse('EIP712Coordinator', 'IntervalMismatch')
      if (usedOrders.get(orderId)) refuse('UsageMeter', 'OrderUsed', { requestId: orderId })
      const terms = termsFor(modelId)
      if (!sameTerms(terms, order.terms)) refuse('UsageMeter', 'TermsChanged', { modelId })
      requireUsage({ ...order, requestId: orderId }, order, timeSec)
      requireListed(modelId, models.get(modelId), order.node)
      usedOrders.put(true, orderId)

      const fee = feeUp(terms, order.promptTokens, order.completionTokens)
      accounts.take(requester, fee)
      return { ...tables.book(modelId, fee, terms, epochOf(timeSec)), fee, refund: 0n }
    },
    cancel(requestId, caller, timeSec) {
      const request = openedOf(requestId)
      if (caller !== request.requester) refuse('ModelHostConsumer', 'NotRequester', { caller })
      if (timeSec <= request.deadlineSec) requireNoAnswerPending(request, tickets.get(requestId), timeSec)
      return end(request)
    },
    reclaim(requestId, timeSec) {
      const request = openedOf(requestId)
      const { deadlineSec: deadline } = request
      if (timeSec <= deadline) refuse('UsageMeter', 'DeadlineNotPassed', { requestId, deadline })
      return end(request)
    },
  }
}

/**
 * The fee of an answer; the token part is rounded up, in favour of those who serve.
 * @see PricingLib.feeUp
 */
export function feeUp(terms: Terms, promptTokens: bigint, completionTokens: bigint): bigint {
  const metered = promptTokens * terms.promptPrice + completionTokens * terms.completionPrice
  return terms.requestPrice + mulDivUp(metered, 1n, TOKENS_PER_PRICE_UNIT)
}

/** The fee of an answer that uses all it may: what is put in escrow for each. */
export function highestFee(terms: Terms): bigint {
  return feeUp(terms, terms.maxPromptTokens, terms.maxCompletionTokens)
}

function requireSchedule(intervals: bigint, redundancy: bigint): void {
  const isValid = intervals > 0n && redundancy > 0n && redundancy <= MAX_REDUNDANCY
  if (isValid && intervals * redundancy <= MAX_DELIVERIES) return
  refuse('UsageMeter', 'ScheduleInvalid', { intervals, redundancy })
}

function requireUsage(
  asked: Pick<Opened, 'requestId' | 'terms' | 'deadlineSec' | 'payloadBytes'>,
  { promptTokens, completionTokens, outputBytes }: Delivery,
  timeSec: bigint,
): void {
  const { requestId, terms, deadlineSec: deadline } = asked
  if (timeSec > deadline) refuse('UsageMeter', 'DeadlinePassed', { requestId, deadline })
  const { maxPromptTokens, maxCompletionTokens } = terms
  if (promptTokens > maxPromptTokens) {
    refuse('UsageMeter', 'UsageAboveCap', { tokens: promptTokens, cap: maxPromptTokens })
  }
  if (completionTokens > maxCompletionTokens) {
    refuse('UsageMeter', 'UsageAboveCap', { tokens: completionTokens, cap: maxCompletionTokens })
  }
  const mostPromptTokens = asked.payloadBytes + PROMPT_OVERHEAD_TOKENS
  if (promptTokens > mostPromptTokens) {
    refuse('UsageMeter', 'UsageAboveBytes', { tokens: promptTokens, mostTokens: mostPromptTokens })
  }
  if (completionTokens > outputBytes) {
    refuse('UsageMeter', 'UsageAboveBytes', { tokens: completionTokens, mostTokens: outputBytes })
  }
}

function requireListed(modelId: Hex, { nodes }: RegisteredModel, node: Address): void {
  if (!nodes.includes(node)) refuse('UsageMeter', 'NodeNotListed', { modelId, node })
}

/** Whoever cancels while an answer is on its way would read it and not pay for it. */
function requireNoAnswerPending(request: Opened, ticket: Ticket, timeSec: bigint): void {
  if (request.isCancelled || timeSec < request.activeAt) return
  const current = intervalAt(request, timeSec)
  if (current > request.intervals) return
  const isAnswered = ticket.interval === current && BigInt(ticket.answeredBy.length) >= request.redundancy
  const isIdle = current > ticket.interval + 1n
  if (isAnswered || isIdle) return
  refuse('ModelHostConsumer', 'AnswerPending', { requestId: request.requestId, interval: current })
}

/** Intervals only move forward, and each node answers one once. */
function advance(requestId: Hex, ticket: Ticket, { node, interval }: Delivery): Ticket {
  if (interval < ticket.interval) {
    refuse('UsageMeter', 'IntervalPassed', { requestId, interval, latest: ticket.interval })
  }
  const answeredBy = interval === ticket.interval ? ticket.answeredBy : []
  if (answeredBy.includes(node)) refuse('UsageMeter', 'ReceiptAlreadyRecorded', { requestId, interval, node })
  return { deliveriesLeft: ticket.deliveriesLeft - 1n, interval, answeredBy: [...answeredBy, node] }
}

function intervalAt({ periodSec, activeAt }: Opened, timeSec: bigint): bigint {
  return periodSec === 0n ? 1n : (timeSec - activeAt) / periodSec + 1n
}

function sameTerms(a: Terms, b: Terms): boolean {
  return (Object.keys(NO_MODEL.terms) as (keyof Terms)[]).every((name) => a[name] === b[name])
}
