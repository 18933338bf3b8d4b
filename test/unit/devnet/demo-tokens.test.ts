import { describe, expect, it } from '@jest/globals'
import { joinTokens, tokenize } from '../../../src/lib/devnet/demo-tokens.js'

describe('tokens', () => {
  it.each([
    ['', []],
    ['Hello, world!', ['Hello', ',', ' world', '!']],
    ["don't stop-gap", ["don't", ' stop-gap']],
    ['  a\n\nb ', ['  a', '\n\nb', ' ']],
    ['3.5 €', ['3', '.', '5', ' €']],
    ['漢字 🐝\ud83d', ['漢字', ' 🐝', '\ud83d']],
  ])('of %j are %j', (text, tokens) => {
    expect(tokenize(text)).toEqual(tokens)
    expect(tokenize(text).join('')).toBe(text)
  })

  it('are never more than bytes', () => {
    for (const text of ['!!!!', 'a b c', 'é', ' ', '\n\n\n', 'a-', "'"]) {
      expect(tokenize(text).length).toBeLessThanOrEqual(Buffer.byteLength(text))
    }
  })

  it('are written with a blank before words alone', () => {
    expect(joinTokens(['The', 'geese', ',', 'again', '.'])).toBe('The geese, again.')
  })
})
