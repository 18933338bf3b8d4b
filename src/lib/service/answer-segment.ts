/** One file of the answer journal: reads all of it when it is opened, and single answers later. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { FlockError, messageOf } from '../errors.js'
import type { Hex } from '../hex.js'
import type { Logger } from '../log.js'
import {
  FILE_HEADER_BYTES,
  decodeBatch,
  decodeFileHeader,
  decodeRecord,
  encodeBatch,
  encodeFileHeader,
  recordBytes,
  wasSyncedBeyond,
} from './answer-frame.js'
import { type AnswerIndex, createAnswerIndex } from './answer-index.js'
import {
  MIN_RECORD_BYTES,
  type StoredAnswer,
  decodeAnswer,
  keyOfRecord,
  timeOfRecord,
} from './answer-record.js'

export interface AnswerSegment {
  readonly path: string
  /** Answers in it. */
  readonly size: number
  readonly sizeBytes: number
  /** Times of its first and its newest answer; null when it has none. */
  readonly firstMs: number | null
  readonly newestMs: number | null
  /** Null at once when it has no such answer, which is the usual case. @throws RECORD_INVALID naming file and offset */
  find(key: Hex): Promise<StoredAnswer | null> | null
  /** Writes encoded answers behind the others, `sync` waits for the disk as well; afterwards they can be found. */
  write(records: readonly Buffer[], options: { readonly sync: boolean }): Promise<void>
  sync(): Promise<void>
  /** Writes nothing more: marks the end, so that a later loss is noticed, waits for the disk and closes the file. */
  seal(): Promise<void>
  /** Closes the file as it is. */
  close(): Promise<void>
  /** Deletes a sealed file with all of its answers. */
  remove(): Promise<void>
}

/** Only its owner reads the journal: it holds answers. */
const FILE_MODE = 0o600

/** Begins a file; it is on the disk when this settles, its entry in the folder is not. */
export async function createSegment(path: string): Promise<AnswerSegment> {
  const handle = await open(path, 'wx+', FILE_MODE)
  return begin(path, handle)
}

/**
 * Opens a file that exists. What a crash left of a last batch is cut off and logged.
 * @param isLast others have been sealed: nothing may be missing at their end
 * @throws RECORD_INVALID naming file and offset
 */
export async function openSegment(
  path: string,
  { isLast, log }: { readonly isLast: boolean; readonly log: Logger },
): Promise<AnswerSegment> {
  const handle = await open(path, 'r+')
  try {
    const bytes = await handle.readFile()
    const salt = decodeFileHeader(bytes)
    if (salt === null) {
      // The header is on the disk before anything is written behind it.
      if (!isLast || bytes.length > FILE_HEADER_BYTES) throw damaged(path, 0, 'the header is damaged')
      return await begin(path, handle)
    }
    const found = readBatches(bytes, salt)
    const { end, fault } = found
    if (fault !== null) {
      if (!isLast || wasSyncedBeyond(bytes, end, salt)) throw damaged(path, fault.at, fault.what)
      await handle.truncate(end)
      log.warn('A crash left an unfinished end in the answer journal; it was cut off.', {
        file: path,
        offset: end,
        bytes: bytes.length - end,
      })
    } else if (!isLast && !found.isSealed) throw damaged(path, end, 'its end is missing')
    if (isLast) await handle.datasync()
    else await handle.close()
    return segmentOf({ ...found, path, salt, handle })
  } catch (error) {
    await handle.close().catch(() => undefined)
    throw error
  }
}

async function begin(path: string, handle: FileHandle): Promise<AnswerSegment> {
  const salt = randomBytes(4).readUInt32BE()
  await handle.truncate(0)
  await writeAll(handle, encodeFileHeader(salt), 0)
  await handle.sync()
  const index = createAnswerIndex()
  const times = { firstMs: null, newestMs: null }
  return segmentOf({ path, handle, salt, index, end: FILE_HEADER_BYTES, isSealed: false, ...times })
}

