import { isInteger, parse as parseLossless } from 'lossless-json'
import { FlockError, messageOf } from './errors.js'

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }

/**
 * A copy that `JSON.stringify` can write: bigint as a decimal string, dates as ISO 8601 in UTC, `undefined` keys left out.
 */
export function toJsonValue(value: unknown): JsonValue {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case 'bigint':
      return value.toString()
    case 'string':
    case 'number':
    case 'boolean':
      return value
    case 'object':
      if (value instanceof Date) return value.toISOString()
      if (Array.isArray(value)) return value.map(toJsonValue)
      return Object.fromEntries(
        Object.entries(value)
          .filter(([, item]) => item !== undefined)
          .map(([key, item]) => [key, toJsonValue(item)]),
      )
    default:
      return null
  }
}

/** JSON text of any value that `toJsonValue` takes. */
export function stringifyJson(value: unknown, indent?: number): string {
  return JSON.stringify(toJsonValue(value), null, indent)
}

/**
 * Parses JSON and keeps integers exact: those beyond 2^53 come back as bigint, all other numbers as number.
 * @throws JSON_INVALID with the name of the source
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return parseLossless(text, undefined, { parseNumber: exactNumber })
  } catch (error) {
    throw new FlockError('JSON_INVALID', `${what} is not valid JSON: ${messageOf(error)}.`, {
      cause: error,
      details: { what },
    })
  }
}

function exactNumber(text: string): number | bigint {
  const value = Number(text)
  return isInteger(text) && !Number.isSafeInteger(value) ? BigInt(text) : value
}
