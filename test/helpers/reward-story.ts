import type { Address, Hex } from '../../src/lib/hex.js'
import {
  createReference,
  type ClaimFeeRates,
  type Reference,
} from '../../src/lib/rewards/reference/reference.js'
import type { Terms } from '../../src/lib/rewards/reference/requests.js'
import type { Member } from '../../src/lib/rewards/reference/tables.js'

/** Made-up accounts by name, in rising order of their addresses. */
export const ACCOUNTS = [
  'host',
  'node',
  'requester',
  'first trainer',
  'second trainer',
  'third trainer',
  'judge',
  'ann',
  'ben',
  'treasury',
  'funder',
  'distributor',
  'vault',
  'emissions',
  'fee token',
  'stake token',
] as const

export type AccountName = (typeof ACCOUNTS)[number]

export function account(name: AccountName): Address {
  return `0x${(ACCOUNTS.indexOf(name) + 1).toString(16).padStart(40, '0')}`
}

/** One FLOCK in base units. */
export const FLOCK = 10n ** 18n
export const DAY = 86_400n
/** The beginning of a UTC day. */
export const START = 20_000n * DAY

/** An answer costs exactly `fee`, whatever it uses. */
export function flatTerms(fee: bigint, split: Pick<Terms, 'trainingPpm' | 'validatorPpm'>): Terms {
  return {
    requestPrice: fee,
    promptPrice: 0n,
    completionPrice: 0n,
    maxPromptTokens: 10n,
    maxCompletionTokens: 10n,
    ...split,
  }
}

export interface Story {
  readonly reference: Reference
  readonly modelId: (index: number) => Hex
  /** Puts a model on its terms. */
  offer(index: number, terms: Terms): void
  /** Puts a table in force; weights by name. */
  attest(index: number, training: Weights, validators?: Weights, timeSec?: bigint): bigint
  /** An order and its delivery: the requester pays the fee from a balance that is filled for it. */
  use(index: number, fee: bigint, split: Pick<Terms, 'trainingPpm' | 'validatorPpm'>, timeSec?: bigint): void
  stake(name: AccountName, own: bigint, sigmaPpm: bigint, timeSec?: bigint): void
  delegate(delegator: AccountName, operator: AccountName, amount: bigint, timeSec?: bigint): void
}

export type Weights = Partial<Record<AccountName, bigint>>

const PLENTY = 2n ** 100n

/** A reference with one host, everybody rich, and FLock's documented claim fees. */
export function createStory(
  claimFees: ClaimFeeRates = { hostPpm: 0n, operatorPpm: 80_000n, delegatorPpm: 145_000n },
): Story {
  const reference = createReference({
    distributor: account('distributor'),
    vault: account('vault'),
    emissions: account('emissions'),
    paymentToken: account('fee token'),
    stakeToken: account('stake token'),
    treasury: account('treasury'),
    claimFees,
    gammaPpm: 100_000n,
  })
  for (const name of ['requester', 'funder'] as const) {
    reference.mint(account('fee token'), account(name), PLENTY)
  }
  for (const name of ACCOUNTS) reference.mint(account('stake token'), account(name), PLENTY)
  let orders = 0n
  const modelId = (index: number): Hex => `0x${(index + 1).toString(16).padStart(64, '0')}`
  const members = (weights: Weights): Member[] =>
    Object.entries(weights)
      .map(([name, weight]) => ({ account: account(name as AccountName), weight }))
      .sort((a, b) => (a.account < b.account ? -1 : 1))
  const offer = (index: number, terms: Terms) => {
    const nodes = [account('node')]
    reference.putModel(modelId(index), { host: account('host'), terms, isActive: true, nodes })
  }
  return {
    reference,
    modelId,
    offer,
    attest(index, training, validators = {}, timeSec = START) {
      const nonce = reference.views.nonceOf(modelId(index)) + 1n
      const roles = { training: members(training), validators: members(validators) }
      return reference.setContributors(
        { modelId: modelId(index), ...roles, nonce, expirySec: timeSec },
        timeSec,
      ).result
    },
    use(index, fee, split, timeSec = START) {
      const terms = flatTerms(fee, split)
      offer(index, terms)
      reference.deposit(account('requester'), account('requester'), fee)
      orders += 1n
      reference.deliverOrder(
        {
          orderId: `0x${orders.toString(16).padStart(64, '0')}`,
          modelId: modelId(index),
          requester: account('requester'),
          terms,
          payloadBytes: 10n,
          deadlineSec: timeSec,
          node: account('node'),
          interval: 1n,
          promptTokens: 1n,
          completionTokens: 1n,
          outputBytes: 1n,
        },
        timeSec,
      )
    },
    stake(name, own, sigmaPpm, timeSec = START) {
      reference.setSigma(account(name), sigmaPpm, timeSec)
      if (own > 0n) reference.depositStake(account(name), own, timeSec)
    },
    delegate: (delegator, operator, amount, timeSec = START) =>
      void reference.delegate(account(delegator), account(operator), amount, timeSec),
  }
}
