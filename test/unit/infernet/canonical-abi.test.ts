import { describe, expect, it } from '@jest/globals'
import { AbiCoder } from 'ethers/abi'
import { encodeAbiText, readAbiText, readSmallWord } from '../../../src/lib/infernet/canonical-abi.js'
import { createDice } from '../../helpers/dice.js'
import { randomText } from '../../helpers/random-stock.js'

const word = (value: number) => value.toString(16).padStart(64, '0')
const bytesOf = (hex: string) => Buffer.from(hex, 'hex')

describe('a word', () => {
  it.each([
    ['zero', word(0), 0],
    ['the greatest number of 32 bits', word(0xffff_ffff), 0xffff_ffff],
    ['one bit more', word(0x1_0000_0000), -1],
    ['the topmost bit', `80${word(1).slice(2)}`, -1],
    ['half a word', word(1).slice(0, 62), -1],
    ['no bytes', '', -1],
  ])('of %s is read as %#', (_what, hex, value) => {
    expect(readSmallWord(bytesOf(hex), 0)).toBe(value)
  })
})

describe('a text', () => {
  it('is read and written as ethers encodes it', () => {
    const dice = createDice(1)
    const texts = Array.from({ length: 500 }, () => randomText(dice))

    for (const text of texts) {
      const encoded = bytesOf(AbiCoder.defaultAbiCoder().encode(['string'], [text]).slice(2))

      expect(encodeAbiText(text)).toEqual(encoded)
      expect(readAbiText(encoded, 32)).toEqual({ text, end: encoded.length })
    }
  })

  it('keeps its byte order mark', () => {
    expect(readAbiText(encodeAbiText('\ufeffhi'), 32)?.text).toBe('\ufeffhi')
  })

  it('is written with U+FFFD for half a surrogate pair', () => {
    expect(readAbiText(encodeAbiText('a\ud83d'), 32)?.text).toBe('a\ufffd')
  })

  it.each([
    ['is cut off', `${word(3)}616263`],
    ['claims more bytes than there are', word(0xffff_ffff)],
    ['claims a length of 256 bits', `${'ff'.repeat(32)}${word(0)}`],
    ['is filled up with other than zeros', `${word(3)}${'616263'.padEnd(63, '0')}1`],
    ['has no length', ''],
  ])('that %s is none', (_what, hex) => {
    expect(readAbiText(bytesOf(hex), 0)).toBeNull()
  })

  it.each(['ff', 'c080', 'eda080', 'f4908080', 'e282'])(
    'of the bytes %s is refused, being no UTF-8',
    (hex) => {
      const bytes = bytesOf(word(hex.length / 2) + hex.padEnd(64, '0'))

      expect(() => readAbiText(bytes, 0)).toThrow(
        expect.objectContaining({ code: 'TASK_INVALID', message: 'A text of the task is not UTF-8.' }),
      )
    },
  )
})
