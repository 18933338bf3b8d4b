import { FlockError } from '../errors.js'
import { PPM, mulDivDown } from '../units.js'

/** Most that the contracts keep as reward per delegated base unit, scaled: 144 bits. */
export const MAX_PER_SHARE = 2n ** 144n - 1n

/** Scale of the delegators' accumulator: reward per base unit of stake is kept with 18 decimals, as on chain. */
export const PER_SHARE_SCALE = 10n ** 18n

export interface FeeTerms {
  readonly trainingPpm: bigint
  readonly validatorPpm: bigint
  /** A role without contributors earns nothing; its part stays with the host. */
  readonly hasTraining: boolean
  readonly hasValidators: boolean
}

export interface FeeParts {
  readonly hostPart: bigint
  readonly trainingPart: bigint
  readonly validatorPart: bigint
}

/** Stake of an operator (training node or validator) and what others delegated to it. */
export interface OperatorStake {
  readonly sigmaPpm: bigint
  readonly own: bigint
  readonly delegated: bigint
}

export interface OperatorParts {
  readonly operatorPart: bigint
  readonly delegatorsPart: bigint
}

/** Reward per delegated base unit since ever, scaled by `PER_SHARE_SCALE`, and what did not divide evenly so far. */
export interface DelegationPool {
  readonly perShare: bigint
  readonly carry: bigint
}

export interface ClaimAmounts {
  readonly gross: bigint
  readonly fee: bigint
  readonly net: bigint
}

/**
 * Splits an amount by weights, exactly: every part rounds down, the remainder goes to one named payee.
 * @param amount base units, >= 0n
 * @param remainderTo index of the payee that gets the remainder; the last one unless given
 * @returns one amount per weight, in the same order, summing to `amount`
 * @throws REWARDS_SHARES_INVALID when there is no weight or one is negative
 */
export function splitByWeight(
  amount: bigint,
  weights: readonly bigint[],
  remainderTo = weights.length - 1,
): bigint[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n)
  if (
    amount < 0n ||
    total <= 0n ||
    weights.some((weight) => weight < 0n) ||
    weights[remainderTo] === undefined
  ) {
    throw sharesInvalid(`An amount of ${amount} cannot be split by the weights [${weights.join(', ')}].`)
  }
  const parts = weights.map((weight) => mulDivDown(amount, weight, total))
  const remainder = amount - parts.reduce((sum, part) => sum + part, 0n)
  return parts.map((part, index) => (index === remainderTo ? part + remainder : part))
}

/**
 * Splits an amount by shares in ppm, exactly; the remainder goes to the last share.
 * @param sharesPpm one per payee, summing to 1,000,000
 * @throws REWARDS_SHARES_INVALID
 */
export function splitByPpm(amount: bigint, sharesPpm: readonly bigint[]): bigint[] {
  const total = sharesPpm.reduce((sum, share) => sum + share, 0n)
  if (total !== PPM) throw sharesInvalid(`Shares add up to ${total} ppm; they have to add up to ${PPM}.`)
  return splitByWeight(amount, sharesPpm)
}

/**
 * Splits fees by role: what both roles have together rounds down, then training nodes' part of that; validators get the rest
 * of it, and the host what both leave. So no part ever falls when fees grow, and a fee's parts are differences of two splits.
 * @param fee one fee, or all fees since the table or the split changed, which is what the contracts split
 * @see RewardLib.splitDown
 */
export function splitFee(fee: bigint, terms: FeeTerms): FeeParts {
  if (terms.trainingPpm < 0n || terms.validatorPpm < 0n || terms.trainingPpm + terms.validatorPpm > PPM) {
    throw sharesInvalid(`A fee cannot be split by ${terms.trainingPpm} and ${terms.validatorPpm} ppm.`)
  }
  const trainingPpm = terms.hasTraining ? terms.trainingPpm : 0n
  const rolesPpm = trainingPpm + (terms.hasValidators ? terms.validatorPpm : 0n)
  const rolesPart = mulDivDown(fee, rolesPpm, PPM)
  const trainingPart = rolesPpm === 0n ? 0n : mulDivDown(rolesPart, trainingPpm, rolesPpm)
  return { hostPart: fee - rolesPart, trainingPart, validatorPart: rolesPart - trainingPart }
}

