/** Bodies of the OpenAI-compatible routes that are handed on to a host, as clients write them. */
import type { JsonValue } from '../json.js'
import {
  type FieldCheck,
  LIMIT_FIELDS,
  SAMPLING_FIELDS,
  checkField,
  checkFields,
  invalidField as invalid,
  isBoolean,
  isFiniteNumber,
  isPlainObject,
  isShallowObject,
  isText,
  parseModelName,
  parseTokenLimit,
  parseWantsUsage,
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
import { MAX_TOOLS, readMessages } from './relay-messages.js'

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
  /** How many tokens the client gives as their numbers, in the place of text. */
  readonly inputTokens: number
}

/** Texts of a request for embeddings, and tokens of one: as many as OpenAI takes. */
const MAX_INPUTS = 2_048
const MAX_INPUT_TOKENS = 8_192

/**
 * What clients may say to the chat template of a model. The list is closed: vLLM hands on all that stands here, the
 * template itself among it (GHSA-69j4-grxj-j64p).
 */
const TEMPLATE_FIELDS: Readonly<Record<string, FieldCheck>> = {
  enable_thinking: isBoolean,
  thinking: isBoolean,
  thinking_budget: Number.isSafeInteger,
  reasoning_effort: isText,
}

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
  chat_template_kwargs: isPlainObject,
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

/** What the model is given. */
type Input = Pick<RelayBody, 'texts' | 'inputTokens'>

interface RouteRules {
  /** Where what the model reads stands. */
  readonly input: string
  readonly fields: Readonly<Record<string, FieldCheck>>
  /** @throws TASK_INVALID */
  readonly read: (value: unknown) => Input
  readonly completes: boolean
}

const RULES: Readonly<Record<HostRoute, RouteRules>> = {
  'chat/completions': {
    input: 'messages',
    fields: CHAT_FIELDS,
    read: (value) => inTexts(readMessages(value)),
    completes: true,
  },
  completions: { input: 'prompt', fields: TEXT_FIELDS, read: readPrompt, completes: true },
  embeddings: { input: 'input', fields: EMBEDDING_FIELDS, read: readInput, completes: false },
}

/** Fields that are read here. */
const READ_FIELDS = new Set(['model', 'stream', 'stream_options'])

/** Fields that say something to the maker of a service and nothing to a host. */
const UNUSED_FIELDS: Readonly<Record<string, FieldCheck>> = {
  user: isText,
  metadata: isShallowObject,
  store: isBoolean,
  service_tier: isText,
  safety_identifier: isText,
  prompt_cache_key: isText,
  prompt_cache_retention: isText,
}

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
    if (value === null || name === rules.input || READ_FIELDS.has(name)) continue
    if (rules.completes && LIMIT_FIELDS.includes(name)) continue
    if (MULTIPLIERS.has(name)) {
      if (value !== 1) throw invalid(`The field \`${name}\` is not supported above 1.`)
    } else if (Object.hasOwn(UNUSED_FIELDS, name)) {
      checkField(UNUSED_FIELDS, name, value)
    } else {
      checkField(rules.fields, name, value)
      fields[name] = value as JsonValue
    }
  }
  const { chat_template_kwargs: template } = fields
  if (isPlainObject(template)) checkFields(TEMPLATE_FIELDS, template, 'chat_template_kwargs')
  const input = rules.read(body[rules.input])
  fields[rules.input] = body[rules.input] as JsonValue
  const isStream = parseStream(body)
  if (isStream && !rules.completes) throw invalid('Embeddings cannot be streamed.')
  return {
    route,
    model: parseModelName(body.model),
    isStream,
    wantsUsage: parseWantsUsage(body.stream_options),
    maxTokens: rules.completes ? parseTokenLimit(body) : null,
    fields,
    ...input,
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

function parseStream({ stream = null }: Readonly<Record<string, unknown>>): boolean {
  if (stream !== null && !isBoolean(stream)) throw invalid('`stream` has to be true or false.')
  return stream === true
}

/** One prompt: several would be several requests. */
function readPrompt(value: unknown): Input {
  const prompt: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value
  if (isText(prompt) && prompt !== '') return inTexts([prompt])
  throw invalid('`prompt` has to be one text that is not empty.')
}

function readInput(value: unknown): Input {
  if (isText(value) && value !== '') return inTexts([value])
  const items: readonly unknown[] = Array.isArray(value) ? value : []
  if (items.length > 0 && items.length <= MAX_INPUTS && items.every(isText)) return inTexts(items)
  if (items.length > 0 && items.length <= MAX_INPUT_TOKENS && items.every(isToken)) {
    return { texts: [], inputTokens: items.length }
  }
  throw invalid(
    `\`input\` has to be a text, a list of at most ${MAX_INPUTS} texts, or one of at most ${MAX_INPUT_TOKENS} tokens.`,
  )
}

function inTexts(texts: readonly string[]): Input {
  return { texts, inputTokens: 0 }
}

function isToken(value: unknown): value is number {
  return isFiniteNumber(value) && Number.isSafeInteger(value) && value >= 0
}
