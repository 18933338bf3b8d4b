import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Hex } from '../../../src/lib/hex.js'
import { openJournal, type Journal, type JournalOwner } from '../../../src/lib/node/journal.js'
import { caught } from '../../helpers/caught.js'
import { createTempDir } from '../../helpers/temp-dir.js'
import { until } from '../../helpers/until.js'

const HASH: Hex = `0x${'ab'.repeat(32)}`
const OWNER: JournalOwner = {
  chainId: 31_337,
  genesisHash: HASH,
  coordinator: '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1',
  node: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
}
const DELIVERY = { input: '0x', output: '0xbeef', proof: '0x' } as const
const COMPUTED = { type: 'computed', id: 7, interval: 2, fingerprint: HASH, delivery: DELIVERY } as const
const SIGNED = { type: 'signed', id: 7, interval: 2, hash: HASH, raw: '0x02f8', nonce: 4 } as const

let killed: Journal[] = []
let dir: string
let path: string

beforeEach(async () => {
  dir = await createTempDir()
  path = join(dir, 'deep', 'journal.ndjson')
})

afterEach(async () => {
  await Promise.all(killed.map((journal) => journal.close()))
  killed = []
  await rm(dir, { recursive: true, force: true })
})

/** Leaves the file as a killed process would: nothing is closed, and the lock names a process that is gone. */
async function kill(journal: Journal): Promise<void> {
  await journal.append({ type: 'sent', id: 0, interval: 0 })
  await changeLock({ pid: 999_999_999 })
  killed.push(journal)
}

async function changeLock(change: Readonly<Record<string, unknown>>): Promise<void> {
  const holder = JSON.parse(await readFile(`${path}.lock`, 'utf8')) as object
  await writeFile(`${path}.lock`, JSON.stringify({ ...holder, ...change }))
}

async function reopened<T>(look: (journal: Journal) => T): Promise<T> {
  const journal = await openJournal(path, OWNER)
  try {
    return look(journal)
  } finally {
    await journal.close()
  }
}

