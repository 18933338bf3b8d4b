import type { JsonValue } from '../json.js'
import type { JsonObject } from './payload.js'
import {
  CSS_ENDPOINTS,
  CSS_PROVIDERS,
  type StockMessage,
  type StockTask,
  checkCssEndpoint,
  checkMessageCount,
  invalidStockTask,
  parseHfTask,
  parsePrompt,
} from './stock-task.js'

/** Generation parameters of the Hugging Face client, and what OpenAI's chat completions call the same. */
const HF_OPTIONS: Readonly<Record<string, string>> = {
  max_new_tokens: 'max_tokens',
  max_length: 'max_tokens',
  stop: 'stop',
  stop_sequences: 'stop',
  temperature: 'temperature',
  top_p: 'top_p',
  top_k: 'top_k',
  repetition_penalty: 'repetition_penalty',
  frequency_penalty: 'frequency_penalty',
  seed: 'seed',
}

/** Parameters that may say what happens anyway. */
const HF_HARMLESS: Readonly<Record<string, readonly JsonValue[]>> = {
  stream: [true, false],
  do_sample: [true, false],
  details: [false],
  return_full_text: [false],
  watermark: [false],
  decoder_input_details: [false],
  best_of: [1],
}

const HF_FIELDS = new Set(['task_id', 'prompt', 'text', 'model', 'parameters'])
const CSS_FIELDS = new Set(['provider', 'endpoint', 'model', 'params', 'extra_args'])

/**
 * Reads `data` of an off-chain task as a client of a stock service writes it, or returns null when it is none of them:
 * `task_id` marks a body for the Hugging Face client, `params` one for a hosted model, and a body for the TGI client
 * is `text` alone. A body with an envelope is never one of them.
 *
 * The stock Hugging Face client stops after 20 tokens when nothing else is said; here the limit is the service's.
 * @throws TASK_INVALID naming the field, when the body is marked and faulty
 * @see infernet.md 8.3
 */
export function parseStockBody(data: JsonObject): StockTask | null {
  if (isGiven(data.envelope)) return null
  if (isGiven(data.task_id)) return parseHfBody(data)
  if (isGiven(data.params)) return parseCssBody(data)
  const [field, ...others] = Object.keys(data)
  if (field !== 'text' || others.length > 0 || typeof data.text !== 'string') return null
  return {
    kind: 'tgi',
    provider: null,
    model: null,
    messages: parsePrompt(data.text),
    options: {},
    rawInput: '0x',
  }
}

function parseHfBody(data: JsonObject): StockTask {
  const { task_id: taskId, prompt, text, model, parameters } = data
  if (typeof taskId !== 'number') throw invalidField('task_id', 'the number of a task')
  const input = prompt ?? text
  if (typeof input !== 'string' || (isGiven(prompt) && isGiven(text))) {
    throw invalidStockTask('`data` has to hold exactly one of `prompt` and `text`, which is text.')
  }
  const settings = Object.entries(data).filter(([name]) => !HF_FIELDS.has(name))
  return {
    kind: 'hf',
    provider: null,
    model: parseModel(model),
    messages: parseHfTask(taskId, input),
    options: parseHfOptions([...settings, ...Object.entries(parseObject(parameters, 'parameters'))]),
    rawInput: '0x',
  }
}

/** What cannot be handed on is refused rather than dropped: the answer would not be the one that was asked for. */
function parseHfOptions(settings: readonly (readonly [string, JsonValue])[]): JsonObject {
  const given = settings.filter(([, value]) => value !== null)
  const options: JsonObject = {}
  for (const [name, value] of given) {
    const option = Object.hasOwn(HF_OPTIONS, name) ? HF_OPTIONS[name] : undefined
    if (option === undefined) {
      if (Object.hasOwn(HF_HARMLESS, name) && HF_HARMLESS[name]?.includes(value) === true) continue
      throw invalidStockTask(`The parameter \`${name}\` is not supported${valueOf(value)}.`)
    }
    if (Object.hasOwn(options, option)) throw invalidStockTask(`The parameter \`${name}\` is given twice.`)
    options[option] = value
  }
  const isGreedy = given.some(([name, value]) => name === 'do_sample' && value === false)
  return isGreedy ? { temperature: 0, ...options } : options
}

function parseCssBody(data: JsonObject): StockTask {
  const provider = parseName(data.provider, CSS_PROVIDERS, 'provider')
  checkCssEndpoint(parseName(data.endpoint, CSS_ENDPOINTS, 'endpoint'))
  const unknown = Object.keys(data).find((name) => !CSS_FIELDS.has(name) && data[name] !== null)
  if (unknown !== undefined) throw invalidStockTask(`The field \`${unknown}\` is not supported.`)
  const options = parseObject(data.extra_args, 'extra_args')
  const own = ['messages', 'model'].find((name) => Object.hasOwn(options, name))
  if (own !== undefined)
    throw invalidStockTask(`The field \`extra_args.${own}\` belongs outside of extra_args.`)
  return {
    kind: 'css',
    provider,
    model: parseModel(data.model),
    messages: parseMessages(parseObject(data.params, 'params').messages),
    options,
    rawInput: '0x',
  }
}

function parseMessages(value: JsonValue | undefined): StockMessage[] {
  if (!Array.isArray(value)) throw invalidField('params.messages', 'a list of messages')
  checkMessageCount(value.length)
  return value.map((item, position) => {
    const path = `params.messages[${position}]`
    const { role, content, ...others } = parseObject(item, path)
    const [unknown] = Object.keys(others)
    if (unknown !== undefined) throw invalidStockTask(`The field \`${path}.${unknown}\` is not supported.`)
    if (typeof role !== 'string') throw invalidField(`${path}.role`, 'text')
    if (typeof content !== 'string') throw invalidField(`${path}.content`, 'text')
    return { role, content }
  })
}

function parseName<T extends string>(value: JsonValue | undefined, names: readonly T[], field: string): T {
  const name = names.find((candidate) => candidate === value)
  if (name === undefined) throw invalidField(field, `one of ${names.join(', ')}`)
  return name
}

function parseModel(value: JsonValue | undefined): string | null {
  if (!isGiven(value) || value === '') return null
  if (typeof value !== 'string') throw invalidField('model', 'the name of a model')
  return value
}

function parseObject(value: JsonValue | undefined, field: string): JsonObject {
  if (!isGiven(value)) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw invalidField(field, 'an object')
  return value
}

function isGiven(value: JsonValue | undefined): value is Exclude<JsonValue, null> {
  return value !== undefined && value !== null
}

/** Only values that are no text are shown: a text may be part of a prompt. */
function valueOf(value: JsonValue): string {
  return typeof value === 'number' || typeof value === 'boolean' ? ` with the value ${value}` : ''
}

function invalidField(field: string, allowed: string) {
  return invalidStockTask(`\`data.${field}\` has to be ${allowed}.`)
}
