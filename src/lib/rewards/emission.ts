import { PPM, mulDivDown } from '../units.js'
import { splitByWeight } from './split.js'

/** What of a pool was taken before, and what is taken now, in usage units; or the same in delegated stake. */
export interface PoolShare {
  readonly before: bigint
  readonly units: bigint
  /** All units that share the pool, above 0n. */
  readonly total: bigint
}

export interface CappedEmission {
  readonly emission: bigint
  /** What the cap leaves to the pool of tomorrow. */
  readonly leftOver: bigint
}

/** Stake of the two roles of a table when the epoch began, own and delegated together. */
export interface RoleStake {
  readonly gammaPpm: bigint
  readonly trainingStake: bigint
  readonly validatorStake: bigint
}

/**
 * One share of a pool: a difference of two rounded-down totals, so that all shares sum up to the pool in whatever order they
 * are taken. Which of them gets an odd base unit depends on that order.
 * @see EmissionLib.shareDown
 */
export function shareOfPool(pool: bigint, { before, units, total }: PoolShare): bigint {
  return mulDivDown(pool, before + units, total) - mulDivDown(pool, before, total)
}

/**
 * Cuts an emission to what its units bear, rounded down: whoever pays for usage to earn from it gets back less than it paid.
 * @param capPpm the lowest claim fee of operators and delegators since the epoch began
 */
export function capEmission(emission: bigint, units: bigint, capPpm: bigint): CappedEmission {
  const cap = mulDivDown(units, capPpm, PPM)
  return emission > cap ? { emission: cap, leftOver: emission - cap } : { emission, leftOver: 0n }
}

/**
 * Training nodes' part of an emission: `emission * (gamma + (1 - 2 gamma) * trainingStake / all stake)`, rounded down in one
 * division; validators get the rest. Without any stake each role has half.
 * @see EmissionLib.trainingPartDown
 */
export function trainingPart(
  emission: bigint,
  { gammaPpm, trainingStake, validatorStake }: RoleStake,
): bigint {
  const stake = trainingStake + validatorStake
  if (stake === 0n) return emission / 2n
  return mulDivDown(emission, gammaPpm * stake + (PPM - 2n * gammaPpm) * trainingStake, PPM * stake)
}

/**
 * Splits a role's emission by weight; the remainder goes to the first member of the highest weight.
 * @param weights one per member, each above 0n
 * @throws REWARDS_SHARES_INVALID when there is no member
 * @see EmissionLib.memberPart
 */
export function memberParts(emission: bigint, weights: readonly bigint[]): bigint[] {
  const top = weights.reduce((best, weight, index) => (weight > (weights[best] ?? 0n) ? index : best), 0)
  return splitByWeight(emission, weights, top)
}
