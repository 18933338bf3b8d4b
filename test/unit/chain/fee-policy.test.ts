import { describe, expect, it } from '@jest/globals'
import {
  chooseFees,
  expectedGasPrice,
  OPEN_FEE_POLICY,
  raiseFees,
  type FeePolicy,
} from '../../../src/lib/chain/fee-policy.js'
import { toFeeQuote } from '../../../src/lib/chain/fees.js'

const quote = toFeeQuote(100n, 10n)
const policyOf = (policy: Partial<FeePolicy>) => ({ ...OPEN_FEE_POLICY, ...policy })

describe('chooseFees', () => {
  it('takes what the chain suggests when the operator sets nothing', () => {
    expect(chooseFees(quote, OPEN_FEE_POLICY)).toEqual({ maxFeePerGas: 210n, maxPriorityFeePerGas: 10n })
  })

  it('takes the tip of the operator', () => {
    const fees = chooseFees(quote, policyOf({ maxPriorityFeePerGas: 3n }))

    expect(fees).toEqual({ maxFeePerGas: 203n, maxPriorityFeePerGas: 3n })
  })

  it('stays below the bound, with a tip that is no larger than all of it', () => {
    const fees = chooseFees(toFeeQuote(100n, 150n), policyOf({ maxFeePerGas: 120n }))

    expect(fees).toEqual({ maxFeePerGas: 120n, maxPriorityFeePerGas: 120n })
  })

  it('chooses nothing when the bound is below the base fee', () => {
    expect(chooseFees(quote, policyOf({ maxFeePerGas: 99n }))).toBeNull()
  })
})

describe('raiseFees', () => {
  it.each([
    [
      { maxFeePerGas: 800n, maxPriorityFeePerGas: 80n },
      { maxFeePerGas: 900n, maxPriorityFeePerGas: 90n },
    ],
    [
      { maxFeePerGas: 801n, maxPriorityFeePerGas: 81n },
      { maxFeePerGas: 902n, maxPriorityFeePerGas: 92n },
    ],
    [
      { maxFeePerGas: 300n, maxPriorityFeePerGas: 0n },
      { maxFeePerGas: 338n, maxPriorityFeePerGas: 10n },
    ],
  ])('raises %p by an eighth at least, rounded up', (before, after) => {
    expect(raiseFees(before, quote, OPEN_FEE_POLICY)).toEqual(after)
  })

  it('goes up to what the chain asks for now when that is more', () => {
    const raised = raiseFees({ maxFeePerGas: 20n, maxPriorityFeePerGas: 1n }, quote, OPEN_FEE_POLICY)

    expect(raised).toEqual({ maxFeePerGas: 210n, maxPriorityFeePerGas: 10n })
  })

  it('does not raise beyond the bound of the operator', () => {
    const before = { maxFeePerGas: 200n, maxPriorityFeePerGas: 10n }

    expect(raiseFees(before, quote, policyOf({ maxFeePerGas: 224n }))).toBeNull()
    expect(raiseFees(before, quote, policyOf({ maxFeePerGas: 225n }))?.maxFeePerGas).toBe(225n)
  })

  it('does not bid against itself without end', () => {
    let fees: { maxFeePerGas: bigint; maxPriorityFeePerGas: bigint } | null = chooseFees(
      quote,
      OPEN_FEE_POLICY,
    )
    let highest = 0n

    while (fees !== null) {
      highest = fees.maxFeePerGas
      fees = raiseFees(fees, quote, OPEN_FEE_POLICY)
    }

    expect(highest).toBeLessThanOrEqual(2_100n)
    expect(highest).toBeGreaterThan(1_800n)
  })
})

describe('expectedGasPrice', () => {
  it('is the base fee and the tip, as far as the bound allows', () => {
    expect(expectedGasPrice({ maxFeePerGas: 210n, maxPriorityFeePerGas: 10n }, quote)).toBe(110n)
    expect(expectedGasPrice({ maxFeePerGas: 105n, maxPriorityFeePerGas: 10n }, quote)).toBe(105n)
  })
})
