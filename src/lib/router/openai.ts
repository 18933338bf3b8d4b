import { FlockError } from '../errors.js'

/** Tokens as a host counted them. */
export interface ReportedUsage {
  readonly promptTokens: number
  readonly completionTokens: number
  /** Of the prompt tokens, those that a cache already held. */
  readonly cachedTokens: number
  /** Of the completion tokens, those that were thought and not said. */
  readonly reasoningTokens: number
}

/** A finished chat completion. */
export interface ChatResult {
  readonly hostId: string
  readonly text: string
  readonly finishReason: string | null
  /** Null when the host reported none, or what cannot be true; `usageFault` then says which. */
  readonly usage: ReportedUsage | null
  readonly usageFault: string | null
}

/** What a streamed answer yields: its chunks, then once the end. */
export type StreamEvent =
  | ({ readonly type: 'chunk' } & Pick<StreamChunk, 'text' | 'raw' | 'isPreamble'>)
  | ({ readonly type: 'end' } & Omit<ChatResult, 'text'>)

/** One chunk of a streamed answer. */
export interface StreamChunk {
  readonly text: string
  readonly finishReason: string | null
  /** Unchecked; null in all chunks but the last. */
  readonly usage: unknown
  /** As the host sent it; null when the host streams bare text. */
  readonly raw: Readonly<Record<string, unknown>> | null
  /** True for what comes before the first word: a role, an empty text. */
  readonly isPreamble: boolean
}

/** An answer that is handed on as the host gave it. */
export interface RelayedAnswer {
  readonly hostId: string
  readonly body: Readonly<Record<string, unknown>>
  /** What was said, for those who count tokens themselves. */
  readonly text: string
  readonly usage: ReportedUsage | null
  readonly usageFault: string | null
}

/** Tokens are counted in uint32 on chain. */
const MAX_TOKEN_COUNT = 0xffff_ffff

/**
 * Reads the answer of `/chat/completions`.
 * @throws HOST_NOT_READY when it is not the answer of an OpenAI-compatible server
 */
export function parseChatCompletion(body: unknown, hostId: string): ChatResult {
  const choice = firstChoice(body, hostId)
  const message = choice?.message
  if (!isObject(message)) throw malformed(hostId, 'it holds no message')
  const { content = null } = message
  if (content !== null && typeof content !== 'string') throw malformed(hostId, 'its content is not text')
  return {
    hostId,
    text: content ?? '',
    finishReason: finishReasonOf(choice),
    ...checkUsage((body as Record<string, unknown>).usage),
  }
}

/**
 * Reads one `data:` line of a streamed completion; the line with the usage has no choice.
 * @throws HOST_NOT_READY, or HOST_FAILED when the host reports a failure midway
 */
export function parseChatChunk(body: unknown, hostId: string): StreamChunk {
  return parseChunk(body, hostId, (choice) => (isObject(choice.delta) ? choice.delta.content : null))
}

/** Reads one `data:` line of a streamed completion of the older kind, which continues a text. @throws as `parseChatChunk` */
export function parseTextChunk(body: unknown, hostId: string): StreamChunk {
  return parseChunk(body, hostId, (choice) => choice.text)
}

function parseChunk(
  body: unknown,
  hostId: string,
  textOf: (choice: Record<string, unknown>) => unknown,
): StreamChunk {
  if (isObject(body) && body.error !== undefined && body.error !== null) {
    throw new FlockError('HOST_FAILED', `Host ${hostId} reported a failure in the middle of its answer.`, {
      details: { hostId },
    })
  }
  const choice = firstChoice(body, hostId)
  const text = (choice === undefined ? null : textOf(choice)) ?? ''
  if (typeof text !== 'string') throw malformed(hostId, 'a piece of it is not text')
  const raw = body as Record<string, unknown>
  const finishReason = finishReasonOf(choice)
  const usage = raw.usage ?? null
  // The usage stands without a choice, and so do remarks on the prompt that some servers begin with.
  const isRemark = choice === undefined ? usage === null : !hasMore(choice)
  return { text, finishReason, usage, raw, isPreamble: text === '' && finishReason === null && isRemark }
}

/** Calls of tools, thoughts, refusals: whatever a piece holds beside its role and its text. */
function hasMore(choice: Record<string, unknown> | undefined): boolean {
  const delta = isObject(choice?.delta) ? choice.delta : {}
  return Object.entries(delta).some(
    ([name, value]) => name !== 'role' && name !== 'content' && value !== null && value !== '',
  )
}

