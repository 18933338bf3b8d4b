import { describe, expect, it } from '@jest/globals'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { renderUsageRow } from '../../../src/lib/service/client-usage-files.js'
import { reportUsage, reportUsageFiles } from '../../../src/lib/service/client-usage-report.js'
import { type UsageRow, createUsageDay } from '../../../src/lib/service/client-usage-table.js'
import { caught } from '../../helpers/caught.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const NOW = Date.parse('2025-11-22T23:59:59.999Z')

function rowOf(day: string, client = 'one'): UsageRow {
  const table = createUsageDay(day)
  const tokens = { promptTokens: 1, completionTokens: 1, cachedTokens: 0, reasoningTokens: 0 }
  table.count({ client, model: 'small', isError: false, source: 'host', ...tokens })
  const [row] = table.rows()
  if (row === undefined) throw new Error('what was counted has to have a row')
  return row
}

const MONTHS: Readonly<Record<string, readonly UsageRow[]>> = {
  '2025-11': [rowOf('2025-11-01'), rowOf('2025-11-01', 'two'), rowOf('2025-11-22'), rowOf('2025-11-23')],
  '2025-10': [rowOf('2025-10-31')],
  '2025-08': [rowOf('2025-08-15')],
}
const asked: string[] = []
const context = {
  months: Object.keys(MONTHS),
  readMonth: async (month: string) => {
    asked.push(month)
    return MONTHS[month] ?? []
  },
  nowMs: () => NOW,
}
const daysOf = ({ rows }: { readonly rows: readonly UsageRow[] }) => rows.map(({ day }) => day)

describe('a report', () => {
  it('is about this month up to today when nothing else is asked', async () => {
    const report = await reportUsage({}, context)

    expect(report).toMatchObject({ from: '2025-11-01', to: '2025-11-22', total: { requests: 3 } })
    expect(daysOf(report)).toEqual(['2025-11-01', '2025-11-01', '2025-11-22'])
  })

  it('spans months in order, its first and last day included', async () => {
    const report = await reportUsage({ from: '2025-08-15', to: '2025-11-01' }, context)

    expect(daysOf(report)).toEqual(['2025-08-15', '2025-10-31', '2025-11-01', '2025-11-01'])
    expect(report.total.requests).toBe(4)
  })

  it('begins with the month of its last day when only that is given', async () => {
    expect(await reportUsage({ to: '2025-10-31' }, context)).toMatchObject({
      from: '2025-10-01',
      total: { requests: 1 },
    })
  })

  it('is about one client when it is named', async () => {
    const report = await reportUsage({ client: 'two' }, context)

    expect(report.rows.map(({ client }) => client)).toEqual(['two'])
    expect(report.total.requests).toBe(1)
  })

  it('opens no month outside its days, however long the time is that it spans', async () => {
    asked.length = 0

    await reportUsage({ from: '2025-09-01', to: '9999-12-31' }, context)

    expect(asked).toEqual(['2025-10', '2025-11'])
  })

  it.each(['2025-11-31', '2025-1-1', '22.11.2025', '2025-11-22T00:00:00Z', ''])(
    'has no day %j',
    async (day) => {
      expect((await caught(reportUsage({ from: day }, context))).code).toBe('USAGE_INVALID')
      expect((await caught(reportUsage({ to: day }, context))).code).toBe('USAGE_INVALID')
    },
  )

  it('does not end before it begins', async () => {
    const error = await caught(reportUsage({ from: '2025-11-02', to: '2025-11-01' }, context))

    expect(error.code).toBe('USAGE_INVALID')
  })

  it('is made from files while no service runs', async () => {
    await withTempDir(async (dir) => {
      for (const [month, rows] of Object.entries(MONTHS))
        await writeFile(join(dir, `${month}.ndjson`), rows.map(renderUsageRow).join(''))

      const report = await reportUsageFiles({ from: '2025-10-01' }, { dir, nowMs: () => NOW })

      expect(daysOf(report)).toEqual(['2025-10-31', '2025-11-01', '2025-11-01', '2025-11-22'])
    })
  })
})
