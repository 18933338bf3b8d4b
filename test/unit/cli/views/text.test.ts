import { describe, expect, it } from '@jest/globals'
import { flockText, isoTime, printableLine, printableText } from '../../../../src/lib/cli/views/text.js'

describe('texts of strangers', () => {
  it.each([
    ['moves the cursor', 'a\u001b[2Jb', 'a[2Jb'],
    ['goes back in the line', 'safe\rRISK', 'safeRISK'],
    ['erases', 'ab\u0008\u007fc', 'abc'],
    ['uses the eight-bit controls', 'a\u009b2Jb', 'a2Jb'],
    ['turns the direction of writing', 'a\u202eb\u2066c', 'abc'],
  ])('are printed without what %s', (_what, text, printed) => {
    expect(printableText(text)).toBe(printed)
  })

  it('keep their lines, tabs and every script', () => {
    const text = 'Zürich\tгуси\n南へ 🪿'

    expect(printableText(text)).toBe(text)
    expect(printableLine(text)).toBe('Zürich гуси 南へ 🪿')
  })
})

describe('amounts and times', () => {
  it('are written in whole tokens and in UTC', () => {
    expect(flockText(1_500_000_000_000_000_001n)).toBe('1.500000000000000001 FLOCK')
    expect(isoTime(1_750_000_000)).toBe('2025-06-15T15:06:40Z')
  })
})
