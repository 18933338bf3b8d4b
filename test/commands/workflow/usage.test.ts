import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { renderUsageRow } from '../../../src/lib/service/client-usage-files.js'
import type { UsageRow } from '../../../src/lib/service/client-usage-table.js'
import { expectRefusal } from '../../helpers/refusal.js'
import { runCommand } from '../../helpers/run-command.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const rowOf = (day: string, client: string, model: string, requests: number): UsageRow => ({
  day,
  client,
  model,
  requests,
  errors: 0,
  promptTokens: 10 * requests,
  completionTokens: 20 * requests,
  cachedTokens: 0,
  reasoningTokens: 0,
  sources: { host: requests, tokenizer: 0, none: 0 },
})

let dir = ''

beforeAll(async () => {
  dir = await createTempDir()
  await writeFile(join(dir, 'flock.yaml'), 'name: test\nservice: { usageDir: counted }\n')
  await mkdir(join(dir, 'counted'))
  const months = {
    '2025-10': [rowOf('2025-10-31', 'shop', 'small', 1)],
    '2025-11': [
      rowOf('2025-11-01', 'lab', 'small', 2),
      rowOf('2025-11-01', 'shop', 'large', 3),
      rowOf('2025-11-02', 'shop', 'small', 4),
    ],
  }
  for (const [month, rows] of Object.entries(months))
    await writeFile(join(dir, 'counted', `${month}.ndjson`), rows.map(renderUsageRow).join(''))
})

afterAll(() => rm(dir, { recursive: true }))

const usage = async (...args: string[]) => runCommand(['workflow', 'usage', ...args], { cwd: dir })

describe('flock workflow usage', () => {
  it('lists all that clients used, a line for each month and client', async () => {
    const { code, stdout } = await usage()

    expect(code).toBe(0)
    expect(stdout).toBe(
      [
        'Month    Client  Requests  Errors  Prompt  Cached  Completion  Reasoning',
        '2025-10  shop           1       0      10       0          20          0',
        '2025-11  lab            2       0      20       0          40          0',
        '2025-11  shop           7       0      70       0         140          0',
        '',
      ].join('\n'),
    )
  })

  it('tells under --json the models and the total as well', async () => {
    const { json } = await usage('--json', '--to', '2025-11-30')

    expect(json?.data).toMatchObject({
      from: '2025-10-01',
      to: '2025-11-30',
      months: [
        { month: '2025-10', client: 'shop', requests: 1 },
        { month: '2025-11', client: 'lab', requests: 2 },
        {
          month: '2025-11',
          client: 'shop',
          requests: 7,
          promptTokens: 70,
          sources: { host: 7, tokenizer: 0, none: 0 },
          models: [
            { model: 'large', requests: 3, completionTokens: 60 },
            { model: 'small', requests: 4, completionTokens: 80 },
          ],
        },
      ],
      total: { requests: 10, promptTokens: 100, completionTokens: 200 },
    })
  })

  it('lists one client, between two days', async () => {
    const { json } = await usage('--json', '--client', 'shop', '--from', '2025-11-02', '--to', '2025-11-02')

    expect(json?.data).toMatchObject({ months: [{ client: 'shop', requests: 4 }], total: { requests: 4 } })
  })

  it('says when there is nothing, also where no service ever ran', async () => {
    const quiet = await usage('--client', 'nobody', '--to', '2025-11-30')
    await writeFile(join(dir, 'other.yaml'), 'name: test\nservice: { usageDir: nowhere }\n')
    const none = await usage('--config', 'other.yaml', '--json')

    expect(quiet).toMatchObject({ code: 0, stdout: '' })
    expect(quiet.stderr).toContain('Nothing was used from 2025-10-01 to 2025-11-30.')
    expect(none).toMatchObject({ code: 0, json: { data: { months: [], total: { requests: 0 } } } })
  })

  it('refuses days that are none, broken files, and folders without a project', async () => {
    await expectRefusal(
      ['workflow', 'usage', '--from', '2025-11'],
      { code: 'USAGE_INVALID', status: 2, message: /"2025-11" is not a day/ },
      { cwd: dir },
    )
    await mkdir(join(dir, 'broken'))
    await writeFile(join(dir, 'broken.yaml'), 'name: test\nservice: { usageDir: broken }\n')
    await writeFile(join(dir, 'broken', '2025-11.ndjson'), 'x\n')
    await expectRefusal(
      ['workflow', 'usage', '--config', 'broken.yaml'],
      { code: 'RECORD_INVALID', status: 3, message: /2025-11\.ndjson:1/ },
      { cwd: dir },
    )
    await expectRefusal(
      ['workflow', 'usage'],
      { code: 'CONFIG_NOT_FOUND', status: 3 },
      { cwd: join(dir, '..') },
    )
  })
})
