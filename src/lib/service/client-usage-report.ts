/** Reports on the use by clients, from rows that are in memory or in files. */
import { FlockError } from '../errors.js'
import { listUsageMonths, readUsageMonth } from './client-usage-files.js'
import { type UsageCounts, type UsageRow, sumOfUsage } from './client-usage-table.js'

/** What a report is about. Days are UTC and both included; from the first of the month to today when they are not given. */
export interface UsageQuery {
  readonly from?: string | null
  readonly to?: string | null
  /** Null for all clients. */
  readonly client?: string | null
}

export interface UsageReport {
  readonly from: string
  readonly to: string
  /** Ordered by day, client and model; only what was used. */
  readonly rows: readonly UsageRow[]
  readonly total: UsageCounts
}

/** Tells the rows of a month, read from its file or held in memory. */
export type MonthReader = (month: string) => Promise<readonly UsageRow[]>

const DAY = /^\d{4}-\d{2}-\d{2}$/

/**
 * Makes a report.
 * @param months those that `readMonth` may be asked for; others hold nothing
 * @throws USAGE_INVALID when a day is none, or the last comes before the first
 */
export async function reportUsage(
  { from, to, client = null }: UsageQuery,
  {
    months,
    readMonth,
    nowMs,
  }: {
    readonly months: readonly string[]
    readonly readMonth: MonthReader
    readonly nowMs: () => number
  },
): Promise<UsageReport> {
  const last = to ?? dayOf(nowMs())
  const first = from ?? `${monthOf(last)}-01`
  for (const day of [first, last]) requireDay(day)
  if (first > last)
    throw new FlockError('USAGE_INVALID', `The report ends (${last}) before it begins (${first}).`)

  const rows: UsageRow[] = []
  for (const month of [...new Set(months)].sort()) {
    if (month < monthOf(first) || month > monthOf(last)) continue
    for (const row of await readMonth(month)) {
      if (row.day >= first && row.day <= last && (client === null || row.client === client)) rows.push(row)
    }
  }
  return { from: first, to: last, rows, total: sumOfUsage(rows) }
}

/**
 * Makes a report from the files alone, while a service may be running: what it has not written yet is missing.
 * @throws USAGE_INVALID, RECORD_INVALID, PATH_UNWRITABLE
 */
export async function reportUsageFiles(
  query: UsageQuery,
  { dir, nowMs }: { readonly dir: string; readonly nowMs: () => number },
): Promise<UsageReport> {
  const months = await listUsageMonths(dir)
  return reportUsage(query, { months, readMonth: (month) => readUsageMonth(dir, month), nowMs })
}

/** The UTC day of a time: `2025-11-22`. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** The month of a day: `2025-11`. */
export function monthOf(day: string): string {
  return day.slice(0, 7)
}

function requireDay(day: string): void {
  const ms = DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) : NaN
  if (!Number.isNaN(ms) && dayOf(ms) === day) return
  throw new FlockError('USAGE_INVALID', `${JSON.stringify(day)} is not a day.`, {
    hint: 'A day is written as 2025-11-22, in UTC.',
  })
}
