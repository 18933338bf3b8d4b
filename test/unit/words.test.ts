import { describe, expect, it } from '@jest/globals'
import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import type { Address, Hex } from '../../src/lib/hex.js'
import {
  decodeAddressWord,
  decodeUintWord,
  encodeAddressWord,
  encodeBytes32Word,
  encodeBytesWords,
  encodeUintWord,
  keccakOfDigits,
  wordAt,
} from '../../src/lib/words.js'

const abi = (type: string, value: unknown) => AbiCoder.defaultAbiCoder().encode([type], [value]).slice(2)
const refused = expect.objectContaining({ code: 'HEX_INVALID' })
const address: Address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

describe('words', () => {
  it.each<[string, unknown, string]>([
    ['bytes32', `0x${'AB'.repeat(32)}`, encodeBytes32Word(`0x${'AB'.repeat(32)}`, 'it')],
    ['address', address, encodeAddressWord(address, 'it')],
    ['uint32', 0, encodeUintWord(0, 32, 'it')],
    ['uint32', 0xffff_ffff, encodeUintWord(0xffff_ffff, 32, 'it')],
    ['uint256', 2n ** 256n - 1n, encodeUintWord(2n ** 256n - 1n, 256, 'it')],
  ])('hold a %s of %s as the ABI does', (type, value, word) => {
    expect(word).toBe(abi(type, value))
  })

  it.each([0, 1, 31, 32, 33, 64, 65])('hold %i bytes as the ABI does', (length) => {
    const bytes: Hex = `0x${'cd'.repeat(length)}`

    // The ABI puts in front where the bytes begin.
    expect(encodeBytesWords(bytes, 'it')).toBe(abi('bytes', bytes).slice(64))
  })

  it.each<[string, () => unknown]>([
    ['31 bytes for 32', () => encodeBytes32Word(`0x${'ab'.repeat(31)}`, 'it')],
    ['text for 32 bytes', () => encodeBytes32Word(`0x${'zz'.repeat(32)}`, 'it')],
    ['19 bytes for an address', () => encodeAddressWord(`0x${'ab'.repeat(19)}`, 'it')],
    ['a number above uint32', () => encodeUintWord(2 ** 32, 32, 'it')],
    ['a bigint above uint32', () => encodeUintWord(2n ** 32n, 32, 'it')],
    ['a bigint above uint256', () => encodeUintWord(2n ** 256n, 256, 'it')],
    ['a negative number', () => encodeUintWord(-1, 32, 'it')],
    ['a negative bigint', () => encodeUintWord(-1n, 32, 'it')],
    ['a broken number', () => encodeUintWord(1.5, 32, 'it')],
    ['no number', () => encodeUintWord(Number.NaN, 32, 'it')],
    ['half a byte', () => encodeBytesWords('0xabc', 'it')],
    ['a word beyond the end', () => wordAt('00'.repeat(40), 1)],
    ['dirty bits above an address', () => decodeAddressWord(`${'0'.repeat(23)}1${'ab'.repeat(20)}`)],
    ['dirty bits above uint32', () => decodeUintWord(`${'0'.repeat(55)}1${'ab'.repeat(4)}`, 32)],
    ['half a byte to hash', () => keccakOfDigits('abc')],
    ['text to hash', () => keccakOfDigits('abcx')],
  ])('refuse %s', (_what, make) => {
    expect(make).toThrow(refused)
  })

  it('are read as they were written', () => {
    const digits = encodeAddressWord(address, 'it') + encodeUintWord(77n, 32, 'it')

    expect(decodeAddressWord(wordAt(digits, 0))).toBe(address)
    expect(decodeUintWord(wordAt(digits, 1), 32)).toBe(77n)
  })

  it('are hashed as bytes', () => {
    expect(keccakOfDigits('00ff')).toBe(keccak256('0x00ff'))
  })
})
