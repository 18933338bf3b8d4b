import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import bpeRanks from 'gpt-tokenizer/bpeRanks/cl100k_base'
import { loadEncoding } from '../../../src/lib/service/openai-encoding.js'
import { loadTokenizerFile } from '../../../src/lib/service/tokenizer-file.js'
import { caught } from '../../helpers/caught.js'
import { createDice } from '../../helpers/dice.js'
import { randomProse } from '../../helpers/random-prose.js'
import { tokenizerOfRanks } from '../../helpers/tokenizer-of-ranks.js'

interface Library {
  readonly Tokenizer: new (json: object, config: object) => { tokenize(text: string): string[] }
}

type Json = Record<string, unknown> & { model: Record<string, unknown>; added_tokens: { special: boolean }[] }

const library = (await import('@huggingface/tokenizers')) as unknown as Library

/** `bytes` joins bytes as Llama 3 and Qwen do, `blanks` letters as Llama 2, `scores` is as T5 and `words` as BERT. */
const NAMES = ['bytes', 'blanks', 'scores', 'words'] as const
const fixtures = Object.fromEntries(
  await Promise.all(
    NAMES.map(async (name) => {
      const path = fileURLToPath(new URL(`../../fixtures/tokenizers/${name}.json`, import.meta.url))
      return [name, await readFile(path, 'utf8')] as const
    }),
  ),
) as Record<(typeof NAMES)[number], string>

const load = (text: string, path = 'tokenizer.json') => loadTokenizerFile(path, async () => text)
const jsonOf = (name: (typeof NAMES)[number]) => JSON.parse(fixtures[name]) as Json
const edited = (name: (typeof NAMES)[number], edit: (json: Json) => void) => {
  const json = jsonOf(name)
  edit(json)
  return JSON.stringify(json)
}
const withModel = (change: object) => edited('bytes', (json) => Object.assign(json.model, change))

/** Counts of the library alone, with special tokens taken out of the list of added ones. */
function oracleOf(text: string): (counted: string) => number {
  const json = JSON.parse(text) as Json
  const added_tokens = json.added_tokens.filter(({ special }) => !special)
  const tokenizer = new library.Tokenizer({ ...json, added_tokens, post_processor: null, decoder: null }, {})
  return (counted) => tokenizer.tokenize(counted).length
}

describe('counting with a tokenizer.json', () => {
  it.each([
    // the, bee, s and what stands before, between and behind them
    ['bytes', 'the bees', 3],
    ['bytes', 'the\n\n  bees', 6],
    ['bytes', 'aaaaaaaaa', 3],
    ['bytes', 'é', 1],
    ['bytes', 'e\u0301', 1],
    ['bytes', '字', 3],
    ['bytes', '', 0],
    ['blanks', 'the bees', 3],
    ['blanks', 'the\n\n  bees', 6],
    ['blanks', 'é', 3],
    ['blanks', '', 0],
    ['scores', 'the bees', 3],
    ['scores', 'aaaaaaaaa', 6],
    ['scores', '字字', 2],
    ['scores', '', 0],
    ['words', 'The bees', 3],
    ['words', 'the.  bees 2', 5],
    ['words', '字', 1],
    ['words', '', 0],
  ] as const)('of the kind %s counts %j', async (name, text, tokens) => {
    const count = await load(fixtures[name])

    expect(count(text)).toBe(tokens)
  })

  it.each(NAMES)('of the kind %s counts what the library counts', async (name) => {
    const count = await load(fixtures[name])
    const oracle = oracleOf(fixtures[name])
    const dice = createDice(47)
    const texts = Array.from({ length: 400 }, () => randomProse(dice))

    for (const text of texts) expect({ text, count: count(text) }).toEqual({ text, count: oracle(text) })
  })

  it('counts what an encoding of OpenAI counts when it holds the same tokens', async () => {
    const pattern = String.raw`'(?:[sS]|[dD]|[mM]|[tT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s`
    const count = await load(tokenizerOfRanks(bpeRanks, pattern))
    const encoding = await loadEncoding('cl100k_base')
    const dice = createDice(53)
    const texts = Array.from({ length: 500 }, () => randomProse(dice))

    for (const text of texts) expect({ text, count: count(text) }).toEqual({ text, count: encoding(text) })
  })

  it.each([
    ['bytes', '<|end|>', 7],
    ['blanks', '</s>', 5],
    ['scores', '</s>', 4],
    ['words', '[CLS]', 3],
  ] as const)(
    'of the kind %s takes the special token %s for the text that it is',
    async (name, text, tokens) => {
      const count = await load(fixtures[name])

      expect(count(text)).toBe(tokens)
    },
  )

  it('takes a special token for text even when whole words are looked up first', async () => {
    const text = edited('bytes', ({ model, added_tokens }) => {
      Object.assign(model, { ignore_merges: true })
      Object.assign(model.vocab as object, { bees: 900, tees: 901 })
      Object.assign(added_tokens[0] as object, { content: 'tees', id: 901 })
    })
    const count = await load(text)

    expect(count('bees')).toBe(1)
    expect(count('tees')).toBe(3)
  })

  it('knows added tokens that are not special', async () => {
    const count = await load(fixtures.bytes)

    expect(count('<tool>')).toBe(1)
    expect(count('a<tool>b')).toBe(3)
  })

  it('adds no token for the begin of a text', async () => {
    const { post_processor: template } = jsonOf('blanks')
    const count = await load(fixtures.blanks)

    expect(template).toMatchObject({ type: 'TemplateProcessing' })
    expect(count('the')).toBe(1)
  })

  it.each([
    ['merges as lists', edited('blanks', ({ model }) => void (model.merges = splitMerges(model.merges)))],
    ['no type of the model', edited('blanks', ({ model }) => void delete model.type)],
    ['no special fields', edited('blanks', (json) => void delete json.post_processor)],
    ['a decoder that nobody knows', edited('blanks', (json) => void (json.decoder = { type: 'Odd' }))],
  ])('reads a file with %s', async (_what, text) => {
    const count = await load(text)

    expect(count('the bees')).toBe(3)
  })

  it('leaves words that end in a mark to the library', async () => {
    const text = edited('words', (json) => {
      json.model = {
        type: 'BPE',
        end_of_word_suffix: '</w>',
        unk_token: '[UNK]',
        vocab: { '[UNK]': 0, b: 1, e: 2, 's</w>': 3, 'e</w>': 4, be: 5, 'be</w>': 6 },
        merges: ['b e', 'b e</w>'],
      }
      json.added_tokens = []
    })
    const count = await load(text)

    expect(count('be bes')).toBe(3)
  })

  it.each(NAMES.flatMap((name) => ['a', ' ', '字', '-', ' \n', '\ufdfa'].map((run) => [name, run] as const)))(
    'of the kind %s counts a long run of %j',
    async (name, run) => {
      const count = await load(fixtures[name])
      const times = Math.floor(30_000 / run.length)

      const tokens = count(run.repeat(times))

      expect(Number.isInteger(tokens)).toBe(true)
      // Blanks and unknown characters may be nothing at all or one token; the longest compatible form has 18 letters.
      expect(tokens).toBeLessThanOrEqual(18 * times * 4)
    },
  )
})

