import type { Hex } from '../../src/lib/hex.js'
import type { SignedAnswer } from '../../src/lib/service/answer-record.js'
import type { Dice } from './dice.js'
import { randomHex, randomReceipt } from './random-tasks.js'

/** A signed answer of any values; the journal does not look at what they mean. */
export function randomAnswer(dice: Dice, inputHash?: Hex): SignedAnswer {
  const receipt = randomReceipt(dice)
  return {
    answer: Uint8Array.from({ length: dice.once(10) ? 0 : dice.between(1, 3_000) }, () =>
      dice.between(0, 255),
    ),
    receipt: inputHash === undefined ? receipt : { ...receipt, inputHash },
    signature: randomHex(dice, 65),
    model: dice.pick(['tiny', 'größe-7b', '']),
    hostId: dice.pick(['a', 'vllm-1']),
    usageSource: dice.pick(['host', 'tokenizer']),
    tokens: dice.once(3) ? {} : { promptTokens: dice.between(0, 9_999), cachedTokens: dice.between(0, 99) },
  }
}
