/** Bodies of the OpenAI-compatible routes that are handed on to a host, as clients write them. */
import type { JsonValue } from '../json.js'
import {
  type FieldCheck,
  SAMPLING_FIELDS,
  invalidField as invalid,
  isBoolean,
  isFiniteNumber,
  isPlainObject,
  isShallow,
  isShallowObject,
  isText,
  parseMaxTokens,
  parseModelName,
} from './body-fields.js'
import {
  type RelayedAnswer,
  parseChatChunk,
  parseTextChunk,
  relayChat,
  relayEmbeddings,
  relayText,
} from './openai.js'
import type { HostRoute, Operation } from './operation.js'

/** A body that was found to be in order. */
export interface RelayBody {
  readonly route: HostRoute
  readonly model: string | null
  readonly isStream: boolean
  /** Whether the client wants the usage in a last chunk. */
  readonly wantsUsage: boolean
  readonly maxTokens: number | null
  /** What is handed on, but for model, limit and stream. */
  readonly fields: Readonly<Record<string, JsonValue>>
  /** All text that the model reads, for those who count tokens. */
  readonly texts: readonly string[]
}

/** Parts of a list: as many as OpenAI takes. */
const MAX_INPUTS = 2_048
const MAX_TOOLS = 128

const CHAT_FIELDS: Readonly<Record<string, FieldCheck>> = {
  ...SAMPLING_FIELDS,
  response_format: isShallowObject,
  tools: (value) => Array.isArray(value) && value.length <= MAX_TOOLS && value.every(isShallowObject),
  tool_choice: (value) => isText(value) || isShallowObject(value),
  parallel_tool_calls: isBoolean,
  logprobs: isBoolean,
  top_logprobs: Number.isSafeInteger,
  reasoning_effort: isText,
  verbosity: isText,
  chat_template_kwargs: isShallowObject,
}

const TEXT_FIELDS: Readonly<Record<string, FieldCheck>> = {
  ...SAMPLING_FIELDS,
  suffix: isText,
  echo: isBoolean,
  logprobs: Number.isSafeInteger,
}

const EMBEDDING_FIELDS: Readonly<Record<string, FieldCheck>> = {
  encoding_format: (value) => value === 'float' || value === 'base64',
  dimensions: Number.isSafeInteger,
}

interface RouteRules {
  /** Where what the model reads stands. */
  readonly input: string
  readonly fields: Readonly<Record<string, FieldCheck>>
  /** @throws TASK_INVALID */
  readonly read: (value: unknown) => readonly string[]
  readonly completes: boolean
}

const RULES: Readonly<Record<HostRoute, RouteRules>> = {
  'chat/completions': { input: 'messages', fields: CHAT_FIELDS, read: readMessages, completes: true },
  completions: { input: 'prompt', fields: TEXT_FIELDS, read: readPrompt, completes: true },
  embeddings: { input: 'input', fields: EMBEDDING_FIELDS, read: readInput, completes: false },
}

/** Fields that are read here, or that say something to the maker of a service and nothing to a host. */
const OWN_FIELDS = new Set([
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
])

/** Fields that would multiply the work; they may say only that they do not. */
const MULTIPLIERS = new Set(['n', 'best_of'])

/**
 * Reads the body of a request to one of the OpenAI-compatible routes. The fields that are handed on are a closed list:
 * hosts take many more, some of which fetch addresses or choose keys.
 * @throws TASK_INVALID naming the field
 */
export function parseRelayBody(route: HostRoute, body: unknown): RelayBody {
  if (!isPlainObject(body)) throw invalid('The body has to be a JSON object.')
  const rules = RULES[route]
  const fields: Record<string, JsonValue> = {}
  for (const [name, value] of Object.entries(body)) {
    if (OWN_FIELDS.has(name) || name === rules.input || value === null) continue
    if (MULTIPLIERS.has(name) && value === 1) continue
    const accepts = Object.hasOwn(rules.fields, name) ? rules.fields[name] : undefined
    if (accepts === undefined) {
      throw invalid(`The field \`${name}\` is not supported${MULTIPLIERS.has(name) ? ' above 1' : ''}.`)
    }
    if (!accepts(value)) throw invalid(`The field \`${name}\` has a value of the wrong type.`)
    fields[name] = value as JsonValue
  }
  const texts = rules.read(body[rules.input])
  fields[rules.input] = body[rules.input] as JsonValue
  const { stream = false, stream_options: options } = body
  if (stream !== null && !isBoolean(stream)) throw invalid('`stream` has to be true or false.')
  if (stream === true && !rules.completes) throw invalid('Embeddings cannot be streamed.')
  return {
    route,
    model: parseModelName(body.model),
    isStream: stream === true,
    wantsUsage: isPlainObject(options) && options.include_usage === true,
    maxTokens: rules.completes ? parseMaxTokens(body.max_completion_tokens ?? body.max_tokens) : null,
    fields,
    texts,
  }
}

