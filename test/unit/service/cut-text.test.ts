import { describe, expect, it } from '@jest/globals'
import { cutText } from '../../../src/lib/service/cut-text.js'
import { createDice } from '../../helpers/dice.js'
import { randomProse } from '../../helpers/random-prose.js'

describe('cutting a text', () => {
  it.each([
    ['leaves a short text whole', 'one two', 7, ['one two']],
    ['leaves an empty text whole', '', 7, ['']],
    ['cuts before the last blank of a part', 'one two three', 9, ['one two', ' three']],
    ['cuts before a blank at the limit', 'one tw', 3, ['one', ' tw']],
    ['cuts before the first of several blanks', 'one   two', 7, ['one', '   two']],
    ['cuts at the limit where there is no blank', 'abcdefg', 3, ['abc', 'def', 'g']],
    ['cuts at the limit among blanks', '      ', 4, ['    ', '  ']],
    ['does not cut before a line', 'ab\ncd', 4, ['ab\nc', 'd']],
    ['leaves pairs of surrogates whole', '😀😀😀', 3, ['😀', '😀', '😀']],
    ['cuts between halves that belong to different characters', 'a\ud83d\ud83d\ude00', 2, ['a\ud83d', '😀']],
  ])('%s', (_what, text, limit, parts) => {
    expect(cutText(text, limit)).toEqual(parts)
  })

  it('loses nothing and keeps to the limit', () => {
    const dice = createDice(5)
    const cases = Array.from({ length: 500 }, () => ({ text: randomProse(dice), limit: dice.between(2, 40) }))

    for (const { text, limit } of cases) {
      const parts = cutText(text, limit)

      expect(parts.join('')).toBe(text)
      expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(limit)
      expect(text === '' || parts.every((part) => part !== '')).toBe(true)
    }
  })
})
