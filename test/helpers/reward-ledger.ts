import type { Address } from '../../src/lib/hex.js'

/**
 * An independent account of who earned what from one model, written from the rules alone and without any code of flock:
 * roles together get the floor of all fees of a table, training nodes the floor of their part of it, the host what both leave.
 * A contributor gets differences of floored totals; what it earned since its stake changed is split with its delegators as one
 * sum, and their shares keep 1e18ths.
 */
export class RewardLedger {
  readonly #operators = new Map<Address, Operator>()
  #training = new Map<Address, bigint>()
  #validators = new Map<Address, bigint>()
  #tableFees = 0n
  #takenFor = new Map<Address, bigint>()
  #leftByTables = 0n
  #hostClaimed = 0n
  fees = 0n

  /** The split is that of every fee of the model. */
  constructor(
    readonly trainingPpm: bigint,
    readonly validatorPpm: bigint,
  ) {}

  fee(fee: bigint): void {
    this.fees += fee
    this.#tableFees += fee
  }

  /** A new table: what was earned in the old one waits to be shared out, and what floors left goes to the host. */
  table(training: readonly [Address, bigint][], validators: readonly [Address, bigint][]): void {
    let left = this.#tableFees
    for (const account of this.#members()) {
      left -= this.#dueInTable(account)
      this.#operator(account).unshared += this.#takeFromTable(account)
    }
    this.#leftByTables += left
    this.#training = new Map(training)
    this.#validators = new Map(validators)
    this.#tableFees = 0n
    this.#takenFor = new Map()
  }

  deposit(account: Address, amount: bigint): void {
    this.#settle(account)
    this.#operator(account).own += amount
  }

  sigma(account: Address, sigmaPpm: bigint): void {
    this.#settle(account)
    this.#operator(account).sigmaPpm = sigmaPpm
  }

  delegate(delegator: Address, account: Address, amount: bigint): void {
    this.#settle(account)
    const operator = this.#operator(account)
    const delegation = this.#delegation(operator, delegator)
    this.#settleDelegation(operator, delegation)
    delegation.amount += amount
    operator.delegated += amount
  }

  claimHost(): bigint {
    const inTable = this.#tableFees - this.#roleFees('training') - this.#roleFees('validators')
    const due = this.#leftByTables + inTable - this.#hostClaimed
    this.#hostClaimed += due
    return due
  }

  claimOperator(account: Address): bigint {
    this.#settle(account)
    const operator = this.#operator(account)
    const due = operator.earned
    operator.earned = 0n
    return due
  }

  claimDelegator(delegator: Address, account: Address): bigint {
    this.#settle(account)
    const operator = this.#operator(account)
    const delegation = this.#delegation(operator, delegator)
    this.#settleDelegation(operator, delegation)
    const due = delegation.earnedE18 / E18
    delegation.earnedE18 -= due * E18
    return due
  }

  #settle(account: Address): void {
    const operator = this.#operator(account)
    const earned = operator.unshared + this.#takeFromTable(account)
    operator.unshared = 0n
    if (earned === 0n) return
    const { own, delegated, sigmaPpm } = operator
    const part =
      delegated === 0n
        ? 0n
        : (earned * (1_000_000n - sigmaPpm) * delegated) / (1_000_000n * (own + delegated))
    operator.earned += earned - part
    if (part === 0n) return
    const spread = part * E18 + operator.carry
    operator.perUnit += spread / delegated
    operator.carry = spread % delegated
  }

  #members(): Set<Address> {
    return new Set([...this.#training.keys(), ...this.#validators.keys()])
  }

  /** What a role has of the table's fees; nothing without members. */
  #roleFees(role: 'training' | 'validators'): bigint {
    const trainingPpm = this.#training.size === 0 ? 0n : this.trainingPpm
    const validatorPpm = this.#validators.size === 0 ? 0n : this.validatorPpm
    const ppm = trainingPpm + validatorPpm
    if (ppm === 0n) return 0n
    const both = (this.#tableFees * ppm) / 1_000_000n
    const training = (both * trainingPpm) / ppm
    return role === 'training' ? training : both - training
  }

  /** All that a contributor is due in both roles since the table came into force. */
  #dueInTable(account: Address): bigint {
    return (['training', 'validators'] as const).reduce((due, role) => {
      const members = role === 'training' ? this.#training : this.#validators
      const total = [...members.values()].reduce((sum, weight) => sum + weight, 0n)
      return total === 0n ? due : due + (this.#roleFees(role) * (members.get(account) ?? 0n)) / total
    }, 0n)
  }

  #takeFromTable(account: Address): bigint {
    const due = this.#dueInTable(account)
    const taken = this.#takenFor.get(account) ?? 0n
    this.#takenFor.set(account, due)
    return due - taken
  }

  #settleDelegation(operator: Operator, delegation: Delegation): void {
    delegation.earnedE18 += delegation.amount * (operator.perUnit - delegation.perUnit)
    delegation.perUnit = operator.perUnit
  }

  #operator(account: Address): Operator {
    const known = this.#operators.get(account)
    if (known !== undefined) return known
    const operator: Operator = {
      own: 0n,
      delegated: 0n,
      sigmaPpm: 0n,
      unshared: 0n,
      earned: 0n,
      perUnit: 0n,
      carry: 0n,
      delegations: new Map(),
    }
    this.#operators.set(account, operator)
    return operator
  }

  #delegation(operator: Operator, delegator: Address): Delegation {
    const known = operator.delegations.get(delegator)
    if (known !== undefined) return known
    const delegation: Delegation = { amount: 0n, perUnit: operator.perUnit, earnedE18: 0n }
    operator.delegations.set(delegator, delegation)
    return delegation
  }
}

const E18 = 10n ** 18n

interface Delegation {
  amount: bigint
  perUnit: bigint
  earnedE18: bigint
}

interface Operator {
  own: bigint
  delegated: bigint
  sigmaPpm: bigint
  unshared: bigint
  earned: bigint
  perUnit: bigint
  carry: bigint
  readonly delegations: Map<Address, Delegation>
}
