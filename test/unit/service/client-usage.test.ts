import { mkdir, readFile, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { lockFolder } from '../../../src/lib/folder-lock.js'
import { type LogRecord, createLogger, silentLogger } from '../../../src/lib/log.js'
import { type ClientUsage, openClientUsage } from '../../../src/lib/service/client-usage.js'
import type { UsageEntry } from '../../../src/lib/service/client-usage-table.js'
import { caught } from '../../helpers/caught.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const LATE = Date.parse('2025-11-30T23:59:59Z')
/** No test waits for it. */
const NEVER_MS = 1_000_000_000

const entry = (changes: Partial<UsageEntry> = {}): UsageEntry => ({
  client: 'one',
  model: 'small',
  isError: false,
  source: 'host',
  promptTokens: 10,
  completionTokens: 5,
  cachedTokens: 0,
  reasoningTokens: 0,
  ...changes,
})

interface Opened {
  readonly dir: string
  readonly clock: { ms: number }
  /** Opens the folder as a service does that starts. */
  readonly open: (options?: { flushMs?: number; records?: LogRecord[] }) => Promise<ClientUsage>
}

function withFolder(use: (opened: Opened) => Promise<void>): Promise<void> {
  return withTempDir(async (parent) => {
    const dir = join(parent, 'usage')
    const clock = { ms: LATE }
    await use({
      dir,
      clock,
      open: ({ flushMs = NEVER_MS, records } = {}) =>
        openClientUsage({
          dir,
          flushMs,
          nowMs: () => clock.ms,
          log: records === undefined ? silentLogger : createLogger('debug', (record) => records.push(record)),
        }),
    })
  })
}

const requestsOf = async (usage: ClientUsage, from = '2025-01-01', to = '2026-12-31') =>
  (await usage.report({ from, to })).rows.map(({ day, client, requests }) => `${day} ${client} ${requests}`)

describe('the usage of clients', () => {
  it('is reported before it is written', async () => {
    await withFolder(async ({ open }) => {
      const usage = await open()

      usage.record(entry())
      usage.record(entry({ client: 'two', isError: true, source: 'none' }))

      const report = await usage.report()
      expect(report).toMatchObject({ from: '2025-11-01', to: '2025-11-30' })
      expect(report.total).toMatchObject({ requests: 2, errors: 1, promptTokens: 20 })
      expect((await usage.report({ client: 'two' })).total.requests).toBe(1)
      await usage.close()
    })
  })

  it('goes on where it stood when the service starts again', async () => {
    await withFolder(async ({ open }) => {
      for (let start = 1; start <= 3; start += 1) {
        const usage = await open()
        usage.record(entry())
        await usage.close()
      }

      const usage = await open()
      expect((await usage.report()).total).toMatchObject({
        requests: 3,
        promptTokens: 30,
        completionTokens: 15,
      })
      await usage.close()
    })
  })

  it('is written at intervals, so that a process that is killed loses no more than one of them', async () => {
    await withFolder(async ({ dir, open }) => {
      const usage = await open({ flushMs: 1 })
      usage.record(entry())

      const readWritten = () => readFile(join(dir, '2025-11.ndjson'), 'utf8').catch(() => '')
      let text = ''
      while (text === '') text = await readWritten()

      expect(JSON.parse(text)).toMatchObject({ day: '2025-11-30', client: 'one', requests: 1 })
      await usage.close()
    })
  })

  it('is written as often as it changes', async () => {
    await withFolder(async ({ open }) => {
      const usage = await open()
      for (let count = 0; count < 3; count += 1) {
        usage.record(entry())
        await usage.flush()
      }
      await usage.close()

      const reopened = await open()
      expect((await reopened.report()).total.requests).toBe(3)
      await reopened.close()
    })
  })

  it('of months gone by is kept in their files alone', async () => {
    await withFolder(async ({ dir, clock, open }) => {
      const usage = await open()
      usage.record(entry())
      clock.ms += 60_000
      usage.record(entry())
      await usage.flush()

      await rm(join(dir, '2025-11.ndjson'))

      expect(await requestsOf(usage)).toEqual(['2025-12-01 one 1'])
      await usage.close()
    })
  })

  it('is not written while nothing changes', async () => {
    await withFolder(async ({ dir, open }) => {
      const usage = await open()

      await usage.flush()

      expect(await readdir(dir)).toEqual(['lock'])
      await usage.close()
    })
  })

  it('is divided by UTC days and months', async () => {
    await withFolder(async ({ dir, clock, open }) => {
      const usage = await open()
      usage.record(entry())
      clock.ms += 999
      usage.record(entry())
      clock.ms += 1
      usage.record(entry())
      await usage.flush()
      clock.ms += 86_400_000
      usage.record(entry())

      expect(await requestsOf(usage)).toEqual(['2025-11-30 one 2', '2025-12-01 one 1', '2025-12-02 one 1'])
      await usage.close()
      expect((await readdir(dir)).sort()).toEqual(['2025-11.ndjson', '2025-12.ndjson'])
      const reopened = await open()
      expect(await requestsOf(reopened)).toEqual(['2025-11-30 one 2', '2025-12-01 one 1', '2025-12-02 one 1'])
      await reopened.close()
    })
  })

  it('loses nothing when the clock jumps between months, back and forth', async () => {
    await withFolder(async ({ clock, open }) => {
      const usage = await open()
      const times = [LATE, LATE + 60_000, LATE, LATE - 40 * 86_400_000, LATE + 60_000, LATE]

      for (const [position, ms] of times.entries()) {
        clock.ms = ms
        usage.record(entry())
        if (position % 2 === 1) await usage.flush()
      }

      const expected = ['2025-10-21 one 1', '2025-11-30 one 3', '2025-12-01 one 2']
      expect(await requestsOf(usage)).toEqual(expected)
      await usage.close()
      const reopened = await open()
      expect(await requestsOf(reopened)).toEqual(expected)
      await reopened.close()
    })
  })

  it('counts what comes while files are read and written, once', async () => {
    await withFolder(async ({ clock, open }) => {
      const first = await open()
      first.record(entry())
      clock.ms += 60_000
      first.record(entry())
      await first.close()
      clock.ms = LATE
      const usage = await open()

      const work: Promise<unknown>[] = []
      for (let count = 0; count < 50; count += 1) {
        clock.ms = LATE + (count % 2) * 60_000
        usage.record(entry())
        work.push(count % 3 === 0 ? usage.report() : usage.flush())
        await Promise.resolve()
      }
      await Promise.all(work)

      expect(await requestsOf(usage)).toEqual(['2025-11-30 one 26', '2025-12-01 one 26'])
      await usage.close()
      const reopened = await open()
      expect(await requestsOf(reopened)).toEqual(['2025-11-30 one 26', '2025-12-01 one 26'])
      await reopened.close()
    })
  })

  it('is kept while the disk takes nothing, said once, and written when it does again', async () => {
    await withFolder(async ({ dir, open }) => {
      const records: LogRecord[] = []
      const usage = await open({ flushMs: 1, records })
      await mkdir(join(dir, '2025-11.ndjson.next'))
      usage.record(entry())

      expect((await caught(usage.flush())).code).toBe('PATH_UNWRITABLE')
      while (records.length === 0) await caught(usage.flush())
      for (let attempt = 0; attempt < 20; attempt += 1) await caught(usage.flush())
      expect(records.map(({ level, fields }) => [level, fields.code])).toEqual([['error', 'PATH_UNWRITABLE']])
      await rmdir(join(dir, '2025-11.ndjson.next'))
      await usage.close()

      const reopened = await open()
      expect((await reopened.report()).total.requests).toBe(1)
      await reopened.close()
    })
  })

  it('leaves its folder free when it could not be written at the end', async () => {
    await withFolder(async ({ dir, open }) => {
      const usage = await open()
      await mkdir(join(dir, '2025-11.ndjson.next'))
      usage.record(entry())

      expect((await caught(usage.close())).code).toBe('PATH_UNWRITABLE')

      expect(await readdir(dir)).not.toContain('lock')
    })
  })

  it('of one folder is counted by one process', async () => {
    await withFolder(async ({ dir, open }) => {
      await mkdir(dir)
      const lock = await lockFolder(dir, { onLost: () => undefined })

      expect((await caught(open())).code).toBe('STATE_CONFLICT')
      await lock.release()
    })
  })

  it('is not written over that of another process which took the folder meanwhile', async () => {
    await withFolder(async ({ dir, open }) => {
      const records: LogRecord[] = []
      const usage = await open({ flushMs: 1, records })
      await rm(join(dir, 'lock'))
      const lock = await lockFolder(dir, { onLost: () => undefined })

      while (records.length === 0) {
        usage.record(entry())
        await usage.flush().catch(() => undefined)
      }
      const written = await readFile(join(dir, '2025-11.ndjson'), 'utf8')
      usage.record(entry())

      expect((await caught(usage.close())).code).toBe('STATE_CONFLICT')
      expect(records.map(({ fields }) => fields.code)).toEqual(['STATE_CONFLICT'])
      expect(await readFile(join(dir, '2025-11.ndjson'), 'utf8')).toBe(written)
      expect(await readdir(dir)).toContain('lock')
      await lock.release()
    })
  })

  it('is not begun anew over a file that cannot be read', async () => {
    await withFolder(async ({ dir, open }) => {
      await mkdir(dir)
      await writeFile(join(dir, '2025-11.ndjson'), 'nonsense\n')

      expect((await caught(open())).code).toBe('RECORD_INVALID')
      expect(await readdir(dir)).toEqual(['2025-11.ndjson'])
    })
  })

  it('of a month is not written over a file that cannot be read, but kept, and other months are written', async () => {
    await withFolder(async ({ dir, clock, open }) => {
      const usage = await open()
      clock.ms += 60_000
      await writeFile(join(dir, '2025-12.ndjson'), 'nonsense\n')
      usage.record(entry())
      clock.ms = LATE
      usage.record(entry())

      expect((await caught(usage.flush())).code).toBe('RECORD_INVALID')
      expect(await readFile(join(dir, '2025-12.ndjson'), 'utf8')).toBe('nonsense\n')
      expect(await readFile(join(dir, '2025-11.ndjson'), 'utf8')).toContain('"requests":1')

      await rm(join(dir, '2025-12.ndjson'))
      await usage.close()
      expect(await readFile(join(dir, '2025-12.ndjson'), 'utf8')).toContain('"requests":1')
    })
  })
})
