import { FlockError } from '../errors.js'
import { type Hex, hexToBytes } from '../hex.js'
import {
  DESTINATION,
  type JsonObject,
  SOURCE,
  type ServiceInput,
  parsePlainHex,
} from '../infernet/payload.js'
import { parseStockBody } from '../infernet/stock-body.js'
import { decodeStockPayload } from '../infernet/stock-payload.js'
import type { StockTask } from '../infernet/stock-task.js'
import { TASK_ENVELOPE_TYPEHASH, type TaskEnvelope, decodeTaskEnvelope } from '../infernet/task-envelope.js'
import { type ChatBody, type ChatRequest, chatOfPrompt, parseChatBody } from '../router/chat-request.js'
import { type ServedModel, findModel } from './models.js'

/** What is to be computed. */
export interface Task {
  readonly model: ServedModel
  readonly request: ChatRequest
  /** The paid request behind it, if there is one. */
  readonly envelope: TaskEnvelope | null
  /** The task as a stock service of Infernet would read it, if it is written for one. */
  readonly stock: StockTask | null
}

export interface TaskContext {
  readonly chainId: number
  /** Whether tasks in the encodings of stock services are done, which nobody pays a model host for. */
  readonly takesStockTasks: boolean
  readonly models: readonly ServedModel[]
}

/** Where an off-chain task may carry what is to be answered; exactly one of them. */
const PROMPT_FIELDS = ['messages', 'prompt', 'text'] as const

/**
 * Decides what a service input asks for. Whatever is wrong with it is found here, before any host is asked.
 * @throws TASK_INVALID, TASK_NOT_FOUND, PROOF_UNSUPPORTED
 */
export function planTask(input: ServiceInput, context: TaskContext): Task {
  if (input.source === SOURCE.onChain && input.destination === DESTINATION.stream) {
    throw invalid('A task of the chain cannot be streamed.')
  }
  const envelope = envelopeOf(input, context)
  if (envelope !== null) return planPaidTask(envelope, context)
  if (input.requiresProof) {
    throw new FlockError(
      'PROOF_UNSUPPORTED',
      'Only answers to paid requests of the chain come with a proof.',
      {
        hint: 'The proof is the signed usage receipt, which names the request.',
      },
    )
  }
  if (input.source === SOURCE.onChain) return planStockTask(decodeStockPayload(input.data), context)
  const stock = parseStockBody(input.data)
  const isForChain = input.destination === DESTINATION.onChain
  if (stock !== null && (context.takesStockTasks || !isForChain)) return planStockTask(stock, context)
  if (isForChain) {
    throw invalid(
      'An answer for the chain needs the task envelope of its request: `data.envelope`, hexadecimal.',
      'The consumer gives it as container inputs: getContainerInputs.',
    )
  }
  const body = parseOffChainBody(input.data)
  const model = findModel(context.models, body.model)
  return { model, envelope: null, stock: null, request: requestOf(body, model.maxCompletionTokens) }
}

/** All text of a chat, for those who count tokens. */
export function textsOf({ messages }: ChatRequest): string[] {
  return messages.flatMap(({ content }) =>
    typeof content === 'string' ? [content] : content.map(({ text }) => text),
  )
}

/** An envelope begins with a hash that nothing else begins with. */
function envelopeOf(input: ServiceInput, { takesStockTasks }: TaskContext): TaskEnvelope | null {
  if (input.source === SOURCE.onChain) {
    const mayBeStock = takesStockTasks && !input.data.toLowerCase().startsWith(TASK_ENVELOPE_TYPEHASH)
    return mayBeStock ? null : decodeTaskEnvelope(input.data)
  }
  if (input.data.envelope === undefined || input.data.envelope === null) return null
  return decodeTaskEnvelope(parsePlainHex(input.data.envelope, '`data.envelope`'))
}

function planStockTask(stock: StockTask, { models }: TaskContext): Task {
  const model = findModel(models, stock.model)
  const body = parseChatBody({ ...stock.options, messages: stock.messages })
  return { model, envelope: null, stock, request: requestOf(body, model.maxCompletionTokens) }
}

function planPaidTask(envelope: TaskEnvelope, { chainId, models }: TaskContext): Task {
  if (envelope.chainId !== BigInt(chainId)) {
    throw invalid(
      `The task is for chain ${envelope.chainId.toString()}; this service signs for chain ${chainId}.`,
    )
  }
  const model = findModel(models, envelope.modelId)
  const cap = Math.min(Number(envelope.maxCompletionTokens), model.maxCompletionTokens)
  if (cap === 0) throw invalid('The request allows no completion tokens at all.')
  return { model, envelope, stock: null, request: requestOf(parsePayload(envelope.payload), cap) }
}

function requestOf(body: ChatBody, cap: number): ChatRequest {
  return {
    messages: body.messages,
    options: body.options,
    maxTokens: Math.min(body.maxTokens ?? cap, cap),
  }
}

/** A JSON object with `messages` is a chat-completion body, any other text is a prompt. */
function parsePayload(payload: Hex): ChatBody {
  const text = decodeUtf8(payload)
  if (text.trim() === '') throw invalid('The payload of the request is empty.')
  const body = parseChatJson(text)
  return body === null ? promptBody(text) : parseChatBody(body)
}

function parseChatJson(text: string): Record<string, unknown> | null {
  if (!text.trimStart().startsWith('{')) return null
  try {
    const value = JSON.parse(text) as Record<string, unknown>
    return Object.hasOwn(value, 'messages') ? value : null
  } catch {
    return null
  }
}

function parseOffChainBody(data: JsonObject): ChatBody {
  const given = PROMPT_FIELDS.filter((field) => data[field] !== undefined && data[field] !== null)
  const [field, ...others] = given
  if (field === undefined || others.length > 0) {
    throw invalid('`data` has to hold exactly one of `messages`, `prompt` and `text`.')
  }
  if (field === 'messages') return parseChatBody(data)
  const prompt = data[field]
  if (typeof prompt !== 'string' || prompt.trim() === '') {
    throw invalid(`\`data.${field}\` has to be text that is not empty.`)
  }
  const settings = Object.entries(data).filter(([name]) => name !== 'prompt' && name !== 'text')
  return parseChatBody({ ...Object.fromEntries(settings), messages: chatOfPrompt(prompt) })
}

function promptBody(prompt: string): ChatBody {
  return { messages: chatOfPrompt(prompt), options: {}, maxTokens: null, model: null }
}

function decodeUtf8(bytes: Hex): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(hexToBytes(bytes))
  } catch {
    throw invalid('The payload of the request is not UTF-8 text.')
  }
}

function invalid(message: string, hint?: string): FlockError {
  return new FlockError('TASK_INVALID', message, hint === undefined ? {} : { hint })
}
