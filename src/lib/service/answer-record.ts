import * as v from 'valibot'
import { type Hex, bytesToHex } from '../hex.js'
import { RECEIPT_BYTES, type UsageReceipt, decodeReceipt, encodeReceipt } from '../usage/receipt.js'

/** The answer to a paid request, with all that is needed to give it again exactly as it was. */
export interface SignedAnswer {
  readonly answer: Uint8Array
  /** Names the request by its `inputHash`: the hash of the task envelope, with node and interval. */
  readonly receipt: UsageReceipt
  readonly signature: Hex
  readonly model: string
  readonly hostId: string
  /** Who counted the tokens. */
  readonly usageSource: string
  /** What was counted, before the request's caps: prompt, completion, cached tokens and so on. */
  readonly tokens: Readonly<Record<string, number>>
}

/** An answer as the journal keeps it. */
export interface StoredAnswer extends SignedAnswer {
  /** When it was given to the journal, in milliseconds of unix time. */
  readonly timeMs: number
}

/*
 * | version, 1 byte | time, double | length of the notes, uint32 | receipt | signature | notes as JSON | answer |
 */
const VERSION = 1
const TIME_AT = 1
const NOTES_LENGTH_AT = TIME_AT + 8
const RECEIPT_AT = NOTES_LENGTH_AT + 4
const SIGNATURE_AT = RECEIPT_AT + RECEIPT_BYTES
const NOTES_AT = SIGNATURE_AT + 65
/** The sixth word of the receipt. */
const KEY_AT = RECEIPT_AT + 5 * 32

const notesSchema = v.object({
  model: v.string(),
  hostId: v.string(),
  usageSource: v.string(),
  tokens: v.record(v.string(), v.number()),
})

export function encodeAnswer(stored: StoredAnswer): Buffer {
  const { answer, receipt, signature, model, hostId, usageSource, tokens, timeMs } = stored
  const notes = Buffer.from(JSON.stringify({ model, hostId, usageSource, tokens }))
  const bytes = Buffer.allocUnsafe(NOTES_AT + notes.length + answer.length)
  bytes.writeUInt8(VERSION, 0)
  bytes.writeDoubleBE(timeMs, TIME_AT)
  bytes.writeUInt32BE(notes.length, NOTES_LENGTH_AT)
  bytes.write(encodeReceipt(receipt).slice(2), RECEIPT_AT, 'hex')
  if (bytes.write(signature.slice(2), SIGNATURE_AT, 'hex') !== NOTES_AT - SIGNATURE_AT)
    throw new Error('the signature does not have 65 bytes')
  notes.copy(bytes, NOTES_AT)
  bytes.set(answer, NOTES_AT + notes.length)
  return bytes
}

/** The request that an encoded answer is for: the `inputHash` of its receipt. */
export function keyOfRecord(bytes: Uint8Array): Hex {
  return bytesToHex(bytes.subarray(KEY_AT, KEY_AT + 32))
}

export function timeOfRecord(bytes: Buffer): number {
  return bytes.readDoubleBE(TIME_AT)
}

/** Throws when the bytes are no answer; who knows where they stood says so. */
export function decodeAnswer(bytes: Buffer): StoredAnswer {
  const version = bytes.readUInt8(0)
  if (version !== VERSION) throw new Error(`version ${version} of the record is not known`)
  const answerAt = NOTES_AT + bytes.readUInt32BE(NOTES_LENGTH_AT)
  const notes: unknown = JSON.parse(bytes.toString('utf8', NOTES_AT, answerAt))
  return {
    ...v.parse(notesSchema, notes),
    timeMs: timeOfRecord(bytes),
    receipt: decodeReceipt(bytesToHex(bytes.subarray(RECEIPT_AT, SIGNATURE_AT))),
    signature: bytesToHex(bytes.subarray(SIGNATURE_AT, NOTES_AT)),
    answer: Uint8Array.from(bytes.subarray(answerAt)),
  }
}

/** Shorter bytes cannot be an answer. */
export const MIN_RECORD_BYTES = NOTES_AT
