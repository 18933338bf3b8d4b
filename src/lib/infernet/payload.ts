import { AbiCoder } from 'ethers/abi'
import { FlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import type { JsonValue } from '../json.js'
import { pythonLiteralOfJson } from './python-literal.js'

/** Where a task comes from: bytes of a consumer contract, or an object of a REST body. */
export const SOURCE = { onChain: 0, offChain: 1 } as const
/** Where its answer goes: the chain, the caller or the next container, or a stream of text. */
export const DESTINATION = { onChain: 0, offChain: 1, stream: 2 } as const

export type Source = (typeof SOURCE)[keyof typeof SOURCE]
export type Destination = (typeof DESTINATION)[keyof typeof DESTINATION]

export type JsonObject = { [key: string]: JsonValue }

/** A task as a node hands it to a container at `POST /service_output`. */
export type ServiceInput = {
  readonly destination: Destination
  readonly requiresProof: boolean
} & (
  | { readonly source: typeof SOURCE.onChain; /** What the consumer gave. */ readonly data: Hex }
  | { readonly source: typeof SOURCE.offChain; readonly data: JsonObject }
)

/** The answer that goes on chain: hexadecimal without `0x`, `""` or null for no bytes. */
export interface FiveFields {
  readonly raw_input: string | null
  readonly processed_input: string | null
  readonly raw_output: string | null
  readonly processed_output: string | null
  readonly proof: string | null
}

/** What a container answers: five fields for the chain, any JSON object otherwise. */
export type ServiceOutput = FiveFields | JsonObject

/** The bytes arguments of `deliverCompute`. */
export interface DeliveryBytes {
  readonly input: Hex
  readonly output: Hex
  readonly proof: Hex
}

/** What a delivered `output` or `input` holds: two byte strings, or the text of an answer without five fields. */
export type DeliveredBytes =
  | { readonly kind: 'fields'; readonly raw: Hex; readonly processed: Hex }
  | { readonly kind: 'text'; readonly text: string }

/** What the reference node delivers in its dry run, before anything is computed. */
export const DRY_RUN_DELIVERY: DeliveryBytes = { input: '0x', output: `0x${'00'.repeat(32)}`, proof: '0x' }

const STRING_OFFSET = `0x${'20'.padStart(64, '0')}`

const FIELDS = ['raw_input', 'processed_input', 'raw_output', 'processed_output', 'proof'] as const
const PLAIN_HEX = /^(?:[0-9a-fA-F]{2})*$/

/**
 * Reads the body of `POST /service_output`.
 * @throws TASK_INVALID naming the field
 */
export function parseServiceInput(body: unknown): ServiceInput {
  if (!isJsonObject(body)) throw invalidTask('The body has to be a JSON object.')
  const { source, destination, data, requires_proof: requiresProof = false } = body
  if (destination !== 0 && destination !== 1 && destination !== 2) {
    throw invalidTask('`destination` has to be 0 (on chain), 1 (off chain) or 2 (stream).')
  }
  if (typeof requiresProof !== 'boolean') throw invalidTask('`requires_proof` has to be true or false.')
  if (source === SOURCE.onChain)
    return { source, destination, requiresProof, data: parsePlainHex(data, '`data`') }
  if (source !== SOURCE.offChain) throw invalidTask('`source` has to be 0 (on chain) or 1 (off chain).')
  if (!isJsonObject(data)) throw invalidTask('`data` has to be an object when `source` is 1.')
  return { source, destination, requiresProof, data }
}

/** The body of `POST /service_output` as the reference node writes it: a stream has no `requires_proof`. */
export function renderServiceInput({ source, destination, data, requiresProof }: ServiceInput): JsonObject {
  const body = { source, destination, data: typeof data === 'string' ? data.slice(2) : data }
  return destination === DESTINATION.stream ? body : { ...body, requires_proof: requiresProof }
}

/**
 * Reads hexadecimal as containers write it, with or without `0x`.
 * @throws TASK_INVALID
 */
export function parsePlainHex(value: unknown, what: string): Hex {
  const digits = typeof value === 'string' ? value.replace(/^0x/, '') : undefined
  if (digits !== undefined && PLAIN_HEX.test(digits)) return `0x${digits.toLowerCase()}`
  throw invalidTask(`${what} has to be hexadecimal bytes without 0x when the task comes from the chain.`)
}

/** Renders bytes for a field of the five. */
export function renderPlainHex(bytes: Hex): string {
  return bytes.slice(2)
}

/** True when an answer has all five keys; one missing key makes it an answer of another kind. */
export function isFiveFields(output: unknown): output is Record<keyof FiveFields, unknown> {
  return isJsonObject(output) && FIELDS.every((field) => Object.hasOwn(output, field))
}

/**
 * The failure that an answer reports, or null. The node does not look at the HTTP status: an answer with a `code`
 * other than the string `"200"` is a failure.
 */
export function failureOf(output: unknown): { code: string; name: string; description: string } | null {
  if (!isJsonObject(output) || !Object.hasOwn(output, 'code') || output.code === '200') return null
  const { code, name, description } = output
  return { code: textOf(code), name: textOf(name), description: textOf(description) }
}

/**
 * Encodes a container's answer, given as its JSON text, into the bytes that are delivered.
 *
 * Five fields become `abi.encode(bytes, bytes)` each for input and output, and the bare proof. Any other answer is
 * delivered whole as `abi.encode(string)` of its Python literal, which existing consumers expect.
 * @throws CONTAINER_FAILED for a field that is not hexadecimal, JSON_INVALID
 * @see infernet.md 2.5
 */
export function encodeDelivery(outputJson: string): DeliveryBytes {
  const literal = pythonLiteralOfJson(outputJson)
  const output: unknown = JSON.parse(outputJson)
  if (!isFiveFields(output)) return { input: '0x', output: encode(['string'], [literal]), proof: '0x' }
  const [rawInput, processedInput, rawOutput, processedOutput, proof] = FIELDS.map((field) =>
    fieldBytes(output[field], field),
  )
  return {
    input: encode(['bytes', 'bytes'], [rawInput, processedInput]),
    output: encode(['bytes', 'bytes'], [rawOutput, processedOutput]),
    proof: proof ?? '0x',
  }
}

/**
 * Reads a delivered `input` or `output` back.
 * @throws CONTAINER_FAILED when the bytes are neither of the two encodings
 */
export function decodeDelivered(bytes: Hex): DeliveredBytes {
  // Both encodings start with the offset of their first tail: after one word for a string, after two for two bytes.
  const isText = bytes.startsWith(STRING_OFFSET)
  try {
    const values = AbiCoder.defaultAbiCoder().decode(isText ? ['string'] : ['bytes', 'bytes'], bytes)
    return isText
      ? { kind: 'text', text: values[0] as string }
      : { kind: 'fields', raw: values[0] as Hex, processed: values[1] as Hex }
  } catch (error) {
    throw new FlockError(
      'CONTAINER_FAILED',
      'The delivered bytes are neither (bytes, bytes) nor a text, so no container answer can be read from them.',
      { cause: error },
    )
  }
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Blanks between byte pairs are allowed, as the reference node's `bytes.fromhex` allows them. */
function fieldBytes(value: unknown, field: string): Hex {
  if (value === null) return '0x'
  const pairs = typeof value === 'string' ? value.split(/[ \t-\r]+/) : null
  if (pairs?.every((part) => PLAIN_HEX.test(part))) return `0x${pairs.join('').toLowerCase()}`
  throw new FlockError('CONTAINER_FAILED', `The container's \`${field}\` is not hexadecimal without 0x.`, {
    details: { field },
  })
}

function encode(types: readonly string[], values: readonly unknown[]): Hex {
  return AbiCoder.defaultAbiCoder().encode([...types], [...values]) as Hex
}

function textOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function invalidTask(message: string): FlockError {
  return new FlockError('TASK_INVALID', message)
}
