import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import {
  addAmounts,
  afterClaimFee,
  claimableOf,
  delegationAccrual,
  roleShare,
  spreadOverDelegators,
  splitByPpm,
  splitByWeight,
  splitFee,
  splitWithDelegators,
} from '../../../src/lib/rewards/split.js'

interface Vectors {
  weights: { name: string; amount: string; weights: string[]; remainderTo: number; parts: string[] }[]
  fees: {
    name: string
    fee: string
    trainingPpm: string
    validatorPpm: string
    hasTraining: boolean
    hasValidators: boolean
    hostPart: string
    trainingPart: string
    validatorPart: string
  }[]
  operators: {
    name: string
    amount: string
    sigmaPpm: string
    own: string
    delegated: string
    operatorPart: string
    delegatorsPart: string
  }[]
  claims: { name: string; gross: string; feePpm: string; fee: string; net: string }[]
  roles: { name: string; fees: string[]; weights: string[]; shares: string[][]; totals: string[] }[]
  pools: {
    name: string
    steps: { part: string; delegated: string; perShare: string; carry: string }[]
    delegations: { amount: string; entryPerShare: string; earned: string }[]
  }[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/splits.json', import.meta.url), 'utf8'),
) as Vectors

const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)

describe('vectors of test/fixtures/splits.json', () => {
  it.each(vectors.weights)('splits by weight: $name', (vector) => {
    const parts = splitByWeight(BigInt(vector.amount), vector.weights.map(BigInt), vector.remainderTo)

    expect(parts.map(String)).toEqual(vector.parts)
    expect(sum(parts)).toBe(BigInt(vector.amount))
  })

  it.each(vectors.fees)('splits a fee by role: $name', (vector) => {
    const parts = splitFee(BigInt(vector.fee), {
      trainingPpm: BigInt(vector.trainingPpm),
      validatorPpm: BigInt(vector.validatorPpm),
      hasTraining: vector.hasTraining,
      hasValidators: vector.hasValidators,
    })

    expect(parts).toEqual({
      hostPart: BigInt(vector.hostPart),
      trainingPart: BigInt(vector.trainingPart),
      validatorPart: BigInt(vector.validatorPart),
    })
  })

  it.each(vectors.operators)('splits with delegators: $name', (vector) => {
    const parts = splitWithDelegators(BigInt(vector.amount), {
      sigmaPpm: BigInt(vector.sigmaPpm),
      own: BigInt(vector.own),
      delegated: BigInt(vector.delegated),
    })

    expect(parts).toEqual({
      operatorPart: BigInt(vector.operatorPart),
      delegatorsPart: BigInt(vector.delegatorsPart),
    })
  })

  it.each(vectors.claims)('takes the claim fee: $name', (vector) => {
    expect(afterClaimFee(BigInt(vector.gross), BigInt(vector.feePpm))).toEqual({
      gross: BigInt(vector.gross),
      fee: BigInt(vector.fee),
      net: BigInt(vector.net),
    })
  })

  it.each(vectors.roles)('shares the fees of a role: $name', (vector) => {
    const weights = vector.weights.map(BigInt)
    const totalWeight = sum(weights)
    let cumulative = 0n
    const shares = vector.fees.map(BigInt).map((fee) => {
      const before = cumulative
      cumulative += fee
      return weights.map((weight) => roleShare(before, cumulative, weight, totalWeight))
    })

    expect(shares.map((row) => row.map(String))).toEqual(vector.shares)
    expect(weights.map((weight) => String(roleShare(0n, cumulative, weight, totalWeight)))).toEqual(
      vector.totals,
    )
  })

  it.each(vectors.pools)('keeps a delegation pool: $name', (vector) => {
    let pool = { perShare: 0n, carry: 0n }
    for (const step of vector.steps) {
      pool = spreadOverDelegators(pool, BigInt(step.part), BigInt(step.delegated)).pool
      expect(pool).toEqual({ perShare: BigInt(step.perShare), carry: BigInt(step.carry) })
    }

    const earned = vector.delegations.map(
      (delegation) =>
        claimableOf(delegationAccrual(pool, BigInt(delegation.entryPerShare), BigInt(delegation.amount)))
          .amount,
    )

    expect(earned.map(String)).toEqual(vector.delegations.map((delegation) => delegation.earned))
  })
})

