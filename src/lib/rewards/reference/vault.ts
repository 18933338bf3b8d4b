import type { Address } from '../../hex.js'
import { PPM } from '../../units.js'
import type { Memory } from './memory.js'
import type { Operators } from './operators.js'
import { refuse } from './refusal.js'
import type { StakeOf, Stakes } from './stakes.js'
import type { Tokens } from './tokens.js'

/** Stake on its way out. */
export interface Withdrawal {
  readonly amount: bigint
  /** Unix seconds. */
  readonly availableAt: bigint
}

/** An announced sigma; `availableAt` is 0n when there is none. */
export interface PendingSigma {
  readonly sigmaPpm: bigint
  readonly availableAt: bigint
}

/** Stake and delegations, as StakeVault.sol keeps them. Times are unix seconds. */
export interface Vault {
  deposit(account: Address, amount: bigint, timeSec: bigint): void
  requestWithdrawal(account: Address, amount: bigint, timeSec: bigint): void
  delegate(delegator: Address, operator: Address, amount: bigint, timeSec: bigint): void
  undelegate(delegator: Address, operator: Address, amount: bigint, timeSec: bigint): void
  /** @param operator the account itself for own stake */
  withdraw(account: Address, operator: Address, to: Address, timeSec: bigint): bigint
  setSigma(operator: Address, sigmaPpm: bigint, timeSec: bigint): void
  applySigma(operator: Address, timeSec: bigint): void
  withdrawalOf(account: Address, operator: Address): Withdrawal
  pendingSigmaOf(operator: Address): PendingSigma
}

export interface VaultParts {
  readonly memory: Memory
  readonly tokens: Tokens
  readonly stakes: Stakes
  readonly operators: Operators
  readonly address: Address
  readonly stakeToken: Address
}

const COOLDOWN_SEC = 86_400n
const SIGMA_WINDOW_SEC = 7n * 86_400n
/** The vault keeps stake in 96 bits. */
const MAX_STAKE = 2n ** 96n - 1n

export function createVault(parts: VaultParts): Vault {
  const { memory, tokens, stakes, operators, address, stakeToken } = parts
  const withdrawals = memory.cells<Withdrawal>({ amount: 0n, availableAt: 0n })
  const pendingSigmas = memory.cells<PendingSigma>({ sigmaPpm: 0n, availableAt: 0n })

  const pull = (from: Address, amount: bigint) =>
    tokens.pull({ token: stakeToken, from, to: address, amount })
  const queue = (account: Address, operator: Address, amount: bigint, timeSec: bigint) => {
    const before = withdrawals.get(operator, account).amount
    withdrawals.put({ amount: before + amount, availableAt: timeSec + COOLDOWN_SEC }, operator, account)
  }
  const putDelegation = (delegator: Address, operator: Address, change: bigint, timeSec: bigint) => {
    const stake = stakes.stakeOf(operator)
    stakes.putStake({ ...stake, delegated: stake.delegated + change }, operator, timeSec)
    const delegation = stakes.delegationOf(delegator, operator)
    stakes.putDelegation(delegation + change, delegator, operator, timeSec)
  }
  const putSigma = (operator: Address, sigmaPpm: bigint, timeSec: bigint) => {
    operators.settle(operator)
    stakes.putStake({ ...stakes.stakeOf(operator), sigmaPpm, acceptsDelegation: true }, operator, timeSec)
  }

  return {
    deposit(account, amount, timeSec) {
      operators.settle(account)
      const stake = stakes.stakeOf(account)
      requireRoom(stake.own, amount)
      stakes.putStake({ ...stake, own: stake.own + amount }, account, timeSec)
      pull(account, amount)
    },
    requestWithdrawal(account, amount, timeSec) {
      operators.settle(account)
      const stake = stakes.stakeOf(account)
      requireHeld(stake.own, amount)
      stakes.putStake({ ...stake, own: stake.own - amount }, account, timeSec)
      queue(account, account, amount, timeSec)
    },
    delegate(delegator, operator, amount, timeSec) {
      if (operator === delegator) refuse('StakeVault', 'SelfDelegation')
      operators.settleDelegation(delegator, operator)
      const stake: StakeOf = stakes.stakeOf(operator)
      if (!stake.acceptsDelegation) refuse('StakeVault', 'DelegationNotAccepted', { operator })
      requireRoom(stake.delegated, amount)
      putDelegation(delegator, operator, amount, timeSec)
      pull(delegator, amount)
    },
    undelegate(delegator, operator, amount, timeSec) {
      operators.settleDelegation(delegator, operator)
      requireHeld(stakes.delegationOf(delegator, operator), amount)
      putDelegation(delegator, operator, -amount, timeSec)
      queue(delegator, operator, amount, timeSec)
    },
    withdraw(account, operator, to, timeSec) {
      const { amount, availableAt } = withdrawals.get(operator, account)
      if (amount === 0n) refuse('StakeVault', 'NothingPending')
      if (timeSec < availableAt) refuse('StakeVault', 'CooldownNotOver', { availableAt })
      withdrawals.put({ amount: 0n, availableAt: 0n }, operator, account)
      tokens.pay({ token: stakeToken, from: address, to, amount })
      return amount
    },
    setSigma(operator, sigmaPpm, timeSec) {
      if (sigmaPpm > PPM) refuse('StakeVault', 'SigmaInvalid', { sigmaPpm })
      if (!stakes.stakeOf(operator).acceptsDelegation) return putSigma(operator, sigmaPpm, timeSec)
      pendingSigmas.put({ sigmaPpm, availableAt: timeSec + COOLDOWN_SEC }, operator)
    },
    applySigma(operator, timeSec) {
      const { sigmaPpm, availableAt } = pendingSigmas.get(operator)
      if (availableAt === 0n) refuse('StakeVault', 'NothingPending')
      if (timeSec < availableAt) refuse('StakeVault', 'CooldownNotOver', { availableAt })
      const expiredAt = availableAt + SIGMA_WINDOW_SEC
      if (timeSec > expiredAt) refuse('StakeVault', 'AnnouncementExpired', { expiredAt })
      pendingSigmas.put({ sigmaPpm: 0n, availableAt: 0n }, operator)
      putSigma(operator, sigmaPpm, timeSec)
    },
    withdrawalOf: (account, operator) => withdrawals.get(operator, account),
    pendingSigmaOf: (operator) => pendingSigmas.get(operator),
  }
}

function requireRoom(stake: bigint, amount: bigint): void {
  if (amount === 0n || amount > MAX_STAKE - stake) refuse('StakeVault', 'AmountInvalid', { amount })
}

function requireHeld(available: bigint, requested: bigint): void {
  if (requested === 0n) refuse('StakeVault', 'AmountInvalid', { amount: requested })
  if (requested > available) refuse('StakeVault', 'StakeInsufficient', { requested, available })
}
