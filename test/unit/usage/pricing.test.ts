import { describe, expect, it } from '@jest/globals'
import { PROMPT_OVERHEAD_TOKENS, boundUsage, feeOf, maxFeeOf } from '../../../src/lib/usage/pricing.js'

const wide = {
  maxPromptTokens: 1_000_000n,
  maxCompletionTokens: 1_000_000n,
  payloadBytes: 1_000_000n,
  outputBytes: 1_000_000n,
}
const used = (promptTokens: bigint, completionTokens: bigint) => ({ promptTokens, completionTokens })

describe('what a host reports', () => {
  it('is charged as it is within all bounds', () => {
    expect(boundUsage(used(12n, 34n), wide)).toEqual(used(12n, 34n))
  })

  it.each([
    ['the prompt cap', { maxPromptTokens: 10n }, used(10n, 500n)],
    ['the completion cap', { maxCompletionTokens: 10n }, used(500n, 10n)],
    [
      'the payload and the overhead of a template',
      { payloadBytes: 10n },
      used(10n + PROMPT_OVERHEAD_TOKENS, 500n),
    ],
    ['the bytes of the answer', { outputBytes: 10n }, used(500n, 10n)],
    ['an empty answer', { outputBytes: 0n }, used(500n, 0n)],
  ])('is cut to %s', (_what, bound, charged) => {
    expect(boundUsage(used(500n, 500n), { ...wide, ...bound })).toEqual(charged)
  })

  it('keeps exactly the bound', () => {
    const bounds = { maxPromptTokens: 138n, maxCompletionTokens: 7n, payloadBytes: 10n, outputBytes: 7n }

    expect(boundUsage(used(138n, 7n), bounds)).toEqual(used(138n, 7n))
    expect(boundUsage(used(139n, 8n), bounds)).toEqual(used(138n, 7n))
  })
})

describe('the fee of an answer', () => {
  it.each([
    ['nothing when all is free', used(10n, 10n), [0n, 0n, 0n], 0n],
    ['the price per request alone without tokens', used(0n, 0n), [7n, 5n, 5n], 7n],
    ['one base unit for any fraction of one', used(1n, 0n), [0n, 1n, 0n], 1n],
    ['no more than one rounding for both kinds', used(1n, 1n), [0n, 1n, 1n], 1n],
    ['exactly the price for a million tokens', used(1_000_000n, 0n), [0n, 3n, 0n], 3n],
    ['one more for one token above a million', used(1_000_001n, 0n), [0n, 3n, 0n], 4n],
    [
      'prompt and completion at their own prices',
      used(14n, 6n),
      [10n ** 15n, 2n * 10n ** 18n, 8n * 10n ** 18n],
      1_076_000_000_000_000n,
    ],
  ] as const)('is %s', (_what, usage, [requestPrice, promptPrice, completionPrice], fee) => {
    expect(feeOf(usage, { requestPrice, promptPrice, completionPrice })).toBe(fee)
  })

  it('is at most what the caps cost', () => {
    const price = { requestPrice: 3n, promptPrice: 10n ** 18n, completionPrice: 1n }

    expect(maxFeeOf(price, { maxPromptTokens: 5n, maxCompletionTokens: 1n })).toBe(3n + 5n * 10n ** 12n + 1n)
  })

  it('is exact at the largest values of the contract', () => {
    const most = 2n ** 32n - 1n
    const price = {
      requestPrice: 2n ** 96n - 1n,
      promptPrice: 2n ** 80n - 1n,
      completionPrice: 2n ** 80n - 1n,
    }

    const fee = feeOf(used(most, most), price)

    const tokens = 2n * most * (2n ** 80n - 1n)
    expect((fee - price.requestPrice) * 1_000_000n).toBeGreaterThanOrEqual(tokens)
    expect((fee - price.requestPrice - 1n) * 1_000_000n).toBeLessThan(tokens)
  })
})
