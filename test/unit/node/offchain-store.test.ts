import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { OffchainLimits, StoredJob } from '../../../src/lib/node/offchain-memory.js'
import { openOffchainStore, type OffchainStore } from '../../../src/lib/node/offchain-store.js'
import { caught } from '../../helpers/caught.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

let dir: string
let path: string
let stores: OffchainStore[] = []
let nowMs: number

beforeEach(async () => {
  dir = await createTempDir()
  path = join(dir, 'results.ndjson')
  nowMs = Date.UTC(2026, 0, 1)
})

afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  stores = []
  await rm(dir, { recursive: true, force: true })
})

async function open(limits: Partial<OffchainLimits> = {}): Promise<OffchainStore> {
  const store = await openOffchainStore(path, {
    unixMs: () => nowMs,
    onFault: (error) => {
      throw error
    },
    limits,
  })
  stores.push(store)
  return store
}

async function reopen(limits?: Partial<OffchainLimits>): Promise<OffchainStore> {
  await Promise.all(stores.map((store) => store.close()))
  stores = []
  return open(limits)
}

function success(id: string, outputJson = '{"n":1.0,"big":123456789012345678901234567890}'): StoredJob {
  return { id, status: 'success', resultJson: `{"container":"a","output":${outputJson}}`, earlierJson: '[]' }
}

describe('openOffchainStore', () => {
  it('keeps results over a restart, as they are written', async () => {
    const store = await open()
    store.begin('::1', 'x')
    store.end('::1', { ...success('x'), earlierJson: '[{"container":"b","output":1.0}]' })

    const job = (await reopen()).get('::1', 'x')

    expect(job).toMatchObject({
      status: 'success',
      resultJson: '{"container":"a","output":{"n":1.0,"big":123456789012345678901234567890}}',
      earlierJson: '[{"container":"b","output":1.0}]',
    })
  })

  it('keeps clients apart, also those whose addresses have colons', async () => {
    const store = await open()
    store.begin('2001:db8::1', 'x')
    store.begin('2001', 'db8::1:x')

    expect([
      store.ids('2001:db8::1', 'pending'),
      store.ids('2001', 'pending'),
      store.get('2001:db8::2', 'x'),
    ]).toEqual([['x'], ['db8::1:x'], undefined])
  })

  it('lists what is under way and what ended, oldest first', async () => {
    const store = await open()
    for (const id of ['a', 'b', 'c']) store.begin('::1', id)
    store.end('::1', success('c'))
    store.end('::1', success('a'))

    expect([store.ids('::1', 'pending'), store.ids('::1', 'completed'), store.pendingCount()]).toEqual([
      ['b'],
      ['c', 'a'],
      1,
    ])
  })

  it('tells after a crash that a job did not end', async () => {
    const store = await open()
    store.begin('::1', 'x')

    const job = (await reopen()).get('::1', 'x')

    expect(job).toMatchObject({ status: 'failed', resultJson: expect.stringContaining('stopped') as unknown })
  })

  it('forgets results after their time, also over a restart', async () => {
    const store = await open({ keepMs: 7 * DAY })
    store.begin('::1', 'old')
    store.end('::1', success('old'))
    nowMs += 4 * DAY
    store.begin('::1', 'young')
    store.end('::1', success('young'))

    const reopened = await reopen({ keepMs: 7 * DAY })
    nowMs += 4 * DAY

    expect(reopened.ids('::1', 'completed')).toEqual(['young'])
  })

  it('takes the oldest of whoever holds most when there is too much', async () => {
    const text = JSON.stringify('x'.repeat(1_000))
    const store = await open({ maxChars: 7_000 })
    store.begin('::2', 'other')
    store.end('::2', success('other', text))
    for (const id of ['a', 'b', 'c']) {
      store.begin('::1', id)
      store.end('::1', success(id, text))
    }

    expect([store.ids('::1', 'completed'), store.ids('::2', 'completed')]).toEqual([['b', 'c'], ['other']])
  })

  it('takes no more jobs than there is room for', async () => {
    const store = await open({ maxPending: 2 })

    const begun = ['a', 'b', 'c'].map((id) => store.begin('::1', id))
    store.end('::1', success('a'))

    expect([...begun, store.begin('::1', 'd')]).toEqual([true, true, false, true])
  })

  it('takes reports of work outside the node, and forgets one that goes quiet', async () => {
    const store = await open({ keepReportedMs: 15 * MINUTE })
    const reports = [store.report('::1', 'x', 'running'), store.report('::1', 'y', 'running')]
    store.report('::1', 'y', 'success')

    const before = store.ids('::1', 'pending')
    nowMs += 16 * MINUTE

    expect([reports, before, store.ids('::1', 'pending'), store.ids('::1', 'completed')]).toEqual([
      [true, true],
      ['x'],
      [],
      ['y'],
    ])
    expect(store.get('::1', 'y')).toMatchObject({ status: 'success', resultJson: 'null', earlierJson: '[]' })
  })

  it('lets nobody report on a job of the node', async () => {
    const store = await open()
    store.begin('::1', 'x')

    const whileRunning = store.report('::1', 'x', 'success')
    store.end('::1', success('x'))

    expect([whileRunning, store.report('::1', 'x', 'failed'), store.get('::1', 'x')?.status]).toEqual([
      false,
      false,
      'success',
    ])
  })

  it('keeps what was reported over a restart', async () => {
    const store = await open()
    store.report('::1', 'x', 'running')

    expect((await reopen()).ids('::1', 'pending')).toEqual(['x'])
  })

  it('starts with a line that cannot be read, and keeps the others', async () => {
    const store = await open()
    for (const id of ['a', 'b']) {
      store.begin('::1', id)
      store.end('::1', success(id))
    }
    await store.close()
    const lines = (await readFile(path, 'utf8')).split('\n')
    await writeFile(
      path,
      lines.map((line) => (line.includes('"id":"a"') ? line.slice(0, 30) : line)).join('\n'),
    )

    expect((await reopen()).ids('::1', 'completed')).toEqual(['b'])
  })

  it('does not take a file of another kind', async () => {
    await writeFile(path, '{"format":"flock-node-journal-1"}\n')

    expect((await caught(open())).code).toBe('RECORD_INVALID')
  })

  it('is held by one process', async () => {
    await open()

    expect((await caught(open())).code).toBe('STATE_CONFLICT')
  })
})
