import { keccak256 } from 'ethers/crypto'
import { FlockError } from '../errors.js'
import { type Address, type Hex, hexLength } from '../hex.js'
import {
  DESTINATION,
  type FiveFields,
  type JsonObject,
  type ServiceInput,
  type ServiceOutput,
  renderPlainHex,
} from '../infernet/payload.js'
import { type TaskEnvelope, hashTaskEnvelope } from '../infernet/task-envelope.js'
import type { LogFields, Logger } from '../log.js'
import type { Forward } from '../router/forward.js'
import type { ChatResult } from '../router/openai.js'
import { chatOperation } from '../router/operation.js'
import { boundUsage } from '../usage/pricing.js'
import type { ReceiptKey } from '../usage/receipt-key.js'
import {
  type UsageReceipt,
  createReceiptSigner,
  encodeReceipt,
  encodeReceiptProof,
} from '../usage/receipt.js'
import type { AnswerJournal } from './answer-journal.js'
import type { SignedAnswer } from './answer-record.js'
import type { ServedModel } from './models.js'
import { createSharing } from './sharing.js'
import { type Task, planTask } from './task.js'

export interface FlockWorkflowOptions {
  /** Chain whose requests are answered, and meter that receipts are signed for. */
  readonly chainId: number
  readonly usageMeter: Address
  readonly models: readonly ServedModel[]
  /** Key of the models' receipt signer. */
  readonly receiptKey: ReceiptKey
  /** Keeps paid answers; without one, a request that comes again is computed, and signed for, again. */
  readonly journal?: AnswerJournal | undefined
  readonly forward: Forward
  readonly log: Logger
}

/** The service behind the container: tasks in, answers of model hosts and signed usage receipts out. */
export interface FlockWorkflow {
  readonly models: readonly ServedModel[]
  readonly receiptSigner: Address
  /**
   * Answers a task that goes to the chain or to the caller. The same task of the chain, given twice at the same time,
   * is computed once; given again later it gets the answer and the receipt that the journal kept. The usage meter
   * pays an interval and node only once in any case.
   * @throws TASK_INVALID, TASK_NOT_FOUND, PROOF_UNSUPPORTED, HOST_*, INTERRUPTED, and what `AnswerJournal` throws
   */
  run(input: ServiceInput, signal?: AbortSignal): Promise<ServiceOutput>
  /** Answers a task as pieces of text, each of whole characters. Throws as `run`. */
  stream(input: ServiceInput, signal?: AbortSignal): AsyncGenerator<string>
}

/**
 * Longest answer that goes on chain. Nodes of the chain refuse transactions above 128 KiB; the delivery adds the
 * receipt, its signature and, for delegated requests, the subscription: about 2 KiB.
 */
export const MAX_ONCHAIN_ANSWER_BYTES = 120_000

/** Tasks under way that a second caller can join. A service has far fewer at once. */
const MAX_SHARED_TASKS = 4_096

