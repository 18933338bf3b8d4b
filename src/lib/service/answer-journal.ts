/** Keeps the answers to paid requests on the disk, so that whoever asks again is given the same and charged once. */
import { mkdir } from 'node:fs/promises'
import { FlockError, isFlockError, messageOf } from '../errors.js'
import { lockFolder } from '../folder-lock.js'
import type { Hex } from '../hex.js'
import type { Logger } from '../log.js'
import { type SignedAnswer, type StoredAnswer, encodeAnswer } from './answer-record.js'
import { openSegments } from './answer-segments.js'
import { createGroupCommit } from './group-commit.js'

export interface AnswerJournal {
  /** The answer to a request, also one that is being written: it is then waited for. @throws RECORD_INVALID */
  find(key: Hex): Promise<StoredAnswer | null>
  /**
   * Keeps an answer and settles when it is as durable as the fsync policy says. Nothing may leave the service before.
   * @returns what is kept for the request: an earlier answer when there is one, and then this one is not
   * @throws PATH_UNWRITABLE also for all answers after the first that could not be written, SERVICE_UNREACHABLE when
   *   the disk cannot keep up or the journal was closed, STATE_CONFLICT when another process took the folder
   */
  append(answer: SignedAnswer): Promise<StoredAnswer>
  /** Waits for what is being written and gives the folder free. */
  close(): Promise<void>
  /** Answers that can be found. */
  readonly size: number
  /** Why nothing can be kept any more, until the service is started again; null while all is well. */
  readonly fault: FlockError | null
}

/**
 * When an answer counts as kept.
 * - `always`: the disk has it (fdatasync; answers that come meanwhile share the next one). Survives a loss of power.
 * - `interval`: the operating system has it, the disk within `syncIntervalMs`. Survives the death of the process; a
 *   loss of power takes the last moments, and what was answered in them may be answered, and signed, anew.
 * - `off`: as `interval`, but the operating system alone decides when, often after half a minute.
 */
export type FsyncPolicy = 'always' | 'interval' | 'off'

export interface AnswerJournalOptions {
  /** Folder for this alone; created for its owner alone when it is missing. */
  readonly dir: string
  readonly fsync: FsyncPolicy
  /** Unix time. */
  readonly nowMs: () => number
  /** Older answers are removed, a whole file at a time. The deadlines of requests have to be much shorter. */
  readonly retentionMs: number
  readonly log: Logger
  readonly syncIntervalMs?: number
  /** A file that has grown beyond is followed by the next. Below 2^31. */
  readonly segmentBytes?: number
}

const DEFAULT_SYNC_INTERVAL_MS = 100
const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024
/** Large enough to share a sync among all that wait, small enough not to copy much at once. */
const MAX_BATCH_BYTES = 1024 * 1024
/** Memory for answers that wait for the disk: some hundreds of the longest. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024

const FOLDER_MODE = 0o700

/**
 * Opens the journal in a folder, for this process alone.
 * @throws STATE_CONFLICT while another process has the folder, RECORD_INVALID, PATH_UNWRITABLE
 */
export async function openAnswerJournal(options: AnswerJournalOptions): Promise<AnswerJournal> {
  const { dir, fsync, nowMs, log } = options
  const { syncIntervalMs = DEFAULT_SYNC_INTERVAL_MS, segmentBytes = DEFAULT_SEGMENT_BYTES } = options
  await onDisk(dir, () => mkdir(dir, { recursive: true, mode: FOLDER_MODE }))
  let tellLost: (error: FlockError) => void = () => undefined
  const lost = new Promise<FlockError>((resolve) => (tellLost = resolve))
  const lock = await lockFolder(dir, { onLost: tellLost })
  const segments = await onDisk(dir, () => openSegments({ ...options, segmentBytes })).catch(
    async (error) => {
      await lock.release()
      throw error
    },
  )
  const commits = createGroupCommit<Buffer>({
    commit: async (records) => {
      await onDisk(dir, () => segments.write(records, { sync: fsync === 'always' })).catch(fail)
      if (fsync === 'interval') syncTimer ??= setTimeout(syncNow, syncIntervalMs)
    },
    maxBatchBytes: MAX_BATCH_BYTES,
    maxWaitingBytes: MAX_WAITING_BYTES,
  })
  /** Answers on their way to the disk. */
  const pending = new Map<Hex, Promise<StoredAnswer>>()
  let syncTimer: NodeJS.Timeout | null = null
  let closing: Promise<void> | null = null

  function fail(error: FlockError): void {
    if (commits.fault !== null) return
    commits.fail(error)
    log.error('The answer journal takes no more answers.', { reason: error.message })
  }

  function syncNow(): void {
    syncTimer = null
    onDisk(dir, () => segments.sync()).catch(fail)
  }

  async function keep(answer: SignedAnswer): Promise<StoredAnswer> {
    const kept = await segments.find(answer.receipt.inputHash)
    if (kept !== null) return kept
    const stored = { ...answer, timeMs: nowMs() }
    const record = encodeAnswer(stored)
    await commits.add(record, record.length)
    return stored
  }

  async function shutDown(): Promise<void> {
    while (pending.size > 0) await Promise.allSettled(pending.values())
    await commits.idle()
    if (syncTimer !== null) clearTimeout(syncTimer)
    try {
      await onDisk(dir, () => segments.close({ seal: commits.fault === null }))
    } finally {
      await lock.release()
    }
  }

  void lost.then(fail)
  return {
    get size() {
      return segments.size
    },
    get fault() {
      return commits.fault
    },
    async find(key) {
      return pending.get(key) ?? segments.find(key)
    },
    async append(answer) {
      if (closing !== null) throw closed(dir)
      const key = answer.receipt.inputHash
      const running = pending.get(key)
      if (running !== undefined) return running
      const work = keep(answer).finally(() => pending.delete(key))
      pending.set(key, work)
      return work
    },
    async close() {
      closing ??= shutDown()
      await closing
    },
  }
}

function closed(dir: string): FlockError {
  return new FlockError('SERVICE_UNREACHABLE', `The answer journal ${dir} was closed.`, { details: { dir } })
}

async function onDisk<T>(dir: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (isFlockError(error)) throw error
    throw new FlockError(
      'PATH_UNWRITABLE',
      `The answer journal ${dir} cannot be written: ${messageOf(error)}.`,
      {
        cause: error,
        details: { dir },
      },
    )
  }
}
