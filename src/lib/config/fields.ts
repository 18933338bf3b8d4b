/** The kinds of values that flock.yaml is made of. Messages say what is allowed; what was found is added to them. */
import * as v from 'valibot'
import { isAddress, parseAddress } from '../hex.js'
import type { Address } from '../hex.js'
import { isVariableName } from '../variable-name.js'

/** The largest number that the contracts keep for token caps and weights. */
export const UINT32_MAX = 4_294_967_295

const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/

export const slug = v.pipe(
  v.string('a name in lower case, digits and dashes'),
  v.regex(SLUG, 'a name in lower case, digits and dashes'),
  v.maxLength(64, 'a name of at most 64 characters'),
)

/** True for a name as models, hosts and clients have it. */
export function isSlug(text: string): boolean {
  return v.is(slug, text)
}

export const line = (what: string) =>
  v.pipe(
    v.string(what),
    v.check((text) => text.trim() !== '' && !/[\r\n]/.test(text), what),
  )
export const url = v.pipe(
  v.string('an http or https URL'),
  v.check((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'an http or https URL'),
)
export const address = v.pipe(
  v.custom<Address>(
    (value) => isAddress(value),
    'an address: 0x and 40 hexadecimal digits, its checksum right',
  ),
  v.transform((text): Address => parseAddress(text, 'address')),
)
export const integer = (min: number, max: number) => {
  const what = `an integer from ${min} to ${max}`
  return v.pipe(v.number(what), v.integer(what), v.minValue(min, what), v.maxValue(max, what))
}
export const amount = v.pipe(
  v.string('a decimal amount in quotes, for instance "0.5"'),
  v.regex(/^\d{1,18}(?:\.\d{1,18})?$/, 'a decimal amount with at most 18 decimals, for instance "0.5"'),
)
export const orNull = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema), null)

export const jsonObject = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && !Array.isArray(value) && value !== null && isJsonValue(value),
  'fields of the body by name, with values of JSON',
)
export const variable = v.pipe(
  v.string('the name of an environment variable'),
  v.check(isVariableName, 'the name of an environment variable, for instance FLOCK_API_KEY'),
)

/** YAML also has dates and numbers that are none. */
function isJsonValue(value: unknown): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isJsonValue)
  const isPlain = typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype
  return isPlain && Object.values(value).every(isJsonValue)
}
