import type { Address } from '../../hex.js'
import type { Memory } from './memory.js'
import { receiverOf, type ClaimCall, type Purse } from './purse.js'
import { refuse } from './refusal.js'
import type { Tokens } from './tokens.js'

/** Balances of requesters in the distributor: deposits and unused escrow. Times are unix seconds. */
export interface Accounts {
  balanceOf(account: Address): bigint
  lockedUntil(account: Address): bigint
  /** Notes tokens that came in as escrow. */
  reserve(amount: bigint): void
  /** Gives unused escrow back. */
  credit(account: Address, amount: bigint): void
  /** Takes what an order costs; a lock does not stop it. */
  take(account: Address, amount: bigint): void
  deposit(payer: Address, account: Address, amount: bigint): void
  lock(account: Address, untilSec: bigint, timeSec: bigint): void
  withdraw(account: Address, call: ClaimCall, timeSec: bigint): bigint
}

export interface AccountParts {
  readonly memory: Memory
  readonly tokens: Tokens
  readonly purse: Purse
  readonly paymentToken: Address
  readonly distributor: Address
}

/** 30 days. */
const MAX_LOCK_SEC = 30n * 86_400n
/** The distributor keeps amounts in 104 bits. */
const MAX_AMOUNT = 2n ** 104n - 1n

export function createAccounts({ memory, tokens, purse, paymentToken, distributor }: AccountParts): Accounts {
  const balances = memory.cells(0n)
  const locks = memory.cells(0n)
  const credit = (account: Address, amount: bigint) => balances.put(balances.get(account) + amount, account)
  const reserve = (amount: bigint) => {
    if (amount > MAX_AMOUNT) refuse('RewardDistributor', 'AmountTooLarge', { amount })
    const required = purse.reserves() + amount
    if (required > MAX_AMOUNT) refuse('RewardDistributor', 'AmountTooLarge', { amount: required })
    purse.add(amount)
  }
  return {
    balanceOf: (account) => balances.get(account),
    lockedUntil: (account) => locks.get(account),
    reserve,
    credit,
    take(account, amount) {
      const balance = balances.get(account)
      if (amount > balance) refuse('RewardDistributor', 'BalanceInsufficient', { account, balance, amount })
      balances.put(balance - amount, account)
    },
    deposit(payer, account, amount) {
      tokens.pull({ token: paymentToken, from: payer, to: distributor, amount })
      reserve(amount)
      credit(account, amount)
    },
    lock(account, untilSec, timeSec) {
      const lockedUntil = locks.get(account)
      if (untilSec < lockedUntil) refuse('RewardDistributor', 'LockShortened', { lockedUntil })
      const latest = timeSec + MAX_LOCK_SEC
      if (untilSec > latest) refuse('RewardDistributor', 'LockTooLong', { latest })
      locks.put(untilSec, account)
    },
    withdraw(account, call, timeSec) {
      const receiver = receiverOf('RewardDistributor', account, call)
      const amount = balances.get(account)
      if (amount === 0n) refuse('RewardDistributor', 'NothingToClaim')
      const lockedUntil = locks.get(account)
      if (timeSec < lockedUntil) refuse('RewardDistributor', 'BalanceLocked', { lockedUntil })
      balances.put(0n, account)
      return purse.pay(receiver, amount, 0n)
    },
  }
}