const READERS: Readonly<Record<HostRoute, Pick<Operation<RelayedAnswer>, 'read' | 'readChunk'>>> = {
  'chat/completions': { read: relayChat, readChunk: parseChatChunk },
  completions: { read: relayText, readChunk: parseTextChunk },
  // Never streamed: refused above.
  embeddings: { read: relayEmbeddings, readChunk: parseTextChunk },
}

/** @param limits what is known of the prompt, and how much a host may say at most; null for embeddings */
export function relayOperation(
  body: RelayBody,
  limits: { readonly promptTokens: number; readonly maxTokens: number | null },
): Operation<RelayedAnswer> {
  return { route: body.route, body: body.fields, ...limits, ...READERS[body.route] }
}

function readMessages(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('`messages` has to be a list of messages.')
  if (!isShallow(value)) throw invalid('`messages` is nested too deeply.')
  return value.flatMap((message: unknown, position) => readMessage(message, `messages[${position}]`))
}

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool'])

/** Fields of messages beside role and content, as SDKs give answers back. */
const MESSAGE_FIELDS: Readonly<Record<string, FieldCheck>> = {
  name: isText,
  tool_call_id: isText,
  tool_calls: (value) => Array.isArray(value) && value.length <= MAX_TOOLS && value.every(isShallowObject),
  refusal: isText,
  reasoning_content: isText,
  annotations: Array.isArray,
}

function readMessage(value: unknown, path: string): string[] {
  if (!isPlainObject(value)) throw invalid(`\`${path}\` has to be an object.`)
  if (!isText(value.role) || !ROLES.has(value.role)) {
    throw invalid(`\`${path}.role\` has to be one of ${[...ROLES].join(', ')}.`)
  }
  for (const [name, field] of Object.entries(value)) {
    if (name === 'role' || name === 'content' || field === null) continue
    const accepts = Object.hasOwn(MESSAGE_FIELDS, name) ? MESSAGE_FIELDS[name] : undefined
    if (accepts === undefined) throw invalid(`The field \`${path}.${name}\` is not supported.`)
    if (!accepts(field)) throw invalid(`The field \`${path}.${name}\` has a value of the wrong type.`)
  }
  const { content = null, tool_calls: calls } = value
  if (content === null) {
    if (value.role === 'assistant' && Array.isArray(calls) && calls.length > 0) return [JSON.stringify(calls)]
    throw invalid(`\`${path}.content\` is missing.`)
  }
  if (isText(content)) return [content]
  if (!Array.isArray(content) || content.length === 0) throw invalid(`\`${path}.content\` has to be text.`)
  return content.flatMap((part: unknown, position) => readPart(part, `${path}.content[${position}]`))
}

/** Images come with the request: an address would make the host fetch what a stranger chose. */
function readPart(part: unknown, path: string): string[] {
  if (isPlainObject(part) && part.type === 'text' && isText(part.text)) return [part.text]
  if (isPlainObject(part) && part.type === 'image_url' && isPlainObject(part.image_url)) {
    const { url } = part.image_url
    if (isText(url) && url.startsWith('data:image/')) return []
    throw invalid(`\`${path}.image_url.url\` has to be a data: URL; addresses are not fetched.`)
  }
  throw invalid(`\`${path}\` has to be a part of type text or image_url.`)
}

/** One prompt: several would be several requests. */
function readPrompt(value: unknown): string[] {
  const prompt: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value
  if (isText(prompt) && prompt !== '') return [prompt]
  throw invalid('`prompt` has to be one text that is not empty.')
}

function readInput(value: unknown): string[] {
  if (isText(value) && value !== '') return [value]
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MAX_INPUTS
  if (isList && value.every(isText)) return value
  if (isList && value.every(isFiniteNumber)) return []
  throw invalid(`\`input\` has to be a text, a list of tokens, or a list of at most ${MAX_INPUTS} texts.`)
}
