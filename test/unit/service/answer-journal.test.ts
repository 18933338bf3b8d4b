import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Hex } from '../../../src/lib/hex.js'
import { type LogRecord, createLogger } from '../../../src/lib/log.js'
import {
  type AnswerJournal,
  type AnswerJournalOptions,
  openAnswerJournal,
} from '../../../src/lib/service/answer-journal.js'
import type { SignedAnswer } from '../../../src/lib/service/answer-record.js'
import { randomAnswer } from '../../helpers/answers.js'
import { caught } from '../../helpers/caught.js'
import { createDice } from '../../helpers/dice.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const program = new URL('../../fixtures/programs/keep-answers.mjs', import.meta.url).pathname
const DAY_MS = 86_400_000

let root: string
let dir: string
let nowMs: number
let records: LogRecord[]
const journals: AnswerJournal[] = []
const children: ChildProcess[] = []

beforeEach(async () => {
  root = await createTempDir()
  dir = join(root, 'deep', 'answers')
  nowMs = 1_763_850_000_000
  records = []
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const journal of journals.splice(0)) await journal.close().catch(() => undefined)
  rmSync(root, { recursive: true, force: true })
})

async function openJournal(options: Partial<AnswerJournalOptions> = {}): Promise<AnswerJournal> {
  const journal = await openAnswerJournal({
    dir,
    fsync: 'always',
    nowMs: () => nowMs,
    retentionMs: 30 * DAY_MS,
    log: createLogger('debug', (record) => records.push(record)),
    ...options,
  })
  journals.push(journal)
  return journal
}

/** Leaves the folder as a process does that is killed: nothing is written at the end, and nothing is locked. */
function crashCopy(): void {
  const copy = `${dir}-copy`
  mkdirSync(copy)
  for (const name of files()) copyFileSync(join(dir, name), join(copy, name))
  dir = copy
}

const dice = createDice(7)
const keyOf = (number: number): Hex => `0x${createHash('sha256').update(`key ${number}`).digest('hex')}`
const answer = (number: number): SignedAnswer => randomAnswer(dice, keyOf(number))
const files = () =>
  readdirSync(dir)
    .filter((name) => name.startsWith('answers-'))
    .sort()
const pathOf = (name = 'answers-00000001.log') => join(dir, name)
const lengthOf = (name?: string) => statSync(pathOf(name)).size

/** Appends the answers one after the other; returns where the file ended before the first and after each. */
async function appendEach(journal: AnswerJournal, answers: readonly SignedAnswer[]): Promise<number[]> {
  const ends = [lengthOf()]
  for (const item of answers) {
    await journal.append(item)
    ends.push(lengthOf())
  }
  return ends
}

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(path, bytes)
}

describe('an answer journal', () => {
  it('gives each answer as it was kept, before and after it is opened again', async () => {
    const answers = Array.from({ length: 50 }, (_, number) => answer(number))
    const first = await openJournal()
    await Promise.all(answers.map((item) => first.append(item)))
    const kept = answers.map((item) => ({ ...item, timeMs: nowMs }))

    const before = await Promise.all(answers.map((_, number) => first.find(keyOf(number))))
    await first.close()
    nowMs += 1_000
    const second = await openJournal()
    const after = await Promise.all(answers.map((_, number) => second.find(keyOf(number))))

    expect(before).toEqual(kept)
    expect(after).toEqual(kept)
    expect(second.size).toBe(50)
    expect(await second.find(keyOf(-1))).toBeNull()
    expect(records).toEqual([])
  })

  it('keeps the first answer to a request, also of two at the same time', async () => {
    const journal = await openJournal()
    const [first, second, third] = [answer(1), answer(1), answer(1)]

    const atOnce = await Promise.all([journal.append(first), journal.append(second)])
    const later = await journal.append(third)
    await journal.close()

    expect(atOnce).toEqual([{ ...first, timeMs: nowMs }, atOnce[0]])
    expect(later).toEqual(atOnce[0])
    expect((await openJournal()).size).toBe(1)
  })

  it('finds an answer that is still on its way to the disk, once it is there', async () => {
    const journal = await openJournal()
    const item = answer(1)

    const appended = journal.append(item)
    const found = await journal.find(keyOf(1))

    expect(found).toEqual({ ...item, timeMs: nowMs })
    crashCopy()
    expect(await (await openJournal()).find(keyOf(1))).toEqual(found)
    await appended
  })

  it('is read and written by its owner alone', async () => {
    await openJournal()

    expect(statSync(dir).mode & 0o777).toBe(0o700)
    expect(statSync(pathOf()).mode & 0o777).toBe(0o600)
  })

  it('is open once at a time', async () => {
    const first = await openJournal()

    const error = await caught(openJournal())
    await first.close()
    await openJournal()

    expect(error).toMatchObject({ code: 'STATE_CONFLICT', details: { dir, pid: process.pid } })
  })

  it('takes no answer once it is closed, and has then kept those before', async () => {
    const journal = await openJournal()
    const appended = journal.append(answer(1))

    await journal.close()

    await appended
    expect((await caught(journal.append(answer(2)))).code).toBe('SERVICE_UNREACHABLE')
    expect((await openJournal()).size).toBe(1)
  })

  it('grows by nothing when it is opened and closed without an answer in between', async () => {
    await (await openJournal()).close()
    const once = lengthOf()

    await (await openJournal()).close()

    expect(lengthOf()).toBe(once)
  })

  it.each(['interval', 'off'] as const)('survives a crash with the fsync policy %s', async (fsync) => {
    const journal = await openJournal({ fsync, syncIntervalMs: 1 })
    const item = answer(1)

    const kept = await journal.append(item)
    crashCopy()

    expect(await (await openJournal()).find(keyOf(1))).toEqual(kept)
  })

  it('names the folder that cannot be made', async () => {
    writeFileSync(join(root, 'file'), '')
    dir = join(root, 'file', 'answers')

    expect(await caught(openJournal())).toMatchObject({ code: 'PATH_UNWRITABLE', details: { dir } })
  })
})

