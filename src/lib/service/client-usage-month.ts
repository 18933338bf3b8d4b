/** The use of one month as it is held in memory, and its text. */
import { renderUsageRow } from './client-usage-files.js'
import { type UsageDay, type UsageRow, createUsageDay } from './client-usage-table.js'

export interface Day extends UsageDay {
  /** Its lines, null once it changed: days gone by are not rendered with every write. */
  text: string | null
}

export interface Month {
  /** `2025-11` */
  readonly name: string
  readonly days: Map<string, Day>
  /** Whether the counts of its file are in it. */
  isLoaded: boolean
  /** Whether it holds what its file does not. */
  isDirty: boolean
}

/** The month of that name, which is added when it is not there. */
export function monthIn(months: Map<string, Month>, name: string): Month {
  const known = months.get(name)
  if (known !== undefined) return known
  const month: Month = { name, days: new Map(), isLoaded: false, isDirty: false }
  months.set(name, month)
  return month
}

/** The day of that name, which is added when it is not there. */
export function dayIn({ days }: Month, name: string): Day {
  const known = days.get(name)
  if (known !== undefined) return known
  const day: Day = { ...createUsageDay(name), text: null }
  days.set(name, day)
  return day
}

export function rowsOf(month: Month): UsageRow[] {
  return daysOf(month).flatMap((day) => day.rows())
}

export function renderMonth(month: Month): string {
  return daysOf(month)
    .map((day) => (day.text ??= day.rows().map(renderUsageRow).join('')))
    .join('')
}

function daysOf({ days }: Month): Day[] {
  return [...days.values()].sort((a, b) => (a.day < b.day ? -1 : 1))
}
