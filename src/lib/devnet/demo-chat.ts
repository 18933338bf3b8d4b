import { FlockError } from '../errors.js'
import type { DemoModel, Sampling } from './demo-model.js'
import { tokenize } from './demo-tokens.js'

/** A chat completion as it is asked for. */
export interface DemoChat {
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly sampling: Sampling
  readonly stream: boolean
  /** Whether a stream ends with its usage. */
  readonly includeUsage: boolean
}

export interface DemoUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

export interface DemoAnswer {
  readonly pieces: readonly string[]
  readonly finishReason: 'stop' | 'length'
  readonly usage: DemoUsage
}

/** FLock API Platform stops after 16 tokens unless told otherwise; so does this server. */
const DEFAULT_MAX_TOKENS = 16
/** The model would go on for ever if it were let; no paragraph of its text has more words. */
const MOST_TOKENS = 4_096

/**
 * Reads the body of `/chat/completions` for a model.
 * @throws TASK_INVALID, TASK_NOT_FOUND for another model
 */
export function parseDemoChat(body: unknown, model: string): DemoChat {
  if (!isObject(body)) throw invalid('the body has to be an object')
  if (typeof body.model !== 'string') throw invalid('model has to be text')
  if (body.model !== model) {
    throw new FlockError('TASK_NOT_FOUND', `The model ${JSON.stringify(body.model)} does not exist.`)
  }
  if (body.n !== undefined && body.n !== null && body.n !== 1) throw invalid('n has to be 1')
  const options = body.stream_options ?? {}
  if (!isObject(options)) throw invalid('stream_options has to be an object')
  return {
    messages: parseMessages(body.messages),
    sampling: {
      maxTokens: Math.min(
        parseNumber(body.max_tokens ?? body.max_completion_tokens, DEFAULT_MAX_TOKENS, {
          name: 'max_tokens',
          isAllowed: (value) => Number.isSafeInteger(value) && value >= 1,
        }),
        MOST_TOKENS,
      ),
      temperature: parseNumber(body.temperature, 1, {
        name: 'temperature',
        isAllowed: (value) => value >= 0 && value <= 2,
      }),
      seed: parseNumber(body.seed, 0, { name: 'seed', isAllowed: Number.isSafeInteger }),
      stop: parseStop(body.stop),
    },
    stream: parseFlag(body.stream, 'stream'),
    includeUsage: parseFlag(options.include_usage, 'stream_options.include_usage'),
  }
}

/** Computes the answer and counts what was read and said. */
export function answerDemoChat(chat: DemoChat, model: DemoModel): DemoAnswer {
  const prompt = renderPrompt(chat)
  const asked = chat.messages.filter(({ role }) => role === 'user').map(({ content }) => content)
  const { pieces, finishReason } = model.complete(asked.join('\n'), chat.sampling)
  const promptTokens = tokenize(prompt).length
  return {
    pieces,
    finishReason,
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: pieces.length,
      total_tokens: promptTokens + pieces.length,
    },
  }
}

/** The whole of what is read, as a chat template lays it out. */
function renderPrompt({ messages }: DemoChat): string {
  return [...messages.map(({ role, content }) => `${role}: ${content}`), 'assistant:'].join('\n')
}

function parseMessages(value: unknown): DemoChat['messages'] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('messages has to be a list of messages')
  return value.map((message: unknown, at) => {
    if (!isObject(message) || typeof message.role !== 'string') throw invalid(`messages[${at}] has no role`)
    return { role: message.role, content: parseContent(message.content, `messages[${at}].content`) }
  })
}

function parseContent(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) throw invalid(`${name} has to be text`)
  return value
    .map((part: unknown) => {
      if (isObject(part) && part.type === 'text' && typeof part.text === 'string') return part.text
      throw invalid(`${name} can hold parts of type text only`)
    })
    .join('')
}

function parseNumber(
  value: unknown,
  fallback: number,
  { name, isAllowed }: { readonly name: string; readonly isAllowed: (value: number) => boolean },
): number {
  if (value === undefined || value === null) return fallback
  if (typeof value === 'number' && isAllowed(value)) return value
  throw invalid(`${name} is out of range`)
}

function parseStop(value: unknown): string[] {
  if (value === undefined || value === null) return []
  const marks: unknown[] = Array.isArray(value) ? value : [value]
  if (marks.length > 4 || !marks.every((mark) => typeof mark === 'string' && mark !== '')) {
    throw invalid('stop has to be text, or up to four texts')
  }
  return marks as string[]
}

function parseFlag(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false
  if (typeof value === 'boolean') return value
  throw invalid(`${name} has to be true or false`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): FlockError {
  return new FlockError('TASK_INVALID', `Invalid request: ${message}.`)
}