export function createFlockWorkflow(options: FlockWorkflowOptions): FlockWorkflow {
  const { chainId, usageMeter, models, receiptKey, journal, forward, log } = options
  const signer = createReceiptSigner({ chainId, usageMeter }, receiptKey)
  const sharing = createSharing<SignedAnswer>(MAX_SHARED_TASKS)

  async function complete(
    { model, request, envelope }: Task,
    signal: AbortSignal | undefined,
  ): Promise<ChatResult> {
    const key = envelope?.requester ?? null
    return forward.complete(chatOperation(request), { route: model.route, key, signal })
  }

  async function answerOnChain(
    task: Task,
    envelope: TaskEnvelope,
    signal?: AbortSignal,
  ): Promise<SignedAnswer> {
    const inputHash = hashTaskEnvelope(envelope)
    const work = async (shared: AbortSignal) =>
      (await answerAgain(task, inputHash)) ??
      (await answerAnew(task, { envelope, inputHash, signal: shared }))
    return sharing.run(inputHash, work, signal)
  }

  async function answerAgain({ model }: Task, inputHash: Hex): Promise<SignedAnswer | null> {
    const kept = (await journal?.find(inputHash)) ?? null
    if (kept === null) {
      // What cannot be kept must not leave, so no host has to compute it.
      if (journal !== undefined && journal.fault !== null) throw journal.fault
      return null
    }
    log.info('Answered a paid request again, from the journal.', factsOf(model, kept))
    // The same bytes, unless the models' receipt signer is another one by now: the chain takes none but its signature.
    return { ...kept, signature: signer.sign(kept.receipt) }
  }

  async function answerAnew(task: Task, { envelope, inputHash, signal }: PaidTask): Promise<SignedAnswer> {
    const result = await complete(task, signal)
    const answer = parseAnswer(result)
    const tokens = usageOf(result)
    const receipt = receiptOf(envelope, inputHash, answer, tokens)
    const signed: SignedAnswer = {
      answer,
      receipt,
      signature: signer.sign(receipt),
      model: task.model.name,
      hostId: result.hostId,
      usageSource: 'host',
      tokens: { ...tokens },
    }
    const kept = (await journal?.append(signed)) ?? signed
    log.info('Answered a paid request.', factsOf(task.model, kept))
    return kept
  }

  async function answerOffChain(task: Task, signal?: AbortSignal): Promise<JsonObject> {
    const { hostId, text, usage } = await complete(task, signal)
    log.info('Answered a task.', { model: task.model.name, hostId, ...usage })
    return {
      output: text,
      model: task.model.name,
      usage:
        usage === null
          ? null
          : {
              prompt_tokens: usage.promptTokens,
              completion_tokens: usage.completionTokens,
              total_tokens: usage.promptTokens + usage.completionTokens,
            },
    }
  }

  async function* streamTask({ model, request }: Task, signal?: AbortSignal): AsyncGenerator<string> {
    for await (const event of forward.stream(chatOperation(request), { route: model.route, signal })) {
      if (event.type === 'chunk') yield event.text
      else log.info('Streamed a task.', { model: model.name, hostId: event.hostId, ...event.usage })
    }
  }

  return {
    models,
    receiptSigner: signer.address,
    async run(input, signal) {
      const task = planTask(input, { chainId, models })
      if (input.destination !== DESTINATION.onChain || task.envelope === null)
        return answerOffChain(task, signal)
      return fiveFields(await answerOnChain(task, task.envelope, signal), input.requiresProof)
    },
    async *stream(input, signal) {
      yield* wholeCharacters(streamTask(planTask(input, { chainId, models }), signal))
    },
  }
}

interface PaidTask {
  readonly envelope: TaskEnvelope
  readonly inputHash: Hex
  readonly signal: AbortSignal
}

/** What is logged of an answer: counts and ids, nothing that was said. */
function factsOf({ name }: ServedModel, { hostId, receipt }: SignedAnswer): LogFields {
  const { requestId, interval, node, promptTokens, completionTokens } = receipt
  return { model: name, hostId, requestId, interval, node, promptTokens, completionTokens }
}

/** What goes on chain. A verifier of Infernet is handed the proof alone, so that one holds the receipt as well. */
function fiveFields({ answer, receipt, signature }: SignedAnswer, requiresProof: boolean): FiveFields {
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

/** What is charged is what the host counted; a count that is missing or cannot be true is never replaced. */
function usageOf({ usage, usageFault, hostId }: ChatResult): NonNullable<ChatResult['usage']> {
  if (usage !== null) return usage
  throw new FlockError(
    'HOST_USAGE_INVALID',
    `The usage of host ${hostId} cannot be charged: ${usageFault}.`,
    {
      details: { hostId },
      hint: 'The host has to report prompt_tokens and completion_tokens with every completion.',
    },
  )
}

function receiptOf(
  envelope: TaskEnvelope,
  inputHash: Hex,
  answer: Uint8Array,
  usage: NonNullable<ChatResult['usage']>,
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

/** Joins what a host cut inside a character, so that each piece is valid UTF-8 by itself. */
async function* wholeCharacters(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let half = ''
  for await (const piece of pieces) {
    const text = half + piece
    half = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : ''
    const whole = half === '' ? text : text.slice(0, -1)
    if (whole !== '') yield whole
  }
  if (half !== '') yield half
}
