import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import {
  listUsageMonths,
  makeUsageFolder,
  readUsageMonth,
  renderUsageRow,
  writeUsageMonth,
} from '../../../src/lib/service/client-usage-files.js'
import { createUsageDay } from '../../../src/lib/service/client-usage-table.js'
import { caught } from '../../helpers/caught.js'
import { withTempDir } from '../../helpers/temp-dir.js'

function rowsOf(day: string, clients: readonly string[]) {
  const table = createUsageDay(day)
  for (const client of clients)
    table.count({
      client,
      model: 'small',
      isError: false,
      source: 'host',
      promptTokens: 3,
      completionTokens: 2,
      cachedTokens: 1,
      reasoningTokens: 0,
    })
  return table.rows()
}

describe('the file of a month', () => {
  it('gives back the rows that were written', async () => {
    await withTempDir(async (dir) => {
      const rows = rowsOf('2025-11-22', ['one', 'two "and" a\nhalf', 'ünï'])

      await writeUsageMonth(dir, '2025-11', rows.map(renderUsageRow).join(''))

      expect(await readUsageMonth(dir, '2025-11')).toEqual(rows)
    })
  })

  it('is read by its owner alone, in a folder of its owner', async () => {
    await withTempDir(async (parent) => {
      const dir = join(parent, 'state', 'usage')
      await makeUsageFolder(dir)

      await writeUsageMonth(dir, '2025-11', '')

      expect((await stat(dir)).mode & 0o777).toBe(0o700)
      expect((await stat(join(dir, '2025-11.ndjson'))).mode & 0o777).toBe(0o600)
    })
  })

  it('is replaced whole: what a crash left half written is never read', async () => {
    await withTempDir(async (dir) => {
      const rows = rowsOf('2025-11-22', ['one'])
      await writeUsageMonth(dir, '2025-11', rows.map(renderUsageRow).join(''))
      await writeFile(join(dir, '2025-11.ndjson.next'), '{"day":"2025-11-2')

      expect(await readUsageMonth(dir, '2025-11')).toEqual(rows)
      expect(await listUsageMonths(dir)).toEqual(['2025-11'])

      await writeUsageMonth(dir, '2025-11', '')
      expect(await readdir(dir)).toEqual(['2025-11.ndjson'])
      expect(await readFile(join(dir, '2025-11.ndjson'), 'utf8')).toBe('')
    })
  })

  it('that is not there has no rows', async () => {
    await withTempDir(async (dir) => {
      expect(await readUsageMonth(dir, '2025-11')).toEqual([])
      expect(await listUsageMonths(join(dir, 'nowhere'))).toEqual([])
    })
  })

  const [row] = rowsOf('2025-11-22', ['one'])
  it.each([
    ['text', 'no row'],
    ['half a row', JSON.stringify(row).slice(0, -9)],
    ['a negative count', JSON.stringify({ ...row, requests: -1 })],
    ['a count that is no whole number', JSON.stringify({ ...row, promptTokens: 0.5 })],
    ['a count that is missing', JSON.stringify({ ...row, errors: undefined })],
    ['a key of another version', JSON.stringify({ ...row, audioTokens: 1 })],
    ['a day of another month', JSON.stringify({ ...row, day: '2025-10-22' })],
    ['a day that is none', JSON.stringify({ ...row, day: '2025-11-xx' })],
  ])('is refused with %s, and the line is named', async (_what, line) => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, '2025-11.ndjson'), `${JSON.stringify(row)}\n${line}\n`)

      const error = await caught(readUsageMonth(dir, '2025-11'))

      expect(error.code).toBe('RECORD_INVALID')
      expect(error.message).toContain('2025-11.ndjson:2 ')
    })
  })

  it('that cannot be written says so', async () => {
    await withTempDir(async (dir) => {
      await mkdir(join(dir, '2025-11.ndjson.next'))

      expect((await caught(writeUsageMonth(dir, '2025-11', ''))).code).toBe('PATH_UNWRITABLE')
      expect((await caught(makeUsageFolder(join(dir, 'file', '\0')))).code).toBe('PATH_UNWRITABLE')
    })
  })
})

describe('the months of a folder', () => {
  it('are those with a file, the earliest first', async () => {
    await withTempDir(async (dir) => {
      for (const name of ['2025-11', '2024-02', '2025-13', '2025-1'])
        await writeFile(join(dir, `${name}.ndjson`), '')
      await writeFile(join(dir, 'lock'), '1')

      expect(await listUsageMonths(dir)).toEqual(['2024-02', '2025-11'])
    })
  })
})