describe('an answer journal after a crash', () => {
  it('cuts off an unfinished end at any byte, says so, and goes on behind what was whole', async () => {
    const journal = await openJournal()
    const ends = await appendEach(journal, [answer(1), answer(2)])
    const [, whole = 0, end = 0] = ends
    crashCopy()
    const torn = readFileSync(pathOf())

    for (const cut of [end - 1, end - 100, whole + 20, whole + 15, whole + 1]) {
      writeFileSync(pathOf(), torn.subarray(0, cut))
      records = []
      const reopened = await openJournal()
      expect(reopened.size).toBe(1)
      expect(records).toMatchObject([
        { level: 'warn', fields: { file: pathOf(), offset: whole, bytes: cut - whole } },
      ])
      await reopened.append(answer(3))
      await reopened.close()

      const again = await openJournal()
      expect(await again.find(keyOf(3))).not.toBeNull()
      expect(again.size).toBe(2)
      await again.close()
    }
  })

  it('cuts off an end of which the disk has parts only', async () => {
    const journal = await openJournal()
    const ends = await appendEach(journal, [answer(1)])
    await Promise.all([journal.append(answer(2)), journal.append(answer(3))])
    crashCopy()

    // A hole in the first record of the last batch; the second record is whole.
    flipByte(pathOf(), (ends.at(-1) ?? 0) + 16 + 8 + 5)
    const reopened = await openJournal()

    expect(reopened.size).toBe(1)
    expect(records).toMatchObject([{ level: 'warn' }])
  })

  it('begins anew with a file whose header was not finished', async () => {
    await (await openJournal()).close()
    truncateSync(pathOf(), 11)

    const journal = await openJournal()
    await journal.append(answer(1))
    await journal.close()

    expect((await openJournal()).size).toBe(1)
  })

  it.each([
    ['closed', true],
    ['left by a crash', false],
  ])(
    'refuses a journal, %s, that is damaged before its end, and names file and byte',
    async (_how, close) => {
      const journal = await openJournal()
      const ends = await appendEach(journal, [answer(1), answer(2), answer(3)])
      if (close) await journal.close()
      else crashCopy()
      const [, second = 0] = ends

      flipByte(pathOf(), second + 16 + 8 + 100)
      const error = await caught(openJournal())

      expect(error).toMatchObject({
        code: 'RECORD_INVALID',
        details: { file: pathOf(), offset: second + 16 },
      })
      expect(error.message).toContain(`${pathOf()} is damaged at byte ${second + 16}`)
      expect(existsSync(join(dir, 'lock'))).toBe(false)
    },
  )

  it('refuses a damaged last answer of a journal that was closed', async () => {
    const journal = await openJournal()
    const [last = 0] = await appendEach(journal, [answer(1)])
    await journal.close()

    flipByte(pathOf(), last + 16 + 8 + 100)

    expect((await caught(openJournal())).code).toBe('RECORD_INVALID')
  })

  it('refuses a file of another kind', async () => {
    await (await openJournal()).close()
    writeFileSync(pathOf(), '{"type":"answer"}\n'.repeat(9))

    expect(await caught(openJournal())).toMatchObject({
      code: 'RECORD_INVALID',
      details: { file: pathOf(), offset: 0 },
    })
  })

  it('tells of damage that comes while it is open when it meets it', async () => {
    const journal = await openJournal()
    const [at = 0] = await appendEach(journal, [answer(1), answer(2)])

    flipByte(pathOf(), at + 16 + 8 + 100)

    expect(await caught(journal.find(keyOf(1)))).toMatchObject({
      code: 'RECORD_INVALID',
      details: { file: pathOf(), offset: at + 16 },
    })
    expect(await journal.find(keyOf(2))).not.toBeNull()
  })
})

