import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { AbiCoder } from 'ethers/abi'
import { FlockError } from '../../../src/lib/errors.js'
import { type Hex, isHex } from '../../../src/lib/hex.js'
import { decodeStockPayload } from '../../../src/lib/infernet/stock-payload.js'
import {
  MAX_STOCK_MESSAGES,
  type StockKind,
  type StockTask,
  encodeStockAnswer,
  renderStockAnswer,
} from '../../../src/lib/infernet/stock-task.js'
import { decodeTaskEnvelope, encodeTaskEnvelope } from '../../../src/lib/infernet/task-envelope.js'
import { caught } from '../../helpers/caught.js'
import { type Dice, createDice } from '../../helpers/dice.js'
import { STOCK_TYPES, encodeStock, randomStock, randomText } from '../../helpers/random-stock.js'
import { randomEnvelope, randomHex } from '../../helpers/random-tasks.js'

interface Vectors {
  readonly payloads: readonly (Omit<StockTask, 'options' | 'rawInput'> & { name: string; inputs: Hex })[]
  readonly answers: readonly { readonly text: string; readonly output: Hex }[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/stock/vectors.json', import.meta.url), 'utf8'),
) as Vectors

const word = (value: number | bigint) => value.toString(16).padStart(64, '0')
const user = (content: string) => [['user', content]]
const [, css, hf] = vectors.payloads
if (css === undefined || hf === undefined) throw new Error('no vectors')

/** The task, or null when the bytes are refused as they should be. */
function decoded(inputs: Hex): StockTask | null {
  try {
    return decodeStockPayload(inputs)
  } catch (error) {
    if (error instanceof FlockError && error.code === 'TASK_INVALID') return null
    throw error
  }
}

/** The values that ethers reads, when it writes them back as the same bytes. */
function valuesOf(kind: StockKind, inputs: Hex): unknown[] | null {
  const coder = AbiCoder.defaultAbiCoder()
  try {
    const values = coder.decode([...STOCK_TYPES[kind]], inputs).toArray(true) as unknown[]
    return coder.encode([...STOCK_TYPES[kind]], values) === inputs ? values : null
  } catch {
    return null
  }
}

/** The kinds that bytes are of according to ethers, and that a chat answers. */
function kindsOf(inputs: Hex): StockKind[] {
  const isSaid = (text: unknown) => (text as string).trim() !== ''
  const rules: Record<StockKind, (values: readonly unknown[]) => boolean> = {
    tgi: ([text]) => isSaid(text),
    css: ([provider, endpoint, , messages]) =>
      (provider as bigint) < 3n && endpoint === 0n && (messages as unknown[]).length > 0,
    hf: ([taskId, , prompt]) => (taskId === 1n || taskId === 4n) && isSaid(prompt),
  }
  return (['tgi', 'css', 'hf'] as const).filter((kind) => {
    const values = valuesOf(kind, inputs)
    return values !== null && rules[kind](values)
  })
}

/** A byte changed, bytes cut off or put behind, or a word that is now a small number, a huge one or an offset. */
function damage(inputs: Hex, dice: Dice): Hex {
  const digits = inputs.slice(2)
  const at = 2 * dice.between(0, digits.length / 2 - 1)
  const start = at - (at % 64)
  const put = (text: string, from: number) =>
    `${digits.slice(0, from)}${text}${digits.slice(from + text.length)}`.slice(0, digits.length)
  const changed = dice.pick([
    () => put(randomHex(dice, 1).slice(2), at),
    () => put(word(dice.amount(10)), start),
    () => put(word(32 * dice.between(0, 16)), start),
    () => put(word(dice.amount(256)), start),
    () => digits.slice(0, at),
    () => digits + '00'.repeat(dice.between(1, 64)),
  ])()
  return `0x${changed}`
}

describe('inputs of a stock service', () => {
  it.each(vectors.payloads)('are read as the vector says: $name', ({ name, inputs, ...task }) => {
    expect({ name, ...decodeStockPayload(inputs) }).toEqual({ name, ...task, options: {}, rawInput: inputs })
  })

  it('are read back from what ethers encodes', () => {
    const dice = createDice(7)
    const samples = Array.from({ length: 1_000 }, () => randomStock(dice))

    for (const { inputs, ...sample } of samples)
      expect(decodeStockPayload(inputs)).toMatchObject({ ...sample, options: {}, rawInput: inputs })
  })

  it('are of a kind exactly when they are its encoding, however they are damaged', () => {
    const dice = createDice(11)
    const inputs = Array.from({ length: 1_500 }, () => damage(randomStock(dice).inputs, dice))

    const kinds = inputs.map((bytes) => ({ bytes, kinds: [decoded(bytes)?.kind].filter(Boolean) }))

    for (const { bytes, kinds: own } of kinds)
      expect({ bytes, kinds: own }).toEqual({ bytes, kinds: kindsOf(bytes) })
    expect(kinds.filter(({ kinds: own }) => own.length === 1).length).toBeGreaterThan(50)
  })

  it('are never of two kinds', () => {
    const dice = createDice(13)
    const samples = Array.from({ length: 500 }, () => randomStock(dice))

    for (const { kind, inputs } of samples) expect(kindsOf(inputs)).toEqual([kind])
  })

  it('are never taken for a task envelope', () => {
    const dice = createDice(17)
    const samples = Array.from({ length: 500 }, () => randomStock(dice))

    for (const { inputs } of samples)
      expect(() => decodeTaskEnvelope(inputs)).toThrow(expect.objectContaining({ code: 'TASK_INVALID' }))
  })

  it('are not a task envelope, whatever it holds', () => {
    const dice = createDice(19)
    const envelopes = Array.from({ length: 500 }, () => ({
      ...randomEnvelope(dice),
      payload: dice.once(2) ? randomStock(dice).inputs : randomHex(dice, dice.between(0, 300)),
    }))

    expect(envelopes.map(encodeTaskEnvelope).filter((inputs) => decoded(inputs) !== null)).toEqual([])
  })

  it('carry an envelope as a text when they are a text', () => {
    const envelope = encodeTaskEnvelope(randomEnvelope(createDice(23)))

    expect(decodeStockPayload(encodeStock('tgi', [envelope])).messages[0]?.content).toBe(envelope)
  })

  it('may be written with upper-case digits', () => {
    const upper: Hex = `0x${css.inputs.slice(2).toUpperCase()}`

    expect(decodeStockPayload(upper)).toEqual(decodeStockPayload(css.inputs))
  })

  it('ask a chat model for a summary', () => {
    const { messages, model } = decodeStockPayload(encodeStock('hf', [4, 'bart', 'A long text.']))

    expect(model).toBe('bart')
    expect(messages).toEqual([
      {
        role: 'user',
        content: 'Summarize the following text. Answer with the summary alone.\n\nA long text.',
      },
    ])
  })

  it.each([
    ['no bytes', '0x', 'empty'],
    ['an empty prompt', encodeStock('tgi', ['']), 'prompt of the task is empty'],
    ['a prompt of blanks', encodeStock('hf', [1, '', ' \n']), 'prompt of the task is empty'],
    ['no messages', encodeStock('css', [0, 0, 'm', []]), '0 messages'],
    ['embeddings', encodeStock('css', [0, 1, 'm', user('hi')]), 'embeddings'],
    ['no task', encodeStock('hf', [0, '', 'hi']), 'no task at all'],
    ['text classification', encodeStock('hf', [2, '', 'hi']), 'text classification'],
    ['token classification', encodeStock('hf', [3, '', 'hi']), 'token classification'],
    ['an image', encodeStock('hf', [5, '', 'hi']), 'an image'],
    ['a task that nobody knows', encodeStock('hf', [6, '', 'hi']), 'no encoding'],
    ['a provider that nobody knows', encodeStock('css', [3, 0, 'm', user('hi')]), 'no encoding'],
    ['an endpoint that nobody knows', encodeStock('css', [0, 2, 'm', user('hi')]), 'no encoding'],
    ['bare text', `0x${Buffer.from('Good morning!').toString('hex')}`, 'no encoding'],
    [
      'two byte strings',
      AbiCoder.defaultAbiCoder().encode(['bytes', 'bytes'], ['0xab', '0xcd']),
      'no encoding',
    ],
    ['bytes that are no UTF-8', AbiCoder.defaultAbiCoder().encode(['bytes'], ['0xff']), 'not UTF-8'],
  ])('are refused with the reason: %s', async (_what, inputs, reason) => {
    const error = await caught(() => decodeStockPayload(inputs as Hex))

    expect(error).toMatchObject({ code: 'TASK_INVALID', message: expect.stringContaining(reason) })
  })

  it.each(['0xabc', 'abcd', '0xzz'])('are refused when they are no bytes: %s', (inputs) => {
    expect(isHex(inputs)).toBe(false)
    expect(() => decodeStockPayload(inputs as Hex)).toThrow(expect.objectContaining({ code: 'TASK_INVALID' }))
  })
})

describe('hostile inputs', () => {
  const head = `${word(0)}${word(0)}${word(0x80)}${word(0xa0)}${word(0)}`
  const long = 'aa'.repeat(500_000)
  const loop = `${word(0x40)}${word(0x40)}`

  it.each([
    ['a count beyond all memory', `${head}${'ff'.repeat(32)}`],
    ['a count of 32 bits', `${head}${word(0xffff_ffff)}`],
    ['as many offsets as there are words', `${head}${word(15_000)}${word(0x40).repeat(15_000)}`],
    ['messages that are their own list', `${head}${word(2)}${word(0)}${word(0)}`],
    [
      'messages that share one text',
      `${head}${word(900)}${word(28_800).repeat(900)}${loop}${word(500_000)}${long}`,
    ],
    ['an offset before the list', `${head}${word(1)}${'ff'.repeat(32)}${loop}${word(0)}${word(0)}`],
    ['a role that is its own content', `${head}${word(1)}${word(0x20)}${loop}${word(0)}`],
    ['a model that is the list', `${word(0)}${word(0)}${word(0x80)}${word(0x80)}${word(0)}${word(0)}`],
    ['a text of 2^255 bytes', `${word(0x20)}80${word(0).slice(2)}`],
    ['a text longer than the bytes', `${word(0x20)}${word(500_001)}${long}`],
    ['an offset to itself', word(0)],
    ['half a megabyte of zeros', '00'.repeat(500_000)],
    ['half a megabyte of offsets', word(0x20).repeat(15_000)],
    ['an odd number of bytes', `${css.inputs.slice(2)}00`],
  ])('are refused: %s', (_what, digits) => {
    expect(decoded(`0x${digits}`)).toBeNull()
  })

  it.each(vectors.payloads)(
    'are refused when the end is missing, wherever they are cut: $name',
    ({ inputs }) => {
      const cuts = Array.from(
        { length: (inputs.length - 2) / 2 },
        (_, at) => inputs.slice(0, 2 + 2 * at) as Hex,
      )

      expect(cuts.filter((cut) => decoded(cut) !== null)).toEqual([])
    },
  )

  it('may have as many messages as are allowed and not one more', async () => {
    const most = Array.from({ length: MAX_STOCK_MESSAGES }, () => ['user', 'x'])

    const error = await caught(() =>
      decodeStockPayload(encodeStock('css', [0, 0, '', [...most, ['user', 'x']]])),
    )

    expect(decodeStockPayload(encodeStock('css', [0, 0, '', most])).messages).toHaveLength(MAX_STOCK_MESSAGES)
    expect(error.message).toContain(`${MAX_STOCK_MESSAGES + 1} messages`)
  })
})

describe('the answer of a stock service', () => {
  it.each(vectors.answers)('is a string: $text', ({ text, output }) => {
    expect(encodeStockAnswer(text)).toBe(output)
  })

  it('decodes to its text', () => {
    const dice = createDice(29)
    const texts = Array.from({ length: 200 }, () => randomText(dice))

    for (const text of texts)
      expect(AbiCoder.defaultAbiCoder().decode(['string'], encodeStockAnswer(text)).toArray()).toEqual([text])
  })

  it.each(vectors.payloads)('repeats the request and leaves the rest empty: $name', ({ inputs }) => {
    expect(renderStockAnswer(decodeStockPayload(inputs), 'hello')).toEqual({
      raw_input: inputs.slice(2),
      processed_input: '',
      raw_output: vectors.answers[0]?.output.slice(2),
      processed_output: '',
      proof: '',
    })
  })
})
