/** Checks of the fields of OpenAI-like bodies, which strangers write. */
import { FlockError } from '../errors.js'

/** Deepest nesting of a field: a JSON schema needs a dozen levels, and writers of JSON recurse. */
const MAX_DEPTH = 32

/** Longest name of a field, and longest message, that is repeated: strangers choose names, and refusals are logged. */
const MAX_SHOWN = 64
const MAX_MESSAGE = 400

export type FieldCheck = (value: unknown) => boolean

/** Sampling settings that are handed on, under their OpenAI names. */
export const SAMPLING_FIELDS: Readonly<Record<string, FieldCheck>> = {
  temperature: isFiniteNumber,
  top_p: isFiniteNumber,
  top_k: Number.isSafeInteger,
  min_p: isFiniteNumber,
  frequency_penalty: isFiniteNumber,
  presence_penalty: isFiniteNumber,
  repetition_penalty: isFiniteNumber,
  seed: Number.isSafeInteger,
  stop: (value) => isText(value) || (Array.isArray(value) && value.length <= 16 && value.every(isText)),
  logit_bias: isShallowObject,
}

/** Names of the limit of completion tokens, the newer one first. */
export const LIMIT_FIELDS: readonly string[] = ['max_completion_tokens', 'max_tokens']

const STREAM_FIELDS: Readonly<Record<string, FieldCheck>> = {
  include_usage: isBoolean,
  // Random text against guesses by length, which a host may send or not.
  include_obfuscation: isBoolean,
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean'
}

export function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object that is not nested without end. */
export function isShallowObject(value: unknown): value is Record<string, unknown> {
  return isPlainObject(value) && isShallow(value)
}

/** False for what is nested so deeply that writing it as JSON could fail. */
export function isShallow(value: unknown): boolean {
  return isAtMostDeep(value, MAX_DEPTH)
}

function isAtMostDeep(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((item) => isAtMostDeep(item, depth - 1))
}

/**
 * Checks one field by a closed list.
 * @param path of the object around it @throws TASK_INVALID naming the field
 */
export function checkField(
  fields: Readonly<Record<string, FieldCheck>>,
  name: string,
  value: unknown,
  path?: string,
): void {
  const accepts = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (accepts?.(value) === true) return
  const shown = `${path === undefined ? '' : `${path}.`}${name.slice(0, MAX_SHOWN)}`
  throw invalidField(
    accepts === undefined
      ? `The field \`${shown}\` is not supported.`
      : `The field \`${shown}\` has a value of the wrong type.`,
  )
}

/** Checks every field of an object by a closed list; null is as good as nothing. @throws TASK_INVALID naming the field */
export function checkFields(
  fields: Readonly<Record<string, FieldCheck>>,
  object: Readonly<Record<string, unknown>>,
  path: string,
): void {
  for (const [name, value] of Object.entries(object)) {
    if (value !== null) checkField(fields, name, value, path)
  }
}

/** Whether `stream_options` ask for the usage at the end of a stream. @throws TASK_INVALID */
export function parseWantsUsage(value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (!isPlainObject(value)) throw invalidField('`stream_options` has to be an object.')
  checkFields(STREAM_FIELDS, value, 'stream_options')
  return value.include_usage === true
}

/**
 * The limit of completion tokens under either of its names: both have to be right where both are given, and the newer
 * one counts. @throws TASK_INVALID
 */
export function parseTokenLimit(body: Readonly<Record<string, unknown>>): number | null {
  const [newer, older] = LIMIT_FIELDS.map((name) => parseMaxTokens(body[name], name))
  return newer ?? older ?? null
}

/** The limit of completion tokens; null when the body leaves it to the service. @throws TASK_INVALID */
export function parseMaxTokens(value: unknown, name = 'max_tokens'): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  throw invalidField(`\`${name}\` has to be a whole number of 1 or more.`)
}

/** The model that is asked for; null when the body leaves it to the service. @throws TASK_INVALID */
export function parseModelName(value: unknown): string | null {
  if (value === undefined || value === null) return null
  if (isText(value) && value !== '') return value
  throw invalidField('`model` has to be the name or id of a model.')
}

/** @param message is cut where it repeats a name without end */
export function invalidField(message: string, hint?: string): FlockError {
  const shown = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}...` : message
  return new FlockError('TASK_INVALID', shown, hint === undefined ? {} : { hint })
}
