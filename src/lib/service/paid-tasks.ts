/** Answers paid requests: computed once, signed, kept, and given again as they were. */
import type { CallOffSignal } from '../call-off.js'
import { keccak256 } from 'ethers/crypto'
import { FlockError } from '../errors.js'
import { type Hex, hexLength } from '../hex.js'
import { type FiveFields, renderPlainHex } from '../infernet/payload.js'
import { type TaskEnvelope, hashTaskEnvelope } from '../infernet/task-envelope.js'
import type { LogFields, Logger } from '../log.js'
import type { ChatResult } from '../router/openai.js'
import { boundUsage } from '../usage/pricing.js'
import { type ReceiptSigner, type UsageReceipt, encodeReceipt, encodeReceiptProof } from '../usage/receipt.js'
import type { AnswerJournal } from './answer-journal.js'
import type { SignedAnswer } from './answer-record.js'
import type { MeteredUsage, Metering } from './metering.js'
import type { ServiceMetrics } from './metrics.js'
import type { ServedModel } from './models.js'
import { createSharing } from './sharing.js'
import { type Task, textsOf } from './task.js'

/**
 * Longest answer that goes on chain. Nodes of the chain refuse transactions above 128 KiB; the delivery adds the
 * receipt, its signature and, for delegated requests, the subscription: about 2 KiB.
 */
export const MAX_ONCHAIN_ANSWER_BYTES = 120_000

/** Tasks under way that a second caller can join. A service has far fewer at once. */
const MAX_SHARED_TASKS = 4_096

export interface PaidTasksOptions {
  readonly signer: ReceiptSigner
  /** Keeps paid answers; without one, a request that comes again is computed, and signed for, again. */
  readonly journal: AnswerJournal | undefined
  readonly metering: Metering
  readonly metrics: Pick<ServiceMetrics, 'receiptStored' | 'tokensCounted'>
  /** Asks the hosts of the task's model. */
  readonly complete: (task: Task, signal: CallOffSignal | undefined) => Promise<ChatResult>
  /** Milliseconds of any clock that does not go backwards. */
  readonly nowMs: () => number
  readonly log: Logger
}

export interface PaidTasks {
  /**
   * Answers a task of the chain. Given twice at the same time it is computed once; given again later it gets what the
   * journal kept.
   * @throws HOST_*, INTERRUPTED, and what `AnswerJournal` throws
   */
  answer(task: Task, envelope: TaskEnvelope, signal: CallOffSignal | undefined): Promise<SignedAnswer>
}

export function createPaidTasks(options: PaidTasksOptions): PaidTasks {
  const { signer, journal, metering, metrics, complete, nowMs, log } = options
  const sharing = createSharing<SignedAnswer>(MAX_SHARED_TASKS)

  async function answerAgain({ model }: Task, inputHash: Hex): Promise<SignedAnswer | null> {
    const kept = (await journal?.find(inputHash)) ?? null
    if (kept === null) {
      // What cannot be kept must not leave, so no host has to compute it.
      if (journal !== undefined && journal.fault !== null) throw journal.fault
      return null
    }
    metrics.receiptStored({ model: model.name, outcome: 'replayed', commitMs: null })
    log.info('Answered a paid request again, from the journal.', factsOf(model, kept))
    // The same bytes, unless the models' receipt signer is another one by now: the chain takes none but its signature.
    return { ...kept, signature: signer.sign(kept.receipt) }
  }

  async function answerAnew(task: Task, { envelope, inputHash, signal }: PaidTask): Promise<SignedAnswer> {
    const { model } = task
    const result = await complete(task, signal)
    const answer = parseAnswer(result)
    const usage = usageOf(task, result, metering)
    const receipt = receiptOf(envelope, inputHash, answer, usage)
    const { source: usageSource, ...tokens } = usage
    const signature = signer.sign(receipt)
    const signed = {
      answer,
      receipt,
      signature,
      model: model.name,
      hostId: result.hostId,
      usageSource,
      tokens,
    }
    const kept = await keep(signed)
    metrics.tokensCounted({ model: model.name, source: usageSource, ...tokens })
    log.info('Answered a paid request.', factsOf(model, kept))
    return kept
  }

  async function keep(signed: SignedAnswer): Promise<SignedAnswer> {
    if (journal === undefined) return signed
    const { model } = signed
    const startMs = nowMs()
    try {
      const kept = await journal.append(signed)
      metrics.receiptStored({ model, outcome: 'stored', commitMs: nowMs() - startMs })
      return kept
    } catch (error) {
      metrics.receiptStored({ model, outcome: 'failed', commitMs: null })
      throw error
    }
  }

  return {
    async answer(task, envelope, signal) {
      const inputHash = hashTaskEnvelope(envelope)
      const work = async (shared: CallOffSignal) =>
        (await answerAgain(task, inputHash)) ??
        (await answerAnew(task, { envelope, inputHash, signal: shared }))
      return sharing.run(inputHash, work, signal)
    },
  }
}

