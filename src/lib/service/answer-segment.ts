/** One file of the answer journal: reads all of it when it is opened, and single answers later. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import type { Hex } from '../hex.js'
import type { Logger } from '../log.js'
import {
  FILE_HEADER_BYTES,
  decodeBatch,
  decodeFileHeader,
  encodeBatch,
  encodeFileHeader,
  wasSyncedBeyond,
} from './answer-frame.js'
import { type AnswerIndex, createAnswerIndex } from './answer-index.js'
import { damaged, readAnswer } from './answer-reader.js'
import { MIN_RECORD_BYTES, type StoredAnswer, keyOfRecord, timeOfRecord } from './answer-record.js'

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
      return readAnswer(key, { path, offsets, salt }).catch((error: unknown) => {
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

async function writeAll(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}