describe('laws that hold for every amount', () => {
  const random = seededRandom(20_260_101)

  it('keeps every fee whole, to the last base unit', () => {
    for (let round = 0; round < 2_000; round += 1) {
      const fee = random(96)
      const trainingPpm = random(32) % 1_000_001n
      const validatorPpm = random(32) % (1_000_001n - trainingPpm)
      const parts = splitFee(fee, {
        trainingPpm,
        validatorPpm,
        hasTraining: round % 3 !== 0,
        hasValidators: round % 5 !== 0,
      })

      expect(parts.hostPart + parts.trainingPart + parts.validatorPart).toBe(fee)
      expect(parts.hostPart >= 0n).toBe(true)
    }
  })

  it("lowers nobody's part when fees grow, by however little and however the split is", () => {
    for (let round = 0; round < 2_000; round += 1) {
      const trainingPpm = random(32) % 1_000_001n
      const rest = 1_000_000n - trainingPpm
      const validatorPpm = round % 2 === 0 ? rest : random(32) % (rest + 1n)
      const terms = {
        trainingPpm,
        validatorPpm,
        hasTraining: round % 7 !== 0,
        hasValidators: round % 5 !== 0,
      }
      const fees = random(80)

      const before = splitFee(fees, terms)
      const after = splitFee(fees + (random(32) % 4n), terms)

      expect(after.hostPart >= before.hostPart).toBe(true)
      expect(after.trainingPart >= before.trainingPart).toBe(true)
      expect(after.validatorPart >= before.validatorPart).toBe(true)
    }
  })

  it('pays a contributor the same for many fees as for their sum', () => {
    for (let round = 0; round < 200; round += 1) {
      const weight = random(32) + 1n
      const totalWeight = weight + random(32)
      let cumulative = 0n
      let paid = 0n
      for (let step = 0; step < 20; step += 1) {
        const next = cumulative + random(80)
        paid += roleShare(cumulative, next, weight, totalWeight)
        cumulative = next
      }

      expect(paid).toBe(roleShare(0n, cumulative, weight, totalWeight))
    }
  })

  it('never credits delegators with more than their part, and leaves less than one unit per delegation', () => {
    for (let round = 0; round < 200; round += 1) {
      const stakes = Array.from({ length: 5 }, () => random(90) + 1n)
      const delegated = sum(stakes)
      let pool = { perShare: 0n, carry: 0n }
      let credited = 0n
      for (let step = 0; step < 10; step += 1) {
        const part = random(90)
        credited += part
        pool = spreadOverDelegators(pool, part, delegated).pool
      }
      const earned = sum(stakes.map((stake) => claimableOf(delegationAccrual(pool, 0n, stake)).amount))

      expect(earned <= credited).toBe(true)
      // The carry is below one unit of `perShare`, which is below `delegated / scale` base units in all.
      expect(credited - earned <= BigInt(stakes.length) + delegated / 10n ** 18n + 1n).toBe(true)
    }
  })
})

describe('settling a delegation', () => {
  it('pays the same in many claims as in one', () => {
    let pool = { perShare: 0n, carry: 0n }
    let settled = 0n
    let accrued = 0n
    let paid = 0n
    for (let step = 0; step < 50; step += 1) {
      pool = spreadOverDelegators(pool, 1n, 3n * 10n ** 18n).pool
      accrued += delegationAccrual(pool, settled, 10n ** 18n)
      settled = pool.perShare
      const { amount, rest } = claimableOf(accrued)
      paid += amount
      accrued = rest
    }

    expect(paid).toBe(claimableOf(delegationAccrual(pool, 0n, 10n ** 18n)).amount)
    expect(paid).toBe(16n)
  })
})

describe('refusals', () => {
  it.each([
    ['no payee', () => splitByWeight(1n, [])],
    ['a negative weight', () => splitByWeight(1n, [2n, -1n])],
    ['only weights of zero', () => splitByWeight(1n, [0n, 0n])],
    ['a negative amount', () => splitByWeight(-1n, [1n])],
    ['a remainder for nobody', () => splitByWeight(1n, [1n], 3)],
    ['shares below the whole', () => splitByPpm(1n, [500_000n, 499_999n])],
    ['shares above the whole', () => splitByPpm(1n, [500_000n, 500_001n])],
    [
      'roles that take more than the fee',
      () =>
        splitFee(1n, {
          trainingPpm: 600_000n,
          validatorPpm: 400_001n,
          hasTraining: true,
          hasValidators: true,
        }),
    ],
    ['a weight above the total', () => roleShare(0n, 1n, 3n, 2n)],
    ['cumulative fees that fall', () => roleShare(2n, 1n, 1n, 2n)],
    [
      'a sigma above the whole',
      () => splitWithDelegators(1n, { sigmaPpm: 1_000_001n, own: 1n, delegated: 1n }),
    ],
  ])('refuses %s', (_what, attempt) => {
    expect(attempt).toThrow(expect.objectContaining({ code: 'REWARDS_SHARES_INVALID' }))
  })

  it('leaves a pool alone when nobody delegates', () => {
    const pool = { perShare: 7n, carry: 3n }

    expect(spreadOverDelegators(pool, 100n, 0n)).toEqual({ spread: 0n, pool })
  })

  it('adds amounts column by column', () => {
    expect(addAmounts([afterClaimFee(7n, 145_000n), afterClaimFee(100n, 80_000n)])).toEqual({
      gross: 107n,
      fee: 9n,
      net: 98n,
    })
    expect(addAmounts([])).toEqual({ gross: 0n, fee: 0n, net: 0n })
  })
})

/** A linear congruential generator: the same numbers on every run. */
function seededRandom(seed: number): (bits: number) => bigint {
  let state = BigInt(seed)
  return (bits) => {
    let value = 0n
    for (let have = 0; have < bits; have += 32) {
      state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n
      value = (value << 32n) | (state >> 32n)
    }
    return value % 2n ** BigInt(bits)
  }
}