interface PaidTask {
  readonly envelope: TaskEnvelope
  readonly inputHash: Hex
  readonly signal: CallOffSignal
}

/** What is logged of an answer: counts and ids, nothing that was said. */
function factsOf({ name }: ServedModel, { hostId, receipt }: SignedAnswer): LogFields {
  const { requestId, interval, node, promptTokens, completionTokens } = receipt
  return { model: name, hostId, requestId, interval, node, promptTokens, completionTokens }
}

/** What goes on chain. A verifier of Infernet is handed the proof alone, so that one holds the receipt as well. */
export function renderPaidAnswer(
  { answer, receipt, signature }: SignedAnswer,
  requiresProof: boolean,
): FiveFields {
  return {
    raw_input: '',
    processed_input: '',
    raw_output: Buffer.from(answer).toString('hex'),
    processed_output: renderPlainHex(encodeReceipt(receipt)),
    proof: renderPlainHex(requiresProof ? encodeReceiptProof(receipt, signature) : signature),
  }
}

/** The answer's bytes. An empty answer is refused: nothing was said, so nothing may be charged. */
function parseAnswer({ text, hostId, finishReason }: ChatResult): Uint8Array {
  const answer = Buffer.from(text, 'utf8')
  const size = answer.length
  if (size > 0 && size <= MAX_ONCHAIN_ANSWER_BYTES) return answer
  const details = { hostId, finishReason, bytes: size }
  if (size === 0) {
    throw new FlockError('HOST_ANSWER_INVALID', `Host ${hostId} completed the request without any text.`, {
      details,
      hint: 'A model that thinks first needs a higher maxCompletionTokens.',
    })
  }
  throw new FlockError(
    'HOST_ANSWER_INVALID',
    `The answer of host ${hostId} has ${size} bytes, more than the ${MAX_ONCHAIN_ANSWER_BYTES} of a transaction.`,
    { details, hint: 'Lower maxCompletionTokens of the model.' },
  )
}

/** What is charged is what was counted; a count that is missing or cannot be true is never made up. */
function usageOf({ model, request }: Task, result: ChatResult, metering: Metering): MeteredUsage {
  const texts = { prompt: () => textsOf(request), completion: result.text }
  const { usage, fault } = metering.meter(model, result, texts)
  if (usage !== null) return usage
  const { hostId } = result
  throw new FlockError('HOST_USAGE_INVALID', `The usage of host ${hostId} cannot be charged: ${fault}.`, {
    details: { hostId },
    hint: 'The host has to report prompt_tokens and completion_tokens with every completion, or the model needs a tokenizer.',
  })
}

function receiptOf(
  envelope: TaskEnvelope,
  inputHash: Hex,
  answer: Uint8Array,
  usage: MeteredUsage,
): UsageReceipt {
  const { requestId, modelId, requester, node, interval } = envelope
  const charged = boundUsage(
    { promptTokens: BigInt(usage.promptTokens), completionTokens: BigInt(usage.completionTokens) },
    {
      maxPromptTokens: envelope.maxPromptTokens,
      maxCompletionTokens: envelope.maxCompletionTokens,
      payloadBytes: BigInt(hexLength(envelope.payload)),
      outputBytes: BigInt(answer.length),
    },
  )
  return {
    requestId,
    modelId,
    requester,
    node,
    interval,
    inputHash,
    outputHash: keccak256(answer) as Hex,
    ...charged,
  }
}
