import type { Answer } from '../../models/answers.js'
import type { OpenedRequest, RequestPlan } from '../../models/request.js'
import { spentJson, type SpentJson } from './spend.js'
import { pairLines } from './table.js'
import { flockText, isoTime } from './text.js'

/** What a request came to, as `--json` gives it. Usage and fees are sums over its answers. */
export interface RequestJson {
  readonly requestId: string | null
  readonly subscriptionId: number | null
  readonly modelId: string
  readonly consumer: string
  readonly requester: string
  /** `planned` in a dry run, `open` while answers are missing, `answered` when all have come. */
  readonly status: 'planned' | 'open' | 'answered'
  /** Text of the first answer. */
  readonly answer: string | null
  readonly answers: readonly Answer[]
  readonly usage: { readonly prompt_tokens: bigint; readonly completion_tokens: bigint }
  readonly fee: {
    readonly total: bigint
    readonly host: bigint
    readonly training: bigint
    readonly validators: bigint
  }
  readonly escrow: bigint
  /** Escrow that went back to the requester's balance so far. */
  readonly refund: bigint
  readonly deadline: string | null
}

/** The result of a request that was made, from the answers so far. */
export function requestJson(request: OpenedRequest, answers: readonly Answer[]): RequestJson {
  const sum = (value: (answer: Answer) => bigint) =>
    answers.reduce((total, answer) => total + value(answer), 0n)
  return {
    requestId: request.requestId,
    subscriptionId: request.subscriptionId,
    modelId: request.modelId,
    consumer: request.consumer,
    requester: request.requester,
    status: answers.length >= request.intervals * request.redundancy ? 'answered' : 'open',
    answer: answers[0]?.text ?? null,
    answers,
    usage: {
      prompt_tokens: sum(({ promptTokens }) => promptTokens),
      completion_tokens: sum(({ completionTokens }) => completionTokens),
    },
    fee: {
      total: sum(({ fee }) => fee),
      host: sum(({ hostPart }) => hostPart),
      training: sum(({ trainingPart }) => trainingPart),
      validators: sum(({ validatorPart }) => validatorPart),
    },
    escrow: request.escrow,
    refund: sum(({ refund }) => refund),
    deadline: isoTime(request.deadline),
  }
}

/** What came of making a request. */
export interface AskedJson extends RequestJson, SpentJson {}

/** The result of a dry run. */
export function plannedJson(plan: RequestPlan, spent: SpentJson): AskedJson {
  const { modelId, consumer, requester, escrow } = plan
  return {
    requestId: null,
    subscriptionId: null,
    modelId,
    consumer,
    requester,
    status: 'planned',
    answer: null,
    answers: [],
    usage: { prompt_tokens: 0n, completion_tokens: 0n },
    fee: { total: 0n, host: 0n, training: 0n, validators: 0n },
    escrow,
    refund: 0n,
    deadline: null,
    ...spentJson(spent),
  }
}

/** What came of cancelling a request. `refund` went back to the requester's balance. */
export interface CancelledJson extends SpentJson {
  readonly requestId: string
  readonly subscriptionId: number
  readonly refund: bigint
}

/** What a request puts in escrow. */
export function requestPlanLines(plan: RequestPlan): string[] {
  return pairLines([
    ['Model', plan.modelId],
    ['Consumer', plan.consumer],
    ['Highest fee of an answer', flockText(plan.perAnswer)],
    ['Escrow', `${flockText(plan.escrow)}; what is not used comes back`],
    ['In the account', flockText(plan.balance)],
  ])
}

/** Where and how one answer arrived, and what it cost; the text itself is the result and stands on stdout. */
export function answerNote(answer: Answer): string {
  const { interval, node, promptTokens, completionTokens, fee, refund, txHash } = answer
  const cost = `${flockText(fee)} for ${promptTokens} + ${completionTokens} tokens, ${flockText(refund)} refunded`
  return `Interval ${interval} answered by node ${node}: ${cost}; transaction ${txHash}.`
}
