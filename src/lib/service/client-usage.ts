/** Who used what: counted in memory, written to a folder at intervals and at the end, loaded again at the start. */
import { type FlockError, toFlockError } from '../errors.js'
import { lockFolder } from '../folder-lock.js'
import type { Logger } from '../log.js'
import { listUsageMonths, makeUsageFolder, readUsageMonth, writeUsageMonth } from './client-usage-files.js'
import { type Day, type Month, dayIn, monthIn, renderMonth, rowsOf } from './client-usage-month.js'
import { type UsageQuery, type UsageReport, dayOf, monthOf, reportUsage } from './client-usage-report.js'
import type { UsageEntry } from './client-usage-table.js'

export interface ClientUsageOptions {
  /** Made when it is not there. Held by one process at a time. */
  readonly dir: string
  /** How often the files are written. A process that is killed loses what it counted since. */
  readonly flushMs?: number
  /** Milliseconds since 1970: they decide on the day. */
  readonly nowMs: () => number
  readonly log: Logger
}

export interface ClientUsage {
  /** Counts one finished request. Clients and models are those of the configuration, which bounds the rows of a day. */
  record(entry: UsageEntry): void
  /** @throws USAGE_INVALID for days that are none, RECORD_INVALID for a file that cannot be read */
  report(query?: UsageQuery): Promise<UsageReport>
  /**
   * Writes what is not written yet.
   * @throws PATH_UNWRITABLE, RECORD_INVALID, STATE_CONFLICT when another process took the folder; counts are kept
   */
  flush(): Promise<void>
  /** Writes for the last time. @throws as `flush`; what could not be written is then lost */
  close(): Promise<void>
}

/** Ten seconds of counts are little to lose, and a write of a few kilobytes each is nothing. */
const DEFAULT_FLUSH_MS = 10_000
const DAY_MS = 86_400_000

/**
 * Opens the counters of a folder.
 * @throws STATE_CONFLICT when another process holds the folder, RECORD_INVALID when the file of this month cannot be
 *   read, PATH_UNWRITABLE
 */
export async function openClientUsage(options: ClientUsageOptions): Promise<ClientUsage> {
  const { dir, nowMs, log, flushMs = DEFAULT_FLUSH_MS } = options
  await makeUsageFolder(dir)
  /** Set when another process took the folder, whose files are then its own. */
  let lost: FlockError | null = null
  const lock = await lockFolder(dir, { onLost: (error) => (lost = error) })
  const months = new Map<string, Month>()
  let today: { readonly number: number; readonly day: Day; readonly month: Month } | null = null
  let isFailing = false
  /** What reads or writes files does so one after the other, so that no file is added to memory twice. */
  let last: Promise<unknown> = Promise.resolve()

  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = last.then(task)
    last = turn.catch(() => undefined)
    return turn
  }

  function now(): { readonly day: Day; readonly month: Month } {
    const ms = nowMs()
    const number = Math.floor(ms / DAY_MS)
    if (today?.number === number) return today
    const name = dayOf(ms)
    const month = monthIn(months, monthOf(name))
    today = { number, day: dayIn(month, name), month }
    return today
  }

  async function load(month: Month): Promise<Month> {
    if (month.isLoaded) return month
    const rows = await readUsageMonth(dir, month.name)
    for (const row of rows) dayIn(month, row.day).add(row)
    month.isLoaded = true
    return month
  }

  async function write(month: Month): Promise<void> {
    if (lost !== null) throw lost
    await load(month)
    month.isDirty = false
    try {
      await writeUsageMonth(dir, month.name, renderMonth(month))
    } catch (error) {
      month.isDirty = true
      throw error
    }
  }

  async function writeAll(): Promise<void> {
    const dirty = [...months.values()].filter(({ isDirty }) => isDirty)
    const failures: unknown[] = []
    for (const month of dirty) await write(month).catch((error: unknown) => failures.push(error))
    // Months gone by are read from their files from now on.
    for (const month of months.values())
      if (month !== today?.month && !month.isDirty) months.delete(month.name)
    if (failures.length > 0) throw failures[0]
  }

  const flush = () => inTurn(writeAll)

  async function flushInBackground(): Promise<void> {
    try {
      await flush()
      isFailing = false
    } catch (error) {
      const { code, message } = toFlockError(error)
      // Once, and not with every attempt while the disk is full.
      if (!isFailing)
        log.error('The usage of clients is not written; it is kept and tried again.', {
          code,
          reason: message,
        })
      isFailing = true
    }
  }

  try {
    await load(now().month)
  } catch (error) {
    await lock.release()
    throw error
  }
  const timer = setInterval(() => void flushInBackground(), flushMs)
  timer.unref()

  return {
    record(entry) {
      const { day, month } = now()
      day.count(entry)
      day.text = null
      month.isDirty = true
    },
    report(query = {}) {
      return inTurn(async () => {
        const stored = await listUsageMonths(dir)
        const readMonth = async (name: string) => {
          const month = months.get(name)
          return month === undefined ? readUsageMonth(dir, name) : rowsOf(await load(month))
        }
        return reportUsage(query, { months: [...stored, ...months.keys()], readMonth, nowMs })
      })
    },
    flush,
    async close() {
      clearInterval(timer)
      await flush().finally(() => lock.release())
    },
  }
}
