/** Adds up the use by clients over months, which is what is charged for. */
import { monthOf } from './client-usage-report.js'
import { type UsageCounts, type UsageRow, sumOfUsage } from './client-usage-table.js'

/** What one client used in one month. */
export interface ClientMonth extends UsageCounts {
  /** `2025-11`, in UTC. */
  readonly month: string
  readonly client: string
  /** The same by model, ordered by name. */
  readonly models: readonly (UsageCounts & { readonly model: string })[]
}

/** One entry for each month and client with any use, ordered by both. @param rows in any order */
export function sumByMonth(rows: readonly UsageRow[]): ClientMonth[] {
  return groupsOf(rows, ({ day, client }) => [monthOf(day), client]).map(([[month, client], used]) => ({
    month,
    client,
    ...sumOfUsage(used),
    models: groupsOf(used, ({ model }) => [model, '']).map(([[model], ofModel]) => ({
      model,
      ...sumOfUsage(ofModel),
    })),
  }))
}

type Key = readonly [string, string]

function groupsOf(rows: readonly UsageRow[], keyOf: (row: UsageRow) => Key): [Key, UsageRow[]][] {
  const groups = new Map<string, [Key, UsageRow[]]>()
  for (const row of rows) {
    const key = keyOf(row)
    const id = JSON.stringify(key)
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [key, [row]])
    else group[1].push(row)
  }
  return [...groups.values()].sort(([[a, b]], [[c, d]]) => compare(a, c) || compare(b, d))
}

/** By code units, so that the order is the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
