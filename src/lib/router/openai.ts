import { FlockError } from '../errors.js'

/** Tokens as a host counted them. */
export interface ReportedUsage {
  readonly promptTokens: number
  readonly completionTokens: number
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

/** What a streamed completion yields: pieces of text, then once the end. */
export type ChatEvent =
  { readonly type: 'text'; readonly text: string } | ({ readonly type: 'end' } & Omit<ChatResult, 'text'>)

/** One chunk of a streamed completion. */
export interface ChatChunk {
  readonly text: string
  readonly finishReason: string | null
  /** Unchecked; null in all chunks but the last. */
  readonly usage: unknown
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
export function parseChatChunk(body: unknown, hostId: string): ChatChunk {
  if (isObject(body) && body.error !== undefined && body.error !== null) {
    throw new FlockError('HOST_FAILED', `Host ${hostId} reported a failure in the middle of its answer.`, {
      details: { hostId },
    })
  }
  const choice = firstChoice(body, hostId)
  const delta = isObject(choice?.delta) ? choice.delta : {}
  const { content = null } = delta
  if (content !== null && typeof content !== 'string') throw malformed(hostId, 'a piece of it is not text')
  return {
    text: content ?? '',
    finishReason: finishReasonOf(choice),
    usage: (body as Record<string, unknown>).usage ?? null,
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
  return { usage: { promptTokens, completionTokens }, usageFault: null }
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
