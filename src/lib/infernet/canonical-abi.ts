import { FlockError } from '../errors.js'

/**
 * Reads bytes as `abi.encode` writes them, and in no other way: whoever reads checks that every offset points right
 * behind what was read before and that nothing is left at the end. Such bytes encode back to themselves, and reading
 * them takes time and memory in proportion to their length, whatever counts and offsets they claim.
 */

/** Bytes of one word. */
export const WORD = 32

/** What a text ends with: where the next value begins. */
export interface AbiText {
  readonly text: string
  readonly end: number
}

const UPPER_BYTES = WORD - 4
const ZEROS = Buffer.alloc(WORD)
// A byte order mark is part of the text: left out, the text would encode to other bytes.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The number in the word at byte `at`; -1 beyond the end, and for what needs more than 32 bits. */
export function readSmallWord(bytes: Buffer, at: number): number {
  if (at + WORD > bytes.length || ZEROS.compare(bytes, at, at + UPPER_BYTES, 0, UPPER_BYTES) !== 0) return -1
  return bytes.readUInt32BE(at + UPPER_BYTES)
}

/**
 * The `string` whose length stands at byte `at`, or null when it is cut off or filled up with other than zeros.
 * @throws TASK_INVALID for bytes that are not UTF-8
 */
export function readAbiText(bytes: Buffer, at: number): AbiText | null {
  const length = readSmallWord(bytes, at)
  const from = at + WORD
  const end = from + wholeWords(length)
  if (length < 0 || end > bytes.length) return null
  const filling = end - from - length
  if (ZEROS.compare(bytes, from + length, end, 0, filling) !== 0) return null
  return { text: decodeUtf8(bytes.subarray(from, from + length)), end }
}

/** The bytes of `abi.encode(string)`. A half of a surrogate pair is written as U+FFFD. */
export function encodeAbiText(text: string): Buffer {
  const length = Buffer.byteLength(text, 'utf8')
  const bytes = Buffer.alloc(2 * WORD + wholeWords(length))
  bytes.writeUInt32BE(WORD, UPPER_BYTES)
  bytes.writeUInt32BE(length, WORD + UPPER_BYTES)
  bytes.write(text, 2 * WORD, 'utf8')
  return bytes
}

function wholeWords(bytes: number): number {
  return Math.ceil(bytes / WORD) * WORD
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new FlockError('TASK_INVALID', 'A text of the task is not UTF-8.')
  }
}
