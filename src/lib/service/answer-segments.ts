/** The files of the answer journal: the last one is written, old ones are removed. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../errors.js'
import type { Hex } from '../hex.js'
import type { Logger } from '../log.js'
import { damaged } from './answer-reader.js'
import type { StoredAnswer } from './answer-record.js'
import { type AnswerSegment, createSegment, openSegment } from './answer-segment.js'

export interface AnswerSegments {
  /** Answers in all files. */
  readonly size: number
  /** @throws RECORD_INVALID */
  find(key: Hex): Promise<StoredAnswer | null>
  /** Writes encoded answers, `sync` waits for the disk as well; begins the next file first when it is time. */
  write(records: readonly Buffer[], options: { readonly sync: boolean }): Promise<void>
  sync(): Promise<void>
  /** @param seal marks the end; not after a fault, which leaves unknown what the file holds */
  close(options: { readonly seal: boolean }): Promise<void>
}

export interface AnswerSegmentsOptions {
  readonly dir: string
  readonly nowMs: () => number
  readonly retentionMs: number
  readonly segmentBytes: number
  readonly log: Logger
}

/** A file takes answers for this part of the retention time: removing whole files is then exact to it. */
const SEGMENTS_OF_RETENTION = 30

const FILE_NAME = /^answers-(\d{8})\.log$/

/** @throws RECORD_INVALID */
export async function openSegments(options: AnswerSegmentsOptions): Promise<AnswerSegments> {
  const { dir, nowMs, retentionMs, segmentBytes, log } = options
  const numbers = await listNumbers(dir)
  let segments: readonly AnswerSegment[] = await openAll(numbers, options)
  let active = segments.at(-1) ?? (await beginSegment(dir, 1))
  let number = numbers.at(-1) ?? 1
  if (segments.length === 0) segments = [active]

  async function removeOld(): Promise<void> {
    const before = nowMs() - retentionMs
    for (const segment of segments) {
      if (segment === active || (segment.newestMs ?? 0) >= before) return
      try {
        await segment.remove()
      } catch (error) {
        log.warn('An old file of the answer journal cannot be removed.', {
          file: segment.path,
          reason: messageOf(error),
        })
        return
      }
      segments = segments.filter((other) => other !== segment)
      log.info('Removed old answers from the answer journal.', { file: segment.path, answers: segment.size })
    }
  }

  function isFull(): boolean {
    if (active.firstMs === null) return false
    const ageMs = nowMs() - active.firstMs
    return active.sizeBytes >= segmentBytes || ageMs > retentionMs / SEGMENTS_OF_RETENTION
  }

  await removeOld()
  return {
    get size() {
      return segments.reduce((sum, { size }) => sum + size, 0)
    },
    async find(key) {
      // Who asks again mostly does so soon.
      for (const segment of segments.toReversed()) {
        const found = segment.find(key)
        if (found === null) continue
        const answer = await found
        if (answer !== null) return answer
      }
      return null
    },
    async write(records, writing) {
      if (isFull()) {
        await active.seal()
        number += 1
        active = await beginSegment(dir, number)
        segments = [...segments, active]
        await removeOld()
      }
      await active.write(records, writing)
    },
    sync: () => active.sync(),
    close: ({ seal }) => (seal ? active.seal() : active.close()),
  }
}

/** The numbers of the files, ascending. */
async function listNumbers(dir: string): Promise<readonly number[]> {
  const names = await readdir(dir)
  return names
    .flatMap((name) => FILE_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

async function openAll(
  numbers: readonly number[],
  { dir, log }: Pick<AnswerSegmentsOptions, 'dir' | 'log'>,
): Promise<AnswerSegment[]> {
  const segments: AnswerSegment[] = []
  for (const [place, number] of numbers.entries()) {
    const path = pathOf(dir, number)
    // The oldest are removed first, so that none is missing between others.
    if (place > 0 && numbers[place - 1] !== number - 1)
      throw damaged(path, 0, 'the file before it is missing')
    segments.push(await openSegment(path, { isLast: place === numbers.length - 1, log }))
  }
  return segments
}

async function beginSegment(dir: string, number: number): Promise<AnswerSegment> {
  const segment = await createSegment(pathOf(dir, number))
  await syncFolder(dir)
  return segment
}

function pathOf(dir: string, number: number): string {
  return join(dir, `answers-${number.toString().padStart(8, '0')}.log`)
}

/** A new file is found after a crash once its folder is on the disk. Not every platform can sync a folder. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r').catch(() => null)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}
