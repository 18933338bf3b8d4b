import { describe, expect, it } from '@jest/globals'
import { formatAmount, formatPpm, mulDivDown, mulDivUp, parseAmount, parsePpm } from '../../src/lib/units.js'
import { caught } from '../helpers/caught.js'

describe('amounts', () => {
  it.each([
    ['0', 18, 0n],
    ['12.5', 18, 12_500_000_000_000_000_000n],
    ['0.000000000000000001', 18, 1n],
    [' 7 ', 0, 7n],
    ['1000000000', 6, 10n ** 15n],
  ])('read %j with %i decimals exactly', (text, decimals, amount) => {
    expect(parseAmount(text, decimals, 'amount')).toBe(amount)
  })

  it.each(['', '-1', '+1', '1e3', '1,5', '1_000', '.5', '5.', '0x10', '0.0000000000000000001', 'NaN'])(
    'refuse %j',
    async (text) => {
      const error = await caught(() => parseAmount(text, 18, '--amount'))

      expect(error.code).toBe('AMOUNT_INVALID')
      expect(error.message).toContain('--amount')
    },
  )

  it('are written without trailing zeros and read back the same', () => {
    expect(formatAmount(1_500_000n, 6)).toBe('1.5')
    expect(formatAmount(-1n, 18)).toBe('-0.000000000000000001')
    expect(formatAmount(10n ** 24n, 18)).toBe('1000000')
    for (const amount of [0n, 1n, 10n, 123_456_789n, 2n ** 96n - 1n]) {
      expect(parseAmount(formatAmount(amount, 18), 18, 'amount')).toBe(amount)
    }
  })
})

describe('rates', () => {
  it.each([
    ['40%', 400_000n],
    ['14.5%', 145_000n],
    ['0.0001%', 1n],
    ['100%', 1_000_000n],
    ['400000', 400_000n],
    ['0', 0n],
    ['1', 1n],
  ])('read %j as %i ppm', (text, ppm) => {
    expect(parsePpm(text, 'sigma')).toBe(ppm)
  })

  it.each(['', '%', '0.4', '101%', '100.0001%', '1000001', '-1', '40 %', '0.00001%', '1e2%'])(
    'refuse %j',
    async (text) => {
      expect((await caught(() => parsePpm(text, 'sigma'))).code).toBe('AMOUNT_INVALID')
    },
  )

  it('are written as percentages', () => {
    expect(formatPpm(145_000)).toBe('14.5%')
    expect(formatPpm(1n)).toBe('0.0001%')
  })
})

describe('division', () => {
  it('rounds to the side that its name says', () => {
    expect([mulDivDown(7n, 3n, 2n), mulDivUp(7n, 3n, 2n)]).toEqual([10n, 11n])
    expect([mulDivDown(4n, 3n, 2n), mulDivUp(4n, 3n, 2n)]).toEqual([6n, 6n])
    expect(mulDivUp(0n, 3n, 2n)).toBe(0n)
  })
})
