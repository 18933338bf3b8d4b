import type { Address } from '../../hex.js'
import type { Memory } from './memory.js'

/** Seconds of an epoch, a UTC day. */
export const EPOCH_SEC = 86_400n

export function epochOf(timeSec: bigint): bigint {
  return timeSec / EPOCH_SEC
}

export interface StakeOf {
  readonly own: bigint
  readonly delegated: bigint
  readonly sigmaPpm: bigint
  /** False until sigma was set once. */
  readonly acceptsDelegation: boolean
}

/** Stake, and what it was when each day began. */
export interface Stakes {
  stakeOf(operator: Address): StakeOf
  delegationOf(delegator: Address, operator: Address): bigint
  /** Stake when an epoch began: before any change on that day. The vault keeps it for epochs with emissions alone. */
  stakeAt(operator: Address, epoch: bigint): StakeOf
  delegationAt(delegator: Address, operator: Address, epoch: bigint): bigint
  putStake(stake: StakeOf, operator: Address, timeSec: bigint): void
  putDelegation(amount: bigint, delegator: Address, operator: Address, timeSec: bigint): void
}

/** What held from the end of an epoch on. */
interface Point<V> {
  readonly epoch: bigint
  readonly value: V
}

const NO_STAKE: StakeOf = { own: 0n, delegated: 0n, sigmaPpm: 0n, acceptsDelegation: false }

export function createStakes(memory: Memory): Stakes {
  const stakes = memory.cells<readonly Point<StakeOf>[]>([])
  const delegations = memory.cells<readonly Point<bigint>[]>([])
  return {
    stakeOf: (operator) => stakes.get(operator).at(-1)?.value ?? NO_STAKE,
    delegationOf: (delegator, operator) => delegations.get(operator, delegator).at(-1)?.value ?? 0n,
    stakeAt: (operator, epoch) => valueAt(stakes.get(operator), epoch) ?? NO_STAKE,
    delegationAt: (delegator, operator, epoch) => valueAt(delegations.get(operator, delegator), epoch) ?? 0n,
    putStake: (stake, operator, timeSec) =>
      stakes.put(withPoint(stakes.get(operator), stake, timeSec), operator),
    putDelegation: (amount, delegator, operator, timeSec) =>
      delegations.put(withPoint(delegations.get(operator, delegator), amount, timeSec), operator, delegator),
  }
}

/** One point for each day with changes: its last. */
function withPoint<V>(points: readonly Point<V>[], value: V, timeSec: bigint): readonly Point<V>[] {
  const epoch = epochOf(timeSec)
  return [...points.filter((point) => point.epoch !== epoch), { epoch, value }]
}

function valueAt<V>(points: readonly Point<V>[], epoch: bigint): V | undefined {
  return points.findLast((point) => point.epoch < epoch)?.value
}
