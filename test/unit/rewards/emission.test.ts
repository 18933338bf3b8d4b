import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { capEmission, memberParts, shareOfPool, trainingPart } from '../../../src/lib/rewards/emission.js'
import { createDice } from '../../helpers/dice.js'

interface Vectors {
  shares: { name: string; pool: string; units: string[]; parts: string[] }[]
  caps: {
    name: string
    emission: string
    units: string
    operatorPpm: string
    delegatorPpm: string
    capped: string
    leftOver: string
  }[]
  roles: {
    name: string
    emission: string
    gammaPpm: string
    trainingStake: string
    validatorStake: string
    training: string
    validators: string
  }[]
  members: { name: string; emission: string; weights: string[]; parts: string[] }[]
  delegations: { name: string; part: string; delegated: string[]; parts: string[] }[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/emissions.json', import.meta.url), 'utf8'),
) as Vectors

const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)

/** Takes all shares of a pool in the order given. */
function takeShares(pool: bigint, units: readonly bigint[]): bigint[] {
  const total = sum(units)
  let before = 0n
  return units.map((own) => {
    const part = shareOfPool(pool, { before, units: own, total })
    before += own
    return part
  })
}

describe('vectors of test/fixtures/emissions.json', () => {
  it.each(vectors.shares)('shares a pool by units: $name', (vector) => {
    const parts = takeShares(BigInt(vector.pool), vector.units.map(BigInt))

    expect(parts.map(String)).toEqual(vector.parts)
  })

  it.each(vectors.caps)('caps an emission: $name', (vector) => {
    const [operatorPpm, delegatorPpm] = [BigInt(vector.operatorPpm), BigInt(vector.delegatorPpm)]
    const capPpm = operatorPpm < delegatorPpm ? operatorPpm : delegatorPpm

    expect(capEmission(BigInt(vector.emission), BigInt(vector.units), capPpm)).toEqual({
      emission: BigInt(vector.capped),
      leftOver: BigInt(vector.leftOver),
    })
  })

  it.each(vectors.roles)('splits an emission by role: $name', (vector) => {
    const emission = BigInt(vector.emission)
    const training = trainingPart(emission, {
      gammaPpm: BigInt(vector.gammaPpm),
      trainingStake: BigInt(vector.trainingStake),
      validatorStake: BigInt(vector.validatorStake),
    })

    expect(String(training)).toBe(vector.training)
    expect(String(emission - training)).toBe(vector.validators)
  })

  it.each(vectors.members)('splits a role among its members: $name', (vector) => {
    const parts =
      vector.weights.length === 0 ? [] : memberParts(BigInt(vector.emission), vector.weights.map(BigInt))

    expect(parts.map(String)).toEqual(vector.parts)
  })

  it.each(vectors.delegations)('shares a part among delegators: $name', (vector) => {
    const parts = takeShares(BigInt(vector.part), vector.delegated.map(BigInt))

    expect(parts.map(String)).toEqual(vector.parts)
  })
})

describe('laws that hold for every emission', () => {
  const dice = createDice(20_260_102)

  it('gives the whole pool away, whoever comes first, and to nobody more than a unit off its share', () => {
    for (let round = 0; round < 500; round += 1) {
      const pool = dice.amount(100)
      const units = Array.from({ length: dice.between(1, 8) }, () => dice.amount(90) + 1n)
      const total = sum(units)

      const parts = takeShares(pool, units)
      const backwards = takeShares(pool, units.toReversed()).toReversed()

      expect(sum(parts)).toBe(pool)
      expect(sum(backwards)).toBe(pool)
      for (const [index, own] of units.entries()) {
        const floor = (pool * own) / total
        for (const part of [parts[index], backwards[index]]) {
          expect(part === floor || part === floor + 1n).toBe(true)
        }
      }
    }
  })

  it("never pays for units more than their claim fee, so that paying for usage of one's own model loses money", () => {
    for (let round = 0; round < 500; round += 1) {
      const [emission, units, capPpm] = [dice.amount(100), dice.amount(100), BigInt(dice.between(0, 200_000))]

      const capped = capEmission(emission, units, capPpm)

      expect(capped.emission + capped.leftOver).toBe(emission)
      expect(capped.emission * 1_000_000n <= units * capPpm).toBe(true)
    }
  })

  it('leaves each role between gamma and what gamma leaves of the other', () => {
    for (let round = 0; round < 500; round += 1) {
      const emission = dice.amount(100)
      const gammaPpm = BigInt(dice.between(0, 500_000))
      const stake = { gammaPpm, trainingStake: dice.amount(96), validatorStake: dice.amount(96) }

      const training = trainingPart(emission, stake)

      const least = (emission * gammaPpm) / 1_000_000n
      expect(training >= least - 1n && emission - training >= least).toBe(true)
    }
  })

  it("keeps a role's emission whole", () => {
    for (let round = 0; round < 500; round += 1) {
      const weights = Array.from({ length: dice.between(1, 64) }, () => BigInt(dice.between(1, 1_000)))
      const emission = dice.amount(100)

      const parts = memberParts(emission, weights)

      expect(sum(parts)).toBe(emission)
      const top = weights.indexOf(weights.reduce((a, b) => (b > a ? b : a)))
      for (const [index, weight] of weights.entries()) {
        if (index !== top) expect(parts[index]).toBe((emission * weight) / sum(weights))
      }
    }
  })
})
