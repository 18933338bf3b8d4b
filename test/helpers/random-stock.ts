import { AbiCoder } from 'ethers/abi'
import type { Hex } from '../../src/lib/hex.js'
import type { StockKind, StockMessage } from '../../src/lib/infernet/stock-task.js'
import type { Dice } from './dice.js'

/** The ABI types of what consumers of stock services give. */
export const STOCK_TYPES: Readonly<Record<StockKind, readonly string[]>> = {
  tgi: ['string'],
  css: ['uint8', 'uint8', 'string', 'tuple(string,string)[]'],
  hf: ['uint8', 'string', 'string'],
}

export interface StockSample {
  readonly kind: StockKind
  readonly inputs: Hex
  readonly model: string | null
  readonly messages: readonly StockMessage[]
}

const LETTERS = ['a', 'Z', '0', ' ', '\n', '\0', 'é', 'ß', '字', '€', '\ufeff', '😀', '\u{10ffff}', '"', '{']

/** Up to 70 characters of one to four bytes, so that it ends before, at and behind the end of a word. */
export function randomText(dice: Dice): string {
  return Array.from({ length: dice.between(0, 70) }, () => dice.pick(LETTERS)).join('')
}

/** What one of the stock services would take and a chat can answer. */
export function randomStock(dice: Dice): StockSample {
  const kind = dice.pick(['tgi', 'css', 'hf'] as const)
  const model = dice.once(3) ? '' : randomText(dice)
  if (kind === 'css') {
    const messages = Array.from({ length: dice.between(1, 5) }, () => ({
      role: dice.pick(['system', 'user', 'assistant', '', 'bot']),
      content: randomText(dice),
    }))
    const pairs = messages.map(({ role, content }) => [role, content])
    const inputs = encodeStock(kind, [dice.between(0, 2), 0, model, pairs])
    return { kind, inputs, model: model || null, messages }
  }
  const prompt = `${randomText(dice)}!${randomText(dice)}`
  const messages = [{ role: 'user', content: prompt }]
  if (kind === 'tgi') return { kind, inputs: encodeStock(kind, [prompt]), model: null, messages }
  return { kind, inputs: encodeStock(kind, [1, model, prompt]), model: model || null, messages }
}

/** Encodes as the ABI coder of ethers does, which is not what decodes here. */
export function encodeStock(kind: StockKind, values: readonly unknown[]): Hex {
  return AbiCoder.defaultAbiCoder().encode([...STOCK_TYPES[kind]], [...values]) as Hex
}
