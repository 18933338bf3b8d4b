import { getAddress } from 'ethers/address'
import type { Address, Hex } from '../../src/lib/hex.js'
import type { TaskEnvelope } from '../../src/lib/infernet/task-envelope.js'
import type { UsageReceipt } from '../../src/lib/usage/receipt.js'
import type { Dice } from './dice.js'

/** Bytes of a length, random but for the zeros that may stand in front of them. */
export function randomHex(dice: Dice, bytes: number): Hex {
  const digits = Array.from({ length: 2 * bytes }, () => dice.between(0, 15).toString(16)).join('')
  const zeros = dice.once(4) ? 2 * dice.between(0, bytes) : 0
  return `0x${'0'.repeat(zeros)}${digits.slice(zeros)}`
}

export function randomAddress(dice: Dice): Address {
  return getAddress(randomHex(dice, 20)) as Address
}

/** A receipt of any values that its types allow. */
export function randomReceipt(dice: Dice): UsageReceipt {
  return {
    requestId: randomHex(dice, 32),
    modelId: randomHex(dice, 32),
    requester: randomAddress(dice),
    node: randomAddress(dice),
    interval: Number(dice.amount(32)),
    inputHash: randomHex(dice, 32),
    outputHash: randomHex(dice, 32),
    promptTokens: dice.amount(32),
    completionTokens: dice.amount(32),
  }
}

/** An envelope of any values that its types allow, with a payload of up to 200 bytes. */
export function randomEnvelope(dice: Dice): TaskEnvelope {
  return {
    chainId: dice.amount(256),
    consumer: randomAddress(dice),
    subscriptionId: Number(dice.amount(32)),
    interval: Number(dice.amount(32)),
    requestId: randomHex(dice, 32),
    requester: randomAddress(dice),
    node: randomAddress(dice),
    modelId: randomHex(dice, 32),
    maxPromptTokens: dice.amount(32),
    maxCompletionTokens: dice.amount(32),
    payload: randomHex(dice, dice.between(0, 200)),
  }
}
