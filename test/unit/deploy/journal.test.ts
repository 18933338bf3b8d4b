import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import {
  journalGenesis,
  journalHistory,
  journalPath,
  openJournal,
  readJournal,
  setAside,
  type JournalEntry,
} from '../../../src/lib/deploy/journal.js'
import type { Hex } from '../../../src/lib/hex.js'
import { caught } from '../../helpers/caught.js'

const hash = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
const deployer = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'
const address = '0x663F3ad617193148711d28f5334eE4Ed07016602'
const chain = { chainId: 84_532, genesis: null }
const step = 'ModelRegistry'
const intent: JournalEntry = { type: 'intent', step, deployer, nonce: 4, inputHash: hash(1) }
const signed: JournalEntry = { type: 'signed', step, hash: hash(2), raw: '0x02ab' }
const mined: JournalEntry = { type: 'mined', step, hash: hash(2), address, blockNumber: 9 }

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flock-journal-'))
  path = journalPath(folder, 84_532)
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(...entries: JournalEntry[]): void {
  const journal = openJournal(path, chain)
  for (const entry of entries) journal.append(entry)
  journal.close()
}

describe('a journal', () => {
  it('is read as it was written, over several runs', () => {
    write(intent, signed)
    write(mined)

    expect(readJournal(path)).toEqual([{ type: 'opened', schemaVersion: 1, ...chain }, intent, signed, mined])
  })

  it('ignores a last line that a killed run left unfinished, and writes on a new one', () => {
    write(intent)
    appendFileSync(path, '{"type":"signed","step":"Mod')

    expect(readJournal(path)).toHaveLength(2)
    write(signed)

    expect(readJournal(path).slice(1)).toEqual([intent, signed])
  })

  it('names the line that is none of its entries', async () => {
    write(intent)
    appendFileSync(path, '{"type":"wish"}\n')

    const error = await caught(() => readJournal(path))

    expect(error.code).toBe('RECORD_INVALID')
    expect(error.message).toContain('line 3')
    expect(error.hint).toContain('--restart')
  })

  it('is empty where there is none', () => {
    expect(readJournal(path)).toEqual([])
    expect(journalGenesis([])).toBeNull()
  })

  it('lets one deployment at a time write', async () => {
    const first = openJournal(path, chain)

    const error = await caught(() => openJournal(path, chain))

    expect(error.code).toBe('STATE_CONFLICT')
    expect(error.details['pid']).toBe(process.pid)
    first.close()
    openJournal(path, chain).close()
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  it('takes over the lock of a run that died', () => {
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    writeFileSync(`${path}.lock`, String(pid))

    openJournal(path, chain).close()

    expect(readJournal(path)).toHaveLength(1)
  })

  it('names the folder that cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '')

    const error = await caught(() => openJournal(journalPath(join(folder, 'file'), 1), chain))

    expect(error.code).toBe('PATH_UNWRITABLE')
  })
})

describe('journalHistory', () => {
  it('keeps every transaction of one intent, since any of them can be mined', () => {
    const again: JournalEntry = { ...signed, hash: hash(3) }

    const history = journalHistory([intent, signed, again])

    expect(history.get(step)).toEqual({
      deployer,
      nonce: 4,
      inputHash: hash(1),
      sent: [
        { hash: hash(2), raw: '0x02ab' },
        { hash: hash(3), raw: '0x02ab' },
      ],
      mined: null,
    })
  })

  it('tells where a mined step stands', () => {
    expect(journalHistory([intent, signed, mined]).get(step)?.mined).toEqual({
      hash: hash(2),
      address,
      blockNumber: 9,
    })
  })

  it('forgets a step that failed and the tries before a new intent', () => {
    const failed: JournalEntry = { type: 'failed', step, hash: hash(2), reason: 'reverted' }

    expect(journalHistory([intent, signed, failed]).has(step)).toBe(false)
    expect(journalHistory([intent, signed, { ...intent, nonce: 5 }]).get(step)).toMatchObject({
      nonce: 5,
      sent: [],
    })
  })
})

describe('setAside', () => {
  it('renames journal and record to the next free number', () => {
    for (const text of ['first', 'second']) {
      write({ ...intent, nonce: text.length })
      writeFileSync(join(folder, '84532.json'), text)

      setAside(folder, 84_532)
    }

    expect(readFileSync(join(folder, '84532.1.json'), 'utf8')).toBe('first')
    expect(readFileSync(join(folder, '84532.2.json'), 'utf8')).toBe('second')
    expect(existsSync(path)).toBe(false)
    expect(readJournal(join(folder, '.journal-84532.2.ndjson'))[1]).toMatchObject({ nonce: 6 })
  })

  it('does nothing where there is nothing', () => {
    expect(setAside(folder, 84_532)).toEqual([])
  })
})
