import { beforeAll, describe, expect, it } from '@jest/globals'
import { countTokens as countCl100k } from 'gpt-tokenizer/encoding/cl100k_base'
import { countTokens as countO200k } from 'gpt-tokenizer/encoding/o200k_base'
import { cutText } from '../../../src/lib/service/cut-text.js'
import { type EncodingName, loadEncoding } from '../../../src/lib/service/openai-encoding.js'
import { createDice } from '../../helpers/dice.js'
import { randomProse } from '../../helpers/random-prose.js'

type Count = (text: string) => number

let counts: Record<EncodingName, Count>
beforeAll(async () => {
  counts = { o200k_base: await loadEncoding('o200k_base'), cl100k_base: await loadEncoding('cl100k_base') }
})

/** Counts that OpenAI publishes for tiktoken, and tokens of one character each. */
const KNOWN = [
  { text: '', o200k_base: 0, cl100k_base: 0 },
  { text: 'tiktoken is great!', o200k_base: 6, cl100k_base: 6 },
  { text: 'antidisestablishmentarianism', o200k_base: 6, cl100k_base: 6 },
  { text: '2 + 2 = 4', o200k_base: 7, cl100k_base: 7 },
  { text: 'お誕生日おめでとう', o200k_base: 8, cl100k_base: 9 },
  { text: 'hello world', o200k_base: 2, cl100k_base: 2 },
  { text: '1234567', o200k_base: 3, cl100k_base: 3 },
]

describe.each(['o200k_base', 'cl100k_base'] as const)('%s', (name) => {
  const counted: Count = (text) => counts[name](text)
  const oracle: Count = (text) => {
    const options = { disallowedSpecial: new Set<string>() }
    return name === 'o200k_base' ? countO200k(text, options) : countCl100k(text, options)
  }

  it.each(KNOWN)('counts $text', (known) => {
    expect(counted(known.text)).toBe(known[name])
  })

  it('counts what gpt-tokenizer counts', () => {
    const dice = createDice(name.length)
    const texts = Array.from({ length: 600 }, () => randomProse(dice))

    for (const text of texts) expect({ text, count: counted(text) }).toEqual({ text, count: oracle(text) })
  })

  it('counts the same again, whatever was counted between', () => {
    const dice = createDice(41)
    const words = Array.from({ length: 10_000 }, () => dice.amount(60).toString(36))

    const first = words.map(counted)

    expect(words.map(counted)).toEqual(first)
    expect(first.reduce((sum, count) => sum + count, 0)).toBe(
      words.reduce((sum, word) => sum + oracle(word), 0),
    )
  })

  it.each(['<|endoftext|>', '<|endofprompt|>', '<|im_start|>user<|im_sep|>', '<|fim_prefix|>'])(
    'takes %s for the text that it is',
    (text) => {
      expect(counted(text)).toBeGreaterThan(3)
      expect(counted(`a ${text} b`)).toBe(oracle(`a ${text} b`))
    },
  )

  it('knows blanks as Unicode does', () => {
    // U+0085 is a blank, so `a` begins a word; U+FEFF is none, so it goes with the blank before it.
    expect(counted('\u0085\u0085a')).toBe(counted('\u0085') + counted('\u0085a'))
    expect(counted(' \ufeffa')).toBe(counted(' \ufeff') + counted('a'))
  })

  it('counts half a surrogate pair as U+FFFD', () => {
    expect(counted('a\ud83d')).toBe(counted('a\ufffd'))
  })

  it.each([
    ['a letter', 'a', 8],
    ['a capital', 'A', 8],
    ['a hyphen', '-', 64],
    ['a line', '\n', name === 'o200k_base' ? 16 : 32],
  ])('counts a long run of %s as that of its longest token', (_what, letter, perToken) => {
    expect(counted(letter.repeat(64_000))).toBe(64_000 / perToken)
  })

  it('counts a text as its parts, when it is cut where words begin', () => {
    const dice = createDice(43)
    const texts = Array.from({ length: 300 }, () => randomProse(dice))

    for (const text of texts) {
      const parts = cutText(text, 200)
      const isClean = parts.slice(1).every((part, at) => /^ /.test(part) && /\S$/.test(parts[at] as string))

      if (isClean) expect(parts.reduce((sum, part) => sum + counted(part), 0)).toBe(counted(text))
    }
  })
})
