import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Hex } from '../../../src/lib/hex.js'
import { encodeBatch } from '../../../src/lib/service/answer-frame.js'
import { readAnswer } from '../../../src/lib/service/answer-reader.js'
import { type StoredAnswer, encodeAnswer } from '../../../src/lib/service/answer-record.js'
import { randomAnswer } from '../../helpers/answers.js'
import { caught } from '../../helpers/caught.js'
import { createDice } from '../../helpers/dice.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const SALT = 77
const KEYS = [1, 2, 3].map((digit): Hex => `0x${digit.toString().repeat(64)}`) as [Hex, Hex, Hex]

let dir: string
let path: string

beforeEach(async () => {
  dir = await createTempDir()
  path = join(dir, 'answers.log')
})

afterEach(() => rm(dir, { recursive: true, force: true }))

/** Answers of which the second does not fit into one read. */
async function written(): Promise<{ answers: StoredAnswer[]; offsets: readonly number[]; bytes: Buffer }> {
  const dice = createDice(7)
  const answers = KEYS.map((key, place) => ({
    ...randomAnswer(dice, key),
    answer: Uint8Array.from({ length: place === 1 ? 20_000 : 10 }, () => dice.between(0, 255)),
    timeMs: 1_000 + place,
  }))
  const { bytes, offsets } = encodeBatch(answers.map(encodeAnswer), { salt: SALT, syncedBytes: 0 })
  await writeFile(path, bytes)
  return { answers, offsets, bytes }
}

describe('an answer in a file', () => {
  it('is read from the place where it stands, of any size', async () => {
    const { answers, offsets } = await written()

    const found = await Promise.all(
      KEYS.map(async (key, place) => readAnswer(key, { path, offsets: [offsets[place]!], salt: SALT })),
    )

    expect(found).toEqual(answers)
  })

  it('is looked for at each place where it may stand', async () => {
    const { answers, offsets } = await written()

    expect(await readAnswer(KEYS[2], { path, offsets, salt: SALT })).toEqual(answers[2])
    expect(await readAnswer(KEYS[2], { path, offsets: offsets.slice(0, 2), salt: SALT })).toBeNull()
  })

  it.each([
    [
      'a bit is turned',
      (bytes: Buffer, at: number) => bytes.writeUInt8(bytes.readUInt8(at + 40) ^ 1, at + 40),
    ],
    ['its length is beyond the file', (bytes: Buffer, at: number) => bytes.writeUInt32BE(0xffffffff, at)],
  ])('is not given when %s; the error names the place', async (_what, damage) => {
    const { offsets, bytes } = await written()
    const offset = offsets[1]!
    damage(bytes, offset)
    await writeFile(path, bytes)

    const error = await caught(readAnswer(KEYS[1], { path, offsets: [offset], salt: SALT }))

    expect(error).toMatchObject({ code: 'RECORD_INVALID', details: { file: path, offset } })
    expect(error.message).toContain(`damaged at byte ${offset}: the checksum is wrong`)
  })

  it('is not given when the file ends within it', async () => {
    const { offsets, bytes } = await written()
    await writeFile(path, bytes.subarray(0, offsets[2]! + 2))

    expect(
      (await caught(readAnswer(KEYS[2], { path, offsets: [offsets[2]!], salt: SALT }))).message,
    ).toContain('the checksum is wrong')
  })

  it('is not given when the file cannot be read', async () => {
    const error = await caught(readAnswer(KEYS[0], { path, offsets: [0], salt: SALT }))

    expect(error).toMatchObject({ code: 'RECORD_INVALID', details: { file: path, offset: 0 } })
    expect(error.message).toContain('ENOENT')
  })
})
