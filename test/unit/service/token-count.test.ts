import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import {
  MAX_PART,
  type TokenCounterOptions,
  createTokenCounters,
  openTokenCounter,
} from '../../../src/lib/service/token-count.js'
import { caught } from '../../helpers/caught.js'

const file = fileURLToPath(new URL('../../fixtures/tokenizers/bytes.json', import.meta.url))
const words = fileURLToPath(new URL('../../fixtures/tokenizers/words.json', import.meta.url))

/** Reads real files and notes which. */
function noting(): TokenCounterOptions & { readonly read: string[] } {
  const read: string[] = []
  return { read, readFile: (path) => (read.push(path), readFile(path, 'utf8')) }
}

describe('a token counter', () => {
  it('counts with an encoding of OpenAI and reads no file', async () => {
    const options = noting()

    const counter = await openTokenCounter({ encoding: 'o200k_base' }, options)

    expect(counter.count('tiktoken is great!')).toBe(6)
    expect(options.read).toEqual([])
  })

  it('counts with a tokenizer.json', async () => {
    const options = noting()

    const counter = await openTokenCounter({ file }, options)

    expect(counter.count('the bees')).toBe(3)
    expect(options.read).toEqual([file])
  })

  it('counts the contents of a chat and nothing between them', async () => {
    const counter = await openTokenCounter({ file }, noting())

    const tokens = counter.countChat([
      { content: 'the bees' },
      { content: '' },
      {
        content: [
          { type: 'text', text: 'the' },
          { type: 'text', text: ' bees' },
        ],
      },
    ])

    expect(tokens).toBe(6)
    expect(counter.countChat([])).toBe(0)
  })

  it.each([
    ['a letter', 'a'],
    ['blanks', ' '],
    ['a character of three bytes', '字'],
    ['blanks and lines', ' \n'],
  ])('counts a million characters of %s, never as more than they are', async (_what, run) => {
    const counters = createTokenCounters(noting())
    const text = run.repeat(1_000_000 / run.length)

    for (const settings of [{ encoding: 'o200k_base' }, { file }] as const) {
      const counter = await counters(settings)
      const cuts = Math.ceil(text.length / MAX_PART) - 1
      const onePart = counter.count(text.slice(0, MAX_PART))

      const tokens = counter.count(text)

      expect(tokens).toBeGreaterThanOrEqual(onePart * cuts - cuts)
      expect(tokens).toBeLessThanOrEqual(onePart * (cuts + 1))
    }
  })

  it('counts long prose as its parts, less one for each cut', async () => {
    const counter = await openTokenCounter({ encoding: 'cl100k_base' }, noting())
    const sentence = 'Bees keep warm in winter. '

    const tokens = counter.count(sentence.repeat(20_000))

    const cuts = Math.floor((sentence.length * 20_000) / MAX_PART)
    expect(counter.count(sentence.repeat(1_000))).toBe(7_000 + 1)
    expect(tokens).toBe(140_000 + 1 - cuts)
  })
})

describe('token counters', () => {
  it('load a tokenizer when it is first asked for, and once', async () => {
    const options = noting()
    const counters = createTokenCounters(options)

    expect(options.read).toEqual([])
    const [first, second] = await Promise.all([counters({ file }), counters({ file })])
    const third = await counters({ file })

    expect(new Set(options.read)).toEqual(new Set([file]))
    expect(second).toBe(first)
    expect(third).toBe(first)
  })

  it('load a file anew when it is another one by now', async () => {
    const texts = { bytes: await readFile(file, 'utf8'), words: await readFile(words, 'utf8') }
    let text = texts.bytes
    const counters = createTokenCounters({ readFile: async () => text })
    const first = await counters({ file: 'a.json' })

    text = texts.words
    const second = await counters({ file: 'a.json' })

    expect(second).not.toBe(first)
    expect(first.count('zzzz')).not.toBe(second.count('zzzz'))
  })

  it('load a file that was mended', async () => {
    let text = '{}'
    const counters = createTokenCounters({ readFile: async () => text })
    await caught(counters({ file: 'a.json' }))

    text = await readFile(file, 'utf8')

    expect((await counters({ file: 'a.json' })).count('the bees')).toBe(3)
  })

  it('tell settings apart', async () => {
    const options = noting()
    const counters = createTokenCounters(options)

    const one = await counters({ file })
    const other = await counters({ encoding: 'cl100k_base' })

    expect(one.count('zzzz')).not.toBe(other.count('zzzz'))
  })

  it('name the file that cannot be used, each time', async () => {
    const counters = createTokenCounters({ readFile: async () => '{}' })

    const errors = [await caught(counters({ file: 'a.json' })), await caught(counters({ file: 'a.json' }))]

    expect(errors.map(({ code, details }) => [code, details.file])).toEqual([
      ['CONFIG_INVALID', 'a.json'],
      ['CONFIG_INVALID', 'a.json'],
    ])
  })
})