/** Reads an answer of `/chat/completions` that is handed on, calls of tools included. @throws HOST_NOT_READY */
export function relayChat(body: unknown, hostId: string): RelayedAnswer {
  const choice = firstChoice(body, hostId)
  const message = choice?.message
  if (!isObject(message)) throw malformed(hostId, 'it holds no message')
  return relayed(body, hostId, typeof message.content === 'string' ? message.content : '')
}

/** Reads an answer of `/completions` that is handed on. @throws HOST_NOT_READY */
export function relayText(body: unknown, hostId: string): RelayedAnswer {
  const choice = firstChoice(body, hostId)
  if (typeof choice?.text !== 'string') throw malformed(hostId, 'it holds no text')
  return relayed(body, hostId, choice.text)
}

/** Reads an answer of `/embeddings` that is handed on; it has no completion tokens. @throws HOST_NOT_READY */
export function relayEmbeddings(body: unknown, hostId: string): RelayedAnswer {
  if (!isObject(body) || !Array.isArray(body.data)) throw malformed(hostId, 'it holds no embeddings')
  const usage = isObject(body.usage) ? { completion_tokens: 0, ...body.usage } : body.usage
  return { hostId, body, text: '', ...checkUsage(usage) }
}

function relayed(body: unknown, hostId: string, text: string): RelayedAnswer {
  const raw = body as Record<string, unknown>
  return { hostId, body: raw, text, ...checkUsage(raw.usage) }
}

/**
 * Turns the answer of another Infernet container, `{"output": text}`, into a chat completion.
 * @throws HOST_FAILED, HOST_REJECTED when the container reports a failure, HOST_NOT_READY when it says something else
 */
export function parseContainerAnswer(body: unknown, hostId: string): unknown {
  if (!isObject(body)) throw malformed(hostId, 'it is not an object')
  const { code, output, usage = null } = body
  if (code !== undefined && code !== '200') {
    const isRefusal = typeof code === 'string' && /^4\d\d$/.test(code) && code !== '429' && code !== '408'
    throw new FlockError(
      isRefusal ? 'HOST_REJECTED' : 'HOST_FAILED',
      `Container ${hostId} reported a failure${typeof code === 'string' && /^\d{3}$/.test(code) ? ` (${code})` : ''}.`,
      { details: { hostId } },
    )
  }
  if (typeof output !== 'string') throw malformed(hostId, 'it has no output')
  return {
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: output }, finish_reason: 'stop' }],
    ...(usage === null ? {} : { usage }),
  }
}

/** Checks that a count can be true; nothing is ever put in the place of what is missing. */
export function checkUsage(usage: unknown): Pick<ChatResult, 'usage' | 'usageFault'> {
  const fault = (usageFault: string) => ({ usage: null, usageFault })
  if (usage === undefined || usage === null) return fault('no usage was reported')
  if (!isObject(usage)) return fault('the usage is not an object')
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = usage
  if (!isCount(promptTokens)) return fault('prompt_tokens is not a count')
  if (!isCount(completionTokens)) return fault('completion_tokens is not a count')
  const cachedTokens = detailOf(usage.prompt_tokens_details, 'cached_tokens', promptTokens)
  const reasoningTokens = detailOf(usage.completion_tokens_details, 'reasoning_tokens', completionTokens)
  return { usage: { promptTokens, completionTokens, cachedTokens, reasoningTokens }, usageFault: null }
}

/** A part of a count; many hosts give none, and one that is more than the whole is nothing to go by. */
function detailOf(details: unknown, name: string, whole: number): number {
  const count = isObject(details) ? details[name] : 0
  return isCount(count) && count <= whole ? count : 0
}

function firstChoice(body: unknown, hostId: string): Record<string, unknown> | undefined {
  if (!isObject(body) || !Array.isArray(body.choices)) throw malformed(hostId, 'it has no choices')
  const first: unknown = body.choices[0]
  if (first === undefined) return undefined
  if (!isObject(first)) throw malformed(hostId, 'its choice is not an object')
  return first
}

function finishReasonOf(choice: Record<string, unknown> | undefined): string | null {
  return typeof choice?.finish_reason === 'string' ? choice.finish_reason : null
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TOKEN_COUNT
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a host sent is not quoted: it may hold the prompt. */
export function malformed(hostId: string, why: string): FlockError {
  return new FlockError('HOST_NOT_READY', `The answer of host ${hostId} is not a chat completion: ${why}.`, {
    details: { hostId },
    hint: 'Does baseUrl name the OpenAI-compatible routes of the server, usually ending in /v1?',
  })
}
