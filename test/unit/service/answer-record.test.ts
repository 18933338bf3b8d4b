import { describe, expect, it } from '@jest/globals'
import {
  decodeAnswer,
  encodeAnswer,
  keyOfRecord,
  timeOfRecord,
} from '../../../src/lib/service/answer-record.js'
import { randomAnswer } from '../../helpers/answers.js'
import { createDice } from '../../helpers/dice.js'

const timeMs = 1_763_850_000_123

describe('records of answers', () => {
  it('are read as they were written, whatever they hold', () => {
    const dice = createDice(6)

    for (let round = 0; round < 200; round += 1) {
      const stored = { ...randomAnswer(dice), timeMs }
      const bytes = encodeAnswer(stored)

      expect(decodeAnswer(bytes)).toEqual(stored)
      expect(keyOfRecord(bytes)).toBe(stored.receipt.inputHash)
      expect(timeOfRecord(bytes)).toBe(timeMs)
    }
  })

  it('are not written with a signature of another length', () => {
    const stored = { ...randomAnswer(createDice(1)), timeMs }

    expect(() => encodeAnswer({ ...stored, signature: '0x1234' })).toThrow('65 bytes')
  })

  it.each<[string, (bytes: Buffer) => unknown]>([
    ['another version', (bytes) => bytes.writeUInt8(2, 0)],
    ['notes that are no JSON', (bytes) => bytes.fill('{', 366, 368)],
    ['notes without a model', (bytes) => bytes.write('"madel"', 367)],
    ['a receipt with dirty bits', (bytes) => bytes.fill(1, 13 + 4 * 32, 13 + 5 * 32)],
  ])('are not read with %s', (_what, damage) => {
    const bytes = encodeAnswer({ ...randomAnswer(createDice(2)), timeMs })

    damage(bytes)

    expect(() => decodeAnswer(bytes)).toThrow()
  })
})
