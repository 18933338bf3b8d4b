/** Reads single answers from a file of the answer journal. */
import { type FileHandle, open } from 'node:fs/promises'
import { FlockError, messageOf } from '../errors.js'
import type { Hex } from '../hex.js'
import { decodeRecord, recordBytes } from './answer-frame.js'
import { type StoredAnswer, decodeAnswer, keyOfRecord } from './answer-record.js'

/** Where an answer may stand in a file. */
export interface AnswerPlaces {
  readonly path: string
  readonly offsets: readonly number[]
  readonly salt: number
}

/** The answer of that key among those that stand there, or null. @throws RECORD_INVALID naming file and offset */
export async function readAnswer(
  key: Hex,
  { path, offsets, salt }: AnswerPlaces,
): Promise<StoredAnswer | null> {
  for (const offset of offsets) {
    const content = decodeRecord(await readRecord(path, offset), salt)
    if (content === null) throw damaged(path, offset, 'the checksum is wrong')
    if (keyOfRecord(content) === key) return parseRecord(content, { path, offset })
  }
  return null
}

function parseRecord(content: Buffer, { path, offset }: { path: string; offset: number }): StoredAnswer {
  try {
    return decodeAnswer(content)
  } catch (error) {
    throw damaged(path, offset, messageOf(error), error)
  }
}

/** Enough for the header of a record, and for most whole ones. */
const FIRST_READ_BYTES = 8_192

/** The bytes of a record with its header; fewer where the file ends. */
async function readRecord(path: string, offset: number): Promise<Buffer> {
  let file: FileHandle | null = null
  try {
    file = await open(path, 'r')
    const first = await readAt(file, offset, FIRST_READ_BYTES)
    if (first.length < 4) return first
    const size = recordBytes(first)
    if (size <= first.length) return first.subarray(0, size)
    const { size: fileBytes } = await file.stat()
    return await readAt(file, offset, Math.min(size, fileBytes - offset))
  } catch (error) {
    throw new FlockError(
      'RECORD_INVALID',
      `The answer journal ${path} cannot be read: ${messageOf(error)}.`,
      {
        cause: error,
        details: { file: path, offset },
      },
    )
  } finally {
    await file?.close()
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

/** The error for a file that does not hold what was written. */
export function damaged(path: string, offset: number, what: string, cause?: unknown): FlockError {
  return new FlockError(
    'RECORD_INVALID',
    `The answer journal ${path} is damaged at byte ${offset}: ${what}.`,
    {
      cause,
      details: { file: path, offset },
      hint: 'Put back a copy of the folder, or move the folder away: what it holds is then answered anew.',
    },
  )
}
