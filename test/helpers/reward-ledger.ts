import type { Address } from '../../src/lib/hex.js'

/**
 * An independent account of who earned what, written from the rules alone and without any code of flock:
 * host keeps remainders of a fee, a contributor gets differences of floored totals, delegators' shares keep 1e18ths.
 */
export class RewardLedger {
  readonly #operators = new Map<Address, Operator>()
  #training = new Map<Address, bigint>()
  #validators = new Map<Address, bigint>()
  #trainingFees = 0n
  #validatorFees = 0n
  #paidFor = new Map<Address, { training: bigint; validators: bigint }>()
  host = 0n
  fees = 0n

  fee(fee: bigint, trainingPpm: bigint, validatorPpm: bigint): FeeSplit {
    const training = this.#training.size === 0 ? 0n : (fee * trainingPpm) / 1_000_000n
    const validators = this.#validators.size === 0 ? 0n : (fee * validatorPpm) / 1_000_000n
    const host = fee - training - validators
    this.fees += fee
    this.host += host
    this.#trainingFees += training
    this.#validatorFees += validators
    return { host, training, validators }
  }

  /** A new table: everybody in the old one is paid up, and what floors left goes to the host. */
  table(training: readonly [Address, bigint][], validators: readonly [Address, bigint][]): void {
    let left = this.#trainingFees + this.#validatorFees
    for (const account of new Set([...this.#training.keys(), ...this.#validators.keys()])) {
      left -= this.#dueIn(account, 'training') + this.#dueIn(account, 'validators')
      this.#settle(account)
    }
    this.host += left
    this.#training = new Map(training)
    this.#validators = new Map(validators)
    this.#trainingFees = 0n
    this.#validatorFees = 0n
    this.#paidFor = new Map()
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
    const due = this.host
    this.host = 0n
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
    const paid = this.#paidFor.get(account) ?? { training: 0n, validators: 0n }
    const training = this.#dueIn(account, 'training')
    const validators = this.#dueIn(account, 'validators')
    const earned = training - paid.training + (validators - paid.validators)
    this.#paidFor.set(account, { training, validators })
    if (earned === 0n) return
    const operator = this.#operator(account)
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

  /** All that a contributor is due in a role since the table came into force. */
  #dueIn(account: Address, role: 'training' | 'validators'): bigint {
    const members = role === 'training' ? this.#training : this.#validators
    const fees = role === 'training' ? this.#trainingFees : this.#validatorFees
    const total = [...members.values()].reduce((sum, weight) => sum + weight, 0n)
    return total === 0n ? 0n : (fees * (members.get(account) ?? 0n)) / total
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

export interface FeeSplit {
  readonly host: bigint
  readonly training: bigint
  readonly validators: bigint
}

interface Delegation {
  amount: bigint
  perUnit: bigint
  earnedE18: bigint
}

interface Operator {
  own: bigint
  delegated: bigint
  sigmaPpm: bigint
  earned: bigint
  perUnit: bigint
  carry: bigint
  readonly delegations: Map<Address, Delegation>
}
