import { FlockError } from '../errors.js'
import { type Hex, bytesToHex } from '../hex.js'
import { encodeAbiText } from './canonical-abi.js'
import { type FiveFields, type JsonObject, renderPlainHex } from './payload.js'

/**
 * The stock language-model services of Infernet: `tgi` takes a bare text (so do the starters), `css` a chat for a
 * hosted model, `hf` a task of the Hugging Face client.
 */
export type StockKind = 'tgi' | 'css' | 'hf'

export interface StockMessage {
  /** As the task gives it: any text. */
  readonly role: string
  readonly content: string
}

/** What a task in the encoding of a stock service asks for. */
export interface StockTask {
  readonly kind: StockKind
  /** Provider that a `css` task was meant for, otherwise null. Whoever serves the model answers. */
  readonly provider: string | null
  /** Null when the task leaves the model to the service. */
  readonly model: string | null
  readonly messages: readonly StockMessage[]
  /** Settings under the names of OpenAI's chat completions; unchecked, `max_tokens` among them. */
  readonly options: JsonObject
  /** What an answer for the chain repeats; no bytes when the task did not come from the chain. */
  readonly rawInput: Hex
}

/** Index is the code on chain, the names are those of bodies. */
export const CSS_PROVIDERS = ['OPENAI', 'GOOSEAI', 'PERPLEXITYAI'] as const
export const CSS_ENDPOINTS = ['completions', 'embeddings'] as const
/** Index is the code on chain and in bodies. */
export const HF_TASKS = [
  'no task at all',
  'text generation',
  'text classification',
  'token classification',
  'summarization',
  'an image',
] as const

/** Far more turns than a chat has; what a stranger sends is parsed before anything is known about it. */
export const MAX_STOCK_MESSAGES = 1_024

const SUMMARY_REQUEST = 'Summarize the following text. Answer with the summary alone.\n\n'

/** The five fields of an answer for the chain, as all stock language-model services give it. @see infernet.md 8.2 */
export function renderStockAnswer({ rawInput }: StockTask, text: string): FiveFields {
  return {
    raw_input: renderPlainHex(rawInput),
    processed_input: '',
    raw_output: renderPlainHex(encodeStockAnswer(text)),
    processed_output: '',
    proof: '',
  }
}

/** The bytes that consumers of stock services decode: `abi.encode(string)`. */
export function encodeStockAnswer(text: string): Hex {
  return bytesToHex(encodeAbiText(text))
}

/** A chat of one message. @throws TASK_INVALID */
export function parsePrompt(prompt: string): StockMessage[] {
  if (prompt.trim() === '') throw invalidStockTask('The prompt of the task is empty.')
  return [{ role: 'user', content: prompt }]
}

/**
 * The chat that does a task of the Hugging Face client. Chat models summarize when they are asked to.
 * @throws TASK_INVALID for tasks that no chat does
 */
export function parseHfTask(taskId: number, text: string): StockMessage[] {
  const [message] = parsePrompt(text) as [StockMessage]
  const task = HF_TASKS[taskId]
  if (task === 'text generation') return [message]
  if (task === 'summarization') return [{ ...message, content: SUMMARY_REQUEST + text }]
  throw invalidStockTask(
    `The task asks for ${task ?? `task ${taskId}`}; only text generation (1) and summarization (4) can be done.`,
    'Models that classify or draw are not served here.',
  )
}

/** @throws TASK_INVALID for what is no chat */
export function checkCssEndpoint(endpoint: (typeof CSS_ENDPOINTS)[number]): void {
  if (endpoint === 'completions') return
  throw invalidStockTask('The task asks for embeddings; only completions can be computed.')
}

/** @throws TASK_INVALID */
export function checkMessageCount(count: number): void {
  if (count > 0 && count <= MAX_STOCK_MESSAGES) return
  throw invalidStockTask(`The task has ${count} messages; from 1 to ${MAX_STOCK_MESSAGES} are allowed.`)
}

export function invalidStockTask(message: string, hint?: string): FlockError {
  return new FlockError('TASK_INVALID', message, hint === undefined ? {} : { hint })
}