describe('the files of an answer journal', () => {
  const small = { segmentBytes: 4_000 }

  it('follow one another when they are full, and are all looked into', async () => {
    const journal = await openJournal(small)

    for (let number = 0; number < 30; number += 1) await journal.append(answer(number))

    expect(files().length).toBeGreaterThan(3)
    for (let number = 0; number < 30; number += 1) {
      expect((await journal.find(keyOf(number)))?.receipt.inputHash).toBe(keyOf(number))
    }
    await journal.close()
    const again = await openJournal(small)
    expect(again.size).toBe(30)
    expect(await again.find(keyOf(0))).not.toBeNull()
  })

  it('are removed when all of their answers are older than is kept', async () => {
    const journal = await openJournal()
    for (let day = 0; day < 40; day += 1) {
      await journal.append(answer(day))
      nowMs += DAY_MS + 1
    }

    expect(await journal.find(keyOf(5))).toBeNull()
    expect(await journal.find(keyOf(12))).not.toBeNull()
    expect(journal.size).toBe(files().length)
    expect(journal.size).toBeGreaterThanOrEqual(30)
    expect(journal.size).toBeLessThanOrEqual(32)
    expect(records.at(-1)).toMatchObject({ message: 'Removed old answers from the answer journal.' })
  })

  it('are removed when the journal is opened long after', async () => {
    const journal = await openJournal(small)
    for (let number = 0; number < 20; number += 1) await journal.append(answer(number))
    await journal.close()
    const before = files().length

    nowMs += 31 * DAY_MS
    await openJournal(small)

    expect(before).toBeGreaterThan(2)
    expect(files()).toHaveLength(1)
  })

  it('are all needed: none may be missing in the middle or end too early', async () => {
    const journal = await openJournal(small)
    for (let number = 0; number < 20; number += 1) await journal.append(answer(number))
    await journal.close()
    const [, second = '', third = ''] = files()
    const bytes = readFileSync(pathOf(second))

    truncateSync(pathOf(second), bytes.length - 16)
    const cut = await caught(openJournal())
    truncateSync(pathOf(second), bytes.length - 100)
    const torn = await caught(openJournal())
    rmSync(pathOf(second))
    const missing = await caught(openJournal())

    expect(cut).toMatchObject({ code: 'RECORD_INVALID', details: { file: pathOf(second) } })
    expect(torn).toMatchObject({ code: 'RECORD_INVALID', details: { file: pathOf(second) } })
    expect(missing).toMatchObject({ code: 'RECORD_INVALID', details: { file: pathOf(third) } })
  })
})

describe('an answer journal that cannot write', () => {
  it('fails all who wait and all who come later, and still gives what it has', async () => {
    const journal = await openJournal({ segmentBytes: 1 })
    await journal.append(answer(1))
    // The next answer needs the next file, whose name is taken.
    mkdirSync(pathOf('answers-00000002.log'))

    const failed = await Promise.all([2, 3].map((number) => caught(journal.append(answer(number)))))
    rmSync(pathOf('answers-00000002.log'), { recursive: true })
    const later = await caught(journal.append(answer(4)))

    expect(failed.map(({ code }) => code)).toEqual(['PATH_UNWRITABLE', 'PATH_UNWRITABLE'])
    expect(later).toBe(failed[0])
    expect(journal.fault).toBe(later)
    expect(records.filter(({ level }) => level === 'error')).toHaveLength(1)
    expect(await journal.find(keyOf(1))).not.toBeNull()
    expect(await journal.find(keyOf(2))).toBeNull()
    await journal.close()
    expect((await openJournal()).size).toBe(1)
  })

  it('takes no more answers when another process took its folder', async () => {
    const journal = await openJournal()
    await journal.append(answer(1))

    rmSync(join(dir, 'lock'))
    const other = await openJournal()
    while (journal.fault === null) await new Promise((resolve) => setImmediate(resolve))

    expect((await caught(journal.append(answer(2)))).code).toBe('STATE_CONFLICT')
    await journal.close()
    await other.append(answer(3))
    expect(existsSync(join(dir, 'lock'))).toBe(true)
  })
})

describe('an answer journal whose process is killed', () => {
  const ROUNDS = 8
  const REQUESTS = 400

  it('has every answer that was told, and never two for one request', async () => {
    const told = new Map<string, string>()
    const chance = createDice(8)

    for (let round = 0; round < ROUNDS; round += 1) {
      const child = spawn(process.execPath, [program, dir, REQUESTS.toString(), `round-${round}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.push(child)
      const exited = once(child, 'exit')
      let left = chance.between(1, 150)
      for await (const line of createInterface({ input: child.stdout })) {
        const [key = '', signature = ''] = line.split(' ')
        // The kill may have cut the last line.
        if (signature.length !== 2 + 2 * 65) continue
        expect(told.get(key) ?? signature).toBe(signature)
        told.set(key, signature)
        if ((left -= 1) === 0) child.kill('SIGKILL')
      }
      await exited

      const journal = await openJournal()
      expect(journal.size).toBeGreaterThanOrEqual(told.size)
      for (const [key, signature] of told) {
        expect((await journal.find(key as Hex))?.signature).toBe(signature)
      }
      await journal.close()
    }
    expect(told.size).toBeGreaterThan(ROUNDS)
  })
})