describe('openJournal', () => {
  it('keeps a computed answer across the death of the process', async () => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await kill(journal)

    const answer = await reopened(({ state }) => state.answers.get('7:2'))

    expect(answer).toEqual({ id: 7, interval: 2, fingerprint: HASH, delivery: DELIVERY, signed: null })
  })

  it('keeps the signed transaction with its nonce', async () => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await journal.append(SIGNED)
    await kill(journal)

    const answer = await reopened(({ state }) => state.answers.get('7:2'))

    expect(answer?.signed).toEqual({ hash: HASH, raw: '0x02f8', nonce: 4 })
  })

  it('keeps all that was signed for one nonce, as any of it may be mined', async () => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await journal.append(SIGNED)
    const replaced = [{ hash: SIGNED.hash, raw: SIGNED.raw }]
    await journal.append({ ...SIGNED, raw: '0x02f9', replaced })
    await kill(journal)

    const once = await reopened(({ state }) => state.answers.get('7:2'))
    const twice = await reopened(({ state }) => state.answers.get('7:2'))

    expect(once?.signed).toEqual({ hash: HASH, raw: '0x02f9', nonce: 4, replaced })
    expect(twice).toEqual(once)
  })

  it('forgets a signature that became void and keeps the answer', async () => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await journal.append(SIGNED)
    await journal.append({ type: 'unsigned', id: 7, interval: 2 })
    await journal.close()

    expect(await reopened(({ state }) => state.answers.get('7:2'))).toMatchObject({ signed: null })
  })

  it.each([
    { type: 'confirmed', id: 7, interval: 2, blockNumber: 9 } as const,
    { type: 'closed', id: 7, interval: 2, reason: 'raceLost' } as const,
  ])('forgets an answer that was $type', async (end) => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await journal.append({ ...COMPUTED, interval: 3 })
    await journal.append(end)
    await journal.close()

    expect(await reopened(({ state }) => [...state.answers.keys()])).toEqual(['7:3'])
  })

  it('keeps accepted subscriptions and the cursor', async () => {
    const journal = await openJournal(path, OWNER)
    for (const id of [3, 5, 8]) await journal.append({ type: 'accepted', id })
    await journal.append({ type: 'dropped', id: 5 })
    await journal.append({ type: 'cursor', lastId: 8, rulesHash: HASH })
    await journal.close()

    const seen = await reopened(({ state }) => [[...state.accepted], state.cursor])

    expect(seen).toEqual([[3, 8], { lastId: 8, rulesHash: HASH }])
  })

  it('reads a file whose last line was not finished', async () => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await kill(journal)
    await appendFile(path, '{"type":"signed","id":7,"inter')

    const answers = await reopened(({ state }) => [...state.answers.values()])

    expect(answers).toMatchObject([{ id: 7, signed: null }])
  })

  it('writes the file anew when it opens, with what is still open and nothing else', async () => {
    const journal = await openJournal(path, OWNER)
    for (let interval = 1; interval <= 50; interval += 1) {
      await journal.append({ ...COMPUTED, interval })
      await journal.append({ type: 'confirmed', id: 7, interval, blockNumber: 1 })
    }
    await journal.append({ ...COMPUTED, interval: 51 })
    await journal.close()

    await reopened(() => undefined)

    const lines = (await readFile(path, 'utf8')).trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { type?: string }).type)).toEqual([undefined, 'computed'])
  })

  it('keeps every line of appends that come at once, in their order', async () => {
    const journal = await openJournal(path, OWNER)
    await Promise.all(Array.from({ length: 200 }, (_, id) => journal.append({ type: 'accepted', id })))
    await journal.close()

    expect(await reopened(({ state }) => [...state.accepted])).toEqual(
      Array.from({ length: 200 }, (_, id) => id),
    )
  })

  it('can be read by its owner alone', async () => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await journal.close()

    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it.each<[string, Partial<JournalOwner>]>([
    ['the chain was started anew', { genesisHash: `0x${'cd'.repeat(32)}` }],
    ['it belongs to another chainId', { chainId: 1 }],
    ['it belongs to another node', { node: OWNER.coordinator }],
  ])('sets a journal aside when %s', async (reason, changes) => {
    const journal = await openJournal(path, OWNER)
    await journal.append(COMPUTED)
    await journal.close()

    const other = await openJournal(path, { ...OWNER, ...changes })
    await other.close()

    expect(other.setAside).toEqual({ path: `${path}.1`, reason: expect.stringContaining(reason) as unknown })
    expect([...other.state.answers]).toEqual([])
    expect(await readFile(`${path}.1`, 'utf8')).toContain('beef')
  })

  it('refuses a second process while the first one lives', async () => {
    const journal = await openJournal(path, OWNER)

    const error = await caught(openJournal(path, OWNER))

    expect(error.code).toBe('STATE_CONFLICT')
    expect(error.details).toMatchObject({ path, pid: process.pid })
    await journal.close()
  })

  it('stands beside the journals of other nodes', async () => {
    const journal = await openJournal(path, OWNER)
    const other = await openJournal(`${path}.other`, OWNER)

    await Promise.all([journal.append(COMPUTED), other.append(SIGNED)])

    await Promise.all([journal.close(), other.close()])
    expect(await reopened(({ state }) => state.answers.size)).toBe(1)
  })

  it('writes nothing once another process has taken it', async () => {
    const journal = await openJournal(path, OWNER)
    const before = await readFile(path, 'utf8')
    await changeLock({ pid: process.ppid, token: 'theirs' })

    let error: unknown = null
    await until(() => {
      journal.append(COMPUTED).catch((thrown: unknown) => (error ??= thrown))
      return error !== null
    })
    const after = await readFile(path, 'utf8')
    await journal.append(SIGNED).catch(() => undefined)
    await journal.close()

    expect(error).toMatchObject({ code: 'STATE_CONFLICT', details: { pid: process.ppid } })
    expect(after.startsWith(before)).toBe(true)
    expect(await readFile(path, 'utf8')).toBe(after)
    expect(await readFile(`${path}.lock`, 'utf8')).toContain('theirs')
  })

  it('gives the file free when it is closed', async () => {
    await (await openJournal(path, OWNER)).close()

    await expect(stat(`${path}.lock`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it.each([
    ['a line that is not JSON', '{"type":"accepted","id":1}\nnonsense\n', 3, 'it is not JSON'],
    ['a record it does not know', '{"type":"forgotten","id":1}\n', 2, 'it is no record'],
    ['a record without a field', '{"type":"signed","id":1,"interval":1}\n', 2, 'it is no record'],
    ['a list', '[]\n', 2, 'it is no record'],
  ])('refuses %s, by its number', async (_, text, line, why) => {
    await (await openJournal(path, OWNER)).close()
    await appendFile(path, text)

    const error = await caught(openJournal(path, OWNER))

    expect(error.code).toBe('RECORD_INVALID')
    expect(error.message).toContain(`line ${line} cannot be read: ${why}`)
    await expect(stat(`${path}.lock`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('refuses a file of another format and leaves it as it is', async () => {
    await (await openJournal(path, OWNER)).close()
    await writeFile(path, '{"format":"something else"}\n')

    const error = await caught(openJournal(path, OWNER))

    expect(error.code).toBe('RECORD_INVALID')
    expect(await readFile(path, 'utf8')).toBe('{"format":"something else"}\n')
  })

  it('says when the folder cannot be written', async () => {
    await writeFile(join(dir, 'file'), '')

    const error = await caught(openJournal(join(dir, 'file', 'journal.ndjson'), OWNER))

    expect(error.code).toBe('PATH_UNWRITABLE')
  })
})