/**
 * What one contributor of a role earned while the role's fees rose from `before` to `after`.
 *
 * The difference of two rounded-down totals, so that many small fees pay as much as one large fee.
 * @param before all fees of the role in the table when the contributor was last settled, base units
 * @param after the same, now
 */
export function roleShare(before: bigint, after: bigint, weight: bigint, totalWeight: bigint): bigint {
  if (totalWeight <= 0n || weight < 0n || weight > totalWeight || after < before) {
    throw sharesInvalid(
      `No share of weight ${weight} of ${totalWeight} exists between ${before} and ${after}.`,
    )
  }
  return mulDivDown(after, weight, totalWeight) - mulDivDown(before, weight, totalWeight)
}

/**
 * Splits what an operator earned with its delegators.
 *
 * Delegators get `amount * (1 - sigma) * delegated / (own + delegated)`, rounded down; the operator gets the rest.
 */
export function splitWithDelegators(amount: bigint, stake: OperatorStake): OperatorParts {
  if (stake.sigmaPpm < 0n || stake.sigmaPpm > PPM) {
    throw sharesInvalid(`Sigma is ${stake.sigmaPpm} ppm; it has to be between 0 and ${PPM}.`)
  }
  if (stake.delegated === 0n) return { operatorPart: amount, delegatorsPart: 0n }
  const delegatorsPart = mulDivDown(
    amount,
    (PPM - stake.sigmaPpm) * stake.delegated,
    PPM * (stake.own + stake.delegated),
  )
  return { operatorPart: amount - delegatorsPart, delegatorsPart }
}

/**
 * Spreads the delegators' part of a reward over the stake delegated; what does not divide evenly is carried to the next one.
 * @param delegated base units delegated now; with none there is nobody to credit and the pool stays as it is
 * @returns the pool with this part, and how much was spread: all of it, unless `MAX_PER_SHARE` is reached; what is not spread
 * is the operator's
 */
export function spreadOverDelegators(
  pool: DelegationPool,
  part: bigint,
  delegated: bigint,
): { readonly spread: bigint; readonly pool: DelegationPool } {
  if (part === 0n || delegated === 0n) return { spread: 0n, pool }
  const total = part * PER_SHARE_SCALE + pool.carry
  const perShare = pool.perShare + total / delegated
  if (perShare <= MAX_PER_SHARE) return { spread: part, pool: { perShare, carry: total % delegated } }
  const room = (MAX_PER_SHARE - pool.perShare) * delegated
  if (pool.carry >= room) {
    return { spread: 0n, pool: { perShare: MAX_PER_SHARE, carry: pool.carry - room } }
  }
  const excess = total - room
  return {
    spread: part - excess / PER_SHARE_SCALE,
    pool: { perShare: MAX_PER_SHARE, carry: excess % PER_SHARE_SCALE },
  }
}

/**
 * What a delegation earned since it was last settled, times `PER_SHARE_SCALE`: fractions of a base unit add up over
 * settlements and are never lost.
 * @param settledPerShare the pool's `perShare` at that settlement
 * @param amount base units delegated since then
 */
export function delegationAccrual(pool: DelegationPool, settledPerShare: bigint, amount: bigint): bigint {
  return amount * (pool.perShare - settledPerShare)
}

/** The whole base units of an accrual, which can be claimed, and the fraction that stays accrued. */
export function claimableOf(accruedScaled: bigint): { readonly amount: bigint; readonly rest: bigint } {
  return { amount: accruedScaled / PER_SHARE_SCALE, rest: accruedScaled % PER_SHARE_SCALE }
}

/** What a claim of `gross` pays: the claim fee rounds down, in favour of the claimant. */
export function afterClaimFee(gross: bigint, feePpm: bigint): ClaimAmounts {
  const fee = mulDivDown(gross, feePpm, PPM)
  return { gross, fee, net: gross - fee }
}

export function addAmounts(amounts: readonly ClaimAmounts[]): ClaimAmounts {
  return amounts.reduce(
    (sum, item) => ({ gross: sum.gross + item.gross, fee: sum.fee + item.fee, net: sum.net + item.net }),
    { gross: 0n, fee: 0n, net: 0n },
  )
}

function sharesInvalid(message: string): FlockError {
  return new FlockError('REWARDS_SHARES_INVALID', message)
}