interface Content {
  readonly index: AnswerIndex
  readonly firstMs: number | null
  readonly newestMs: number | null
  /** Of the last whole batch. */
  readonly end: number
  /** That batch is an empty one: nothing was to follow. */
  readonly isSealed: boolean
}

interface ReadContent extends Content {
  readonly fault: { readonly at: number; readonly what: string } | null
}

function readBatches(bytes: Buffer, salt: number): ReadContent {
  const index = createAnswerIndex()
  let times: Times = { firstMs: null, newestMs: null }
  let end = FILE_HEADER_BYTES
  let isSealed = false
  while (end < bytes.length) {
    const batch = decodeBatch(bytes, end, salt)
    if (!batch.isWhole) {
      const fault = { at: batch.faultAt, what: batch.fault }
      return { index, ...times, end, isSealed: false, fault }
    }
    for (const { content, offset } of batch.records) {
      if (content.length < MIN_RECORD_BYTES) {
        const fault = { at: offset, what: 'the record is too short' }
        return { index, ...times, end, isSealed: false, fault }
      }
      index.add(keyOfRecord(content), offset)
      times = withTime(times, timeOfRecord(content))
    }
    end = batch.end
    isSealed = batch.records.length === 0
  }
  return { index, ...times, end, isSealed, fault: null }
}

type Times = Pick<Content, 'firstMs' | 'newestMs'>

function withTime({ firstMs, newestMs }: Times, timeMs: number): Times {
  return { firstMs: firstMs ?? timeMs, newestMs: Math.max(newestMs ?? timeMs, timeMs) }
}

interface Opened extends Content {
  readonly path: string
  readonly salt: number
  readonly handle: FileHandle
}

function segmentOf({ path, salt, handle, index, end, isSealed, ...begun }: Opened): AnswerSegment {
  let times: Times = begun
  let sizeBytes = end
  /** Bytes that are on the disk for sure. */
  let syncedBytes = end
  /** An empty batch stands at the end. */
  let endsSealed = isSealed
  let isClosed = false
  let isRemoved = false

  async function append(records: readonly Buffer[]): Promise<readonly number[]> {
    const { bytes, offsets } = encodeBatch(records, { salt, syncedBytes })
    const start = sizeBytes
    await writeAll(handle, bytes, start)
    sizeBytes += bytes.length
    endsSealed = records.length === 0
    return offsets.map((offset) => start + offset)
  }

  async function sync(): Promise<void> {
    // Who closes the file has synced it.
    if (isClosed) return
    const written = sizeBytes
    await handle.datasync()
    syncedBytes = Math.max(syncedBytes, written)
  }

  async function close(): Promise<void> {
    if (isClosed) return
    isClosed = true
    await handle.close()
  }

  return {
    path,
    get size() {
      return index.size
    },
    get sizeBytes() {
      return sizeBytes
    },
    get firstMs() {
      return times.firstMs
    },
    get newestMs() {
      return times.newestMs
    },
    find(key) {
      const offsets = index.find(key)
      if (offsets.length === 0) return null
      return findIn(path, key, { offsets, salt }).catch((error: unknown) => {
        if (isRemoved) return null
        throw error
      })
    },
    async write(records, options) {
      const offsets = await append(records)
      if (options.sync) await sync()
      for (const [place, record] of records.entries()) {
        index.add(keyOfRecord(record), offsets[place] ?? 0)
        times = withTime(times, timeOfRecord(record))
      }
    },
    sync,
    async seal() {
      if (!endsSealed) await append([])
      await sync()
      await close()
    },
    close,
    async remove() {
      isRemoved = true
      await rm(path, { force: true })
    },
  }
}

interface Places {
  readonly offsets: readonly number[]
  readonly salt: number
}

async function findIn(path: string, key: Hex, { offsets, salt }: Places): Promise<StoredAnswer | null> {
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

async function writeAll(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}

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
