import type { Address } from '../../hex.js'
import {
  claimableOf,
  delegationAccrual,
  spreadOverDelegators,
  splitWithDelegators,
  type DelegationPool,
} from '../split.js'
import type { Memory } from './memory.js'
import type { Stakes } from './stakes.js'
import type { FeeTables } from './tables.js'

/**
 * What operators (training nodes, validators) and their delegators earned from fees.
 *
 * What an operator earned in all its tables since it was settled is split with its delegators as one sum, by present stake:
 * that is the stake it was earned with, since all is settled before any stake changes. The delegators' part rounds down and
 * is spread per base unit delegated.
 */
export interface Operators {
  /** Settles all that an operator earned so far. */
  settle(operator: Address): void
  /** Settles an operator, and what one of its delegators has of it. */
  settleDelegation(delegator: Address, operator: Address): void
  operatorDue(operator: Address): bigint
  takeOperator(operator: Address): bigint
  delegatorDue(delegator: Address, operator: Address): bigint
  /** Marks what a delegator is due as paid. What its operator has not settled is worked out, not booked. */
  takeDelegator(delegator: Address, operator: Address): bigint
}

/** A delegator's earnings that were not paid, times PER_SHARE_SCALE, up to a state of the pool. */
interface Accrual {
  readonly perShareSettled: bigint
  readonly accruedScaled: bigint
}

export function createOperators(memory: Memory, tables: FeeTables, stakes: Stakes): Operators {
  const pools = memory.cells<DelegationPool>({ perShare: 0n, carry: 0n })
  const accrued = memory.cells(0n)
  const delegators = memory.cells<Accrual>({ perShareSettled: 0n, accruedScaled: 0n })

  const shareOut = (operator: Address, earned: bigint) => {
    const stake = stakes.stakeOf(operator)
    const { delegatorsPart } = splitWithDelegators(earned, stake)
    const { spread, pool } = spreadOverDelegators(pools.get(operator), delegatorsPart, stake.delegated)
    return { operatorPart: earned - spread, pool }
  }
  const settle = (operator: Address) => {
    const { operatorPart, pool } = shareOut(operator, tables.take(operator))
    pools.put(pool, operator)
    accrued.put(accrued.get(operator) + operatorPart, operator)
  }
  const accrualAt = (pool: DelegationPool, delegator: Address, operator: Address): Accrual => {
    const { perShareSettled, accruedScaled } = delegators.get(operator, delegator)
    const amount = stakes.delegationOf(delegator, operator)
    const earnedScaled = delegationAccrual(pool, perShareSettled, amount)
    return { perShareSettled: pool.perShare, accruedScaled: accruedScaled + earnedScaled }
  }
  const accrualNow = (delegator: Address, operator: Address): Accrual =>
    accrualAt(shareOut(operator, tables.earnedOf(operator)).pool, delegator, operator)

  return {
    settle,
    settleDelegation(delegator, operator) {
      settle(operator)
      delegators.put(accrualAt(pools.get(operator), delegator, operator), operator, delegator)
    },
    operatorDue: (operator) =>
      accrued.get(operator) + shareOut(operator, tables.earnedOf(operator)).operatorPart,
    takeOperator(operator) {
      settle(operator)
      const due = accrued.get(operator)
      accrued.put(0n, operator)
      return due
    },
    delegatorDue: (delegator, operator) => claimableOf(accrualNow(delegator, operator).accruedScaled).amount,
    takeDelegator(delegator, operator) {
      const accrual = accrualNow(delegator, operator)
      const { amount, rest } = claimableOf(accrual.accruedScaled)
      if (amount !== 0n) delegators.put({ ...accrual, accruedScaled: rest }, operator, delegator)
      return amount
    },
  }
}
