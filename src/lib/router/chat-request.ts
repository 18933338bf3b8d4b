import type { JsonValue } from '../json.js'
import {
  type FieldCheck,
  LIMIT_FIELDS,
  SAMPLING_FIELDS,
  checkField,
  checkFields,
  invalidField as invalid,
  isBoolean,
  isPlainObject,
  isShallowObject,
  isText,
  parseModelName,
  parseTokenLimit,
  parseWantsUsage,
} from './body-fields.js'

const ROLES = ['system', 'developer', 'user', 'assistant'] as const

export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

export interface ChatMessage {
  readonly role: (typeof ROLES)[number]
  readonly content: string | readonly TextPart[]
  readonly name?: string
}

/** A chat completion to be computed. `options` are sampling settings, under their OpenAI names. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[]
  /** Always sent: FLock API Platform would stop after 16 tokens otherwise. */
  readonly maxTokens: number
  readonly options: Readonly<Record<string, JsonValue>>
}

/** A chat body as its author wrote it: the model and the limit may be left to the service. */
export interface ChatBody {
  readonly messages: readonly ChatMessage[]
  readonly options: Readonly<Record<string, JsonValue>>
  readonly maxTokens: number | null
  readonly model: string | null
}

/**
 * Sampling settings that are handed on. The list is closed, because bodies come from strangers: hosts take many
 * more fields, some of which fetch addresses, choose keys or multiply the work.
 */
const OPTIONS: Readonly<Record<string, FieldCheck>> = {
  ...SAMPLING_FIELDS,
  response_format: isShallowObject,
}

/** Fields of messages beside role and content. */
const MESSAGE_FIELDS: Readonly<Record<string, FieldCheck>> = { name: isText }

/** Fields that are read on their own. */
const READ_FIELDS = new Set(['messages', 'model', 'stream_options', ...LIMIT_FIELDS])

/** Fields that say nothing to a host, or only what the service does anyway. */
const UNUSED_FIELDS: Readonly<Record<string, FieldCheck>> = {
  user: isText,
  stream: isBoolean,
  n: (value) => value === 1,
}

/**
 * Reads an OpenAI chat-completion body written by whoever asks.
 *
 * `stream` and `n` may say only what the service does anyway; unknown fields are refused rather than dropped, since
 * an answer computed without them would not be the answer that was asked for.
 * @throws TASK_INVALID naming the field
 */
export function parseChatBody(body: Readonly<Record<string, unknown>>): ChatBody {
  const options: Record<string, JsonValue> = {}
  for (const [name, value] of Object.entries(body)) {
    if (value === null || READ_FIELDS.has(name)) continue
    if (Object.hasOwn(UNUSED_FIELDS, name)) {
      checkField(UNUSED_FIELDS, name, value)
    } else if (Object.hasOwn(OPTIONS, name)) {
      checkField(OPTIONS, name, value)
      options[name] = value as JsonValue
    } else {
      throw invalid(`The field \`${name}\` is not supported.`, supported)
    }
  }
  parseWantsUsage(body.stream_options)
  return {
    messages: parseMessages(body.messages),
    options,
    maxTokens: parseTokenLimit(body),
    model: parseModelName(body.model),
  }
}

/** A chat of one user message. */
export function chatOfPrompt(prompt: string): ChatMessage[] {
  return [{ role: 'user', content: prompt }]
}

/** Messages as they are sent to a host. */
export function renderMessages(messages: readonly ChatMessage[]): JsonValue {
  return messages as unknown as JsonValue
}

function parseMessages(value: unknown): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('`messages` has to be a list of messages.')
  return value.map((message: unknown, position) => parseMessage(message, `messages[${position}]`))
}

function parseMessage(value: unknown, path: string): ChatMessage {
  if (!isPlainObject(value)) throw invalid(`\`${path}\` has to be an object.`)
  const { role, content, ...others } = value
  checkFields(MESSAGE_FIELDS, others, path)
  const known = ROLES.find((candidate) => candidate === role)
  if (known === undefined) throw invalid(`\`${path}.role\` has to be one of ${ROLES.join(', ')}.`)
  const message = { role: known, content: parseContent(content, `${path}.content`) }
  return isText(others.name) ? { ...message, name: others.name } : message
}

/** Text only: an image part would make the host fetch an address that a stranger chose. */
function parseContent(value: unknown, path: string): string | TextPart[] {
  if (isText(value)) return value
  if (!Array.isArray(value) || value.length === 0) throw invalid(`\`${path}\` has to be text.`)
  return value.map((part: unknown, position) => parsePart(part, `${path}[${position}]`))
}

function parsePart(part: unknown, path: string): TextPart {
  if (!isPlainObject(part) || part.type !== 'text' || !isText(part.text)) {
    throw invalid(`\`${path}\` has to be a part of type text.`)
  }
  const { type, text, ...others } = part
  checkFields({}, others, path)
  return { type, text }
}

const supported = `Fields that can be used: messages, model, max_tokens, ${Object.keys(OPTIONS).join(', ')}.`
