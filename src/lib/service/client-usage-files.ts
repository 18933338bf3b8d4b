/** Files with the use of one month each: one row a line, replaced whole, read by their owner alone. */
import { mkdir, open, readFile, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { FlockError, isFlockError, messageOf } from '../errors.js'
import type { UsageRow } from './client-usage-table.js'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

const FILE_NAME = /^(\d{4}-(?:0[1-9]|1[0-2]))\.ndjson$/

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const usageRow = v.strictObject({
  day: v.pipe(v.string(), v.isoDate()),
  client: v.string(),
  model: v.string(),
  requests: count,
  errors: count,
  promptTokens: count,
  completionTokens: count,
  cachedTokens: count,
  reasoningTokens: count,
  sources: v.strictObject({ host: count, tokenizer: count, none: count }),
})

/** The months, as `2025-11`, that the folder holds a file of, the earliest first. @throws PATH_UNWRITABLE */
export async function listUsageMonths(dir: string): Promise<string[]> {
  const names = await orUnwritable(dir, async () => readdir(dir).catch(emptyWhenMissing))
  return names.flatMap((name) => FILE_NAME.exec(name)?.[1] ?? []).sort()
}

/**
 * Reads the rows of a month, none when it has no file.
 * @throws RECORD_INVALID naming file and line
 */
export async function readUsageMonth(dir: string, month: string): Promise<UsageRow[]> {
  const path = pathOf(dir, month)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new FlockError('RECORD_INVALID', `${path} cannot be read: ${error.message}.`, {
      cause: error,
      details: { path },
    })
  })
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => parseRow(line, month, `${path}:${index + 1}`))
}

/** One line of a file. */
export function renderUsageRow(row: UsageRow): string {
  return `${JSON.stringify(row)}\n`
}

/** Puts the file of a month in the place of the old one; a crash leaves one or the other whole. @throws PATH_UNWRITABLE */
export async function writeUsageMonth(dir: string, month: string, text: string): Promise<void> {
  const path = pathOf(dir, month)
  await orUnwritable(path, async () => {
    const file = await open(`${path}.next`, 'w', FILE_MODE)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.next`, path)
    await syncFolder(dir)
  })
}

/** @throws PATH_UNWRITABLE */
export async function makeUsageFolder(dir: string): Promise<void> {
  await orUnwritable(dir, async () => mkdir(dir, { recursive: true, mode: FOLDER_MODE }))
}

function pathOf(dir: string, month: string): string {
  return join(dir, `${month}.ndjson`)
}

function parseRow(line: string, month: string, place: string): UsageRow {
  const parsed = v.safeParse(usageRow, parseJsonOrNull(line))
  if (parsed.success && parsed.output.day.startsWith(`${month}-`)) return parsed.output
  const fault = parsed.success ? `is of ${parsed.output.day}` : 'is no row of usage'
  throw new FlockError('RECORD_INVALID', `${place} ${fault}.`, {
    details: { place },
    hint: 'Put back a copy of the file, or move it away: what it counts is then left out of reports.',
  })
}

function parseJsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return []
  throw error
}

/** A rename is durable once its folder is. Not every platform can sync a folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => null)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}

async function orUnwritable<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (isFlockError(error)) throw error
    throw new FlockError('PATH_UNWRITABLE', `${path} cannot be used: ${messageOf(error)}.`, {
      cause: error,
      details: { path },
    })
  }
}