describe('a tokenizer.json that cannot be used', () => {
  it.each([
    ['no JSON', '<html>', 'JSON'],
    ['a list', '[]', 'it has no model'],
    ['null', 'null', 'it has no model'],
    ['another JSON file', '{"vocab_size": 5}', 'it has no model'],
    ['a model of another type', withModel({ type: 'CharBPE' }), 'one of BPE, Unigram, WordPiece'],
    ['no vocabulary', withModel({ vocab: undefined }), 'vocabulary is missing'],
    ['an empty vocabulary', withModel({ vocab: {} }), 'vocabulary is missing or empty'],
    ['a vocabulary of the wrong kind', withModel({ vocab: [['a', 1]] }), 'vocabulary is missing'],
    ['no merges', withModel({ merges: null }), 'no merges'],
    ['a merge of three', withModel({ merges: [['a', 'b'], 'a b c'] }), 'merge 1'],
    ['a merge of numbers', withModel({ merges: [[1, 2]] }), 'merge 0'],
    [
      'an added token without content',
      edited('bytes', (j) => void (j.added_tokens = [{ special: true }])),
      'token 0',
    ],
    [
      'added tokens that are no list',
      edited('bytes', (j) => Object.assign(j, { added_tokens: {} })),
      'no list',
    ],
    [
      'a normalizer without a type',
      edited('bytes', (j) => void (j.normalizer = {})),
      'normalizer has no type',
    ],
    ['a normalizer that nobody knows', edited('bytes', (j) => void (j.normalizer = { type: 'Odd' })), 'Odd'],
    ['splitting that nobody knows', edited('bytes', (j) => void (j.pre_tokenizer = { type: 'Odd' })), 'Odd'],
    [
      'a pattern that is none',
      edited('bytes', (j) => void (j.pre_tokenizer = { type: 'Split', pattern: { Regex: '(' } })),
      'regular expression',
    ],
    [
      'a vocabulary that nothing is found with',
      edited('bytes', ({ model }) => Object.assign(model, { vocab: { zz: 0 }, merges: [] })),
      'no tokens',
    ],
  ])('is refused by its name: %s', async (_what, text, reason) => {
    const error = await caught(load(text, '/models/tokenizer.json'))

    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      details: { file: '/models/tokenizer.json' },
      message: expect.stringContaining('/models/tokenizer.json'),
    })
    expect(error.message).toContain(reason)
  })

  it('is refused by its name when it cannot be read', async () => {
    const error = await caught(loadTokenizerFile('/no/such/file', (path) => readFile(path, 'utf8')))

    expect(error).toMatchObject({ code: 'CONFIG_INVALID', details: { file: '/no/such/file' } })
    expect(error.message).toContain('cannot be read')
  })
})

function splitMerges(merges: unknown): string[][] {
  return (merges as string[]).map((merge) => merge.split(' '))
}
