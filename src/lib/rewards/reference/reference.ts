import type { Address, Hex } from '../../hex.js'
import { createAccounts, type Accounts } from './accounts.js'
import { createEmissions, type Emissions, type FundingPlan, type Share } from './emissions.js'
import { createMemory } from './memory.js'
import { createOperators, type Operators } from './operators.js'
import { claimFeeOf, createPurse, receiverOf, type ClaimCall, type Purse } from './purse.js'
import { refuse } from './refusal.js'
import {
  createRequests,
  type BookedFee,
  type Delivery,
  type OrderDelivery,
  type RegisteredModel,
  type RequestWish,
  type Requests,
} from './requests.js'
import { createStakes, epochOf, type Stakes } from './stakes.js'
import { createFeeTables, type AttestedTable, type FeeTables } from './tables.js'
import { createTokens, type Move } from './tokens.js'
import { createVault, type Vault } from './vault.js'

/** Claim fee rates by role, in ppm. */
export interface ClaimFeeRates {
  readonly hostPpm: bigint
  readonly operatorPpm: bigint
  readonly delegatorPpm: bigint
}

export interface ReferenceSettings {
  /** Who holds escrow, balances and fees; stake; emissions. */
  readonly distributor: Address
  readonly vault: Address
  readonly emissions: Address
  readonly paymentToken: Address
  readonly stakeToken: Address
  readonly treasury: Address
  readonly claimFees: ClaimFeeRates
  readonly gammaPpm: bigint
}

/** What an action moved, in order, and what it says itself: an escrow, a refund, an amount paid, the parts of a fee. */
export interface Effect<T = void> {
  readonly moves: readonly Move[]
  readonly result: T
}

/**
 * The contracts' money, worked out without a chain: whoever repeats what was done on chain gets every amount to the last
 * base unit. Actions are refused with the contracts' own error names (`TX_REVERTED`, `details.error`), and leave nothing behind.
 *
 * Left out is what moves no money: signatures and receipts are taken to be right, calls to come from who may make them, and
 * tokens to do what is asked with unlimited allowances. Amounts are base units, times unix seconds, epochs UTC days.
 */
export interface Reference {
  mint(token: Address, account: Address, amount: bigint): Effect
  putModel(modelId: Hex, model: RegisteredModel): Effect
  setRequestsPaused(isPaused: boolean): Effect
  setClaimFees(fees: ClaimFeeRates, timeSec: bigint): Effect
  setTreasury(treasury: Address): Effect

  request(wish: RequestWish, timeSec: bigint): Effect<bigint>
  deliver(requestId: Hex, delivery: Delivery, timeSec: bigint): Effect<BookedFee>
  deliverOrder(order: OrderDelivery, timeSec: bigint): Effect<BookedFee>
  cancel(requestId: Hex, caller: Address, timeSec: bigint): Effect<bigint>
  reclaim(requestId: Hex, timeSec: bigint): Effect<bigint>

  deposit(payer: Address, account: Address, amount: bigint): Effect
  lockBalance(account: Address, untilSec: bigint, timeSec: bigint): Effect
  withdrawBalance(account: Address, call: ClaimCall, timeSec: bigint): Effect<bigint>

  /** Returns the id of the table. */
  setContributors(table: AttestedTable, timeSec: bigint): Effect<bigint>
  claimHost(modelIds: readonly Hex[], call: ClaimCall): Effect<bigint>
  claimOperator(operators: readonly Address[], call: ClaimCall): Effect<bigint>
  claimDelegator(delegator: Address, operators: readonly Address[], call: ClaimCall): Effect<bigint>
  payTreasury(): Effect<bigint>

  depositStake(account: Address, amount: bigint, timeSec: bigint): Effect
  requestWithdrawal(account: Address, amount: bigint, timeSec: bigint): Effect
  delegate(delegator: Address, operator: Address, amount: bigint, timeSec: bigint): Effect
  undelegate(delegator: Address, operator: Address, amount: bigint, timeSec: bigint): Effect
  withdrawStake(account: Address, operator: Address, to: Address, timeSec: bigint): Effect<bigint>
  setSigma(operator: Address, sigmaPpm: bigint, timeSec: bigint): Effect
  applySigma(operator: Address, timeSec: bigint): Effect

  fundEmissions(funder: Address, plan: FundingPlan, timeSec: bigint): Effect
  settleShare(share: Share, timeSec: bigint): Effect
  rollOver(epoch: bigint, timeSec: bigint): Effect
  claimOperatorEmission(
    operator: Address,
    shares: readonly Share[],
    call: ClaimCall,
    timeSec: bigint,
  ): Effect<bigint>
  claimDelegatorEmission(
    claim: { readonly delegator: Address; readonly operator: Address },
    shares: readonly Share[],
    call: ClaimCall,
    timeSec: bigint,
  ): Effect<bigint>
  payEmissionTreasury(): Effect<bigint>

  readonly views: ReferenceViews
}

export interface ReferenceViews
  extends
    Pick<Requests, 'modelOf' | 'progressOf'>,
    Pick<Accounts, 'balanceOf' | 'lockedUntil'>,
    Pick<FeeTables, 'hostDue' | 'tableIdOf' | 'nonceOf' | 'unitsOf' | 'unitsIn'>,
    Pick<Operators, 'operatorDue' | 'delegatorDue'>,
    Pick<Stakes, 'stakeOf' | 'delegationOf' | 'stakeAt' | 'delegationAt'>,
    Pick<Vault, 'withdrawalOf' | 'pendingSigmaOf'>,
    Pick<Emissions, 'poolOf' | 'shareOf'> {
  tokensOf(token: Address, account: Address): bigint
  operatorEmissionDue: Emissions['operatorDue']
  delegatorEmissionDue: Emissions['delegatorDue']
  claimFees(): ClaimFeeRates
  readonly distributorPurse: Pick<Purse, 'reserves' | 'treasuryOwed'>
  readonly emissionPurse: Pick<Purse, 'reserves' | 'treasuryOwed'>
}

/** Highest claim fee that the owner can set, in ppm. */
const MAX_CLAIM_FEE_PPM = 200_000n

export function createReference(settings: ReferenceSettings): Reference {
  const { distributor, paymentToken, stakeToken, gammaPpm } = settings
  const memory = createMemory()
  const tokens = createTokens(memory)
  const purse = createPurse(memory, tokens, {
    contract: 'RewardDistributor',
    address: distributor,
    token: paymentToken,
  })
  const emissionPurse = createPurse(memory, tokens, {
    contract: 'EmissionProgram',
    address: settings.emissions,
    token: paymentToken,
  })
  const rates = memory.cells(settings.claimFees)
  const feeChanges = memory.cells<readonly FeeChange[]>([
    { epoch: 0n, lowestPpm: lowestOf(settings.claimFees), lastPpm: lowestOf(settings.claimFees) },
  ])
  const lowestFeeSince = (epoch: bigint) => {
    const changes = feeChanges.get()
    const before = changes.findLast((change) => change.epoch < epoch)?.lastPpm ?? MAX_CLAIM_FEE_PPM
    return changes
      .filter((change) => change.epoch >= epoch)
      .reduce((lowest, { lowestPpm }) => (lowestPpm < lowest ? lowestPpm : lowest), before)
  }
  const treasury = memory.cells(settings.treasury)
  const stakes = createStakes(memory)
  const tables = createFeeTables(memory)
  const operators = createOperators(memory, tables, stakes)
  const accounts = createAccounts({ memory, tokens, purse, paymentToken, distributor })
  const requests = createRequests({ memory, tokens, tables, accounts, paymentToken, distributor })
  const vault = createVault({ memory, tokens, stakes, operators, address: settings.vault, stakeToken })
  const emissions = createEmissions({
    memory,
    tokens,
    purse: emissionPurse,
    tables,
    stakes,
    fees: () => rates.get(),
    lowestFeeSince,
    gammaPpm,
    paymentToken,
    address: settings.emissions,
  })
  const act = <T>(work: () => T): Effect<T> =>
    memory.attempt(() => {
      const result = work()
      return { result, moves: tokens.takeMoves() }
    })
  /** Pays claims one by one, each less its own claim fee. */
  const payEach = (
    dues: readonly { readonly receiver: Address; readonly gross: bigint }[],
    feePpm: bigint,
  ) => {
    const paid = dues
      .filter(({ gross }) => gross !== 0n)
      .reduce((sum, { receiver, gross }) => sum + purse.pay(receiver, gross, claimFeeOf(gross, feePpm)), 0n)
    if (paid === 0n) refuse('RewardDistributor', 'NothingToClaim')
    return paid
  }
  const receiver = (beneficiary: Address, call: ClaimCall) =>
    receiverOf('RewardDistributor', beneficiary, call)

  return {
    mint: (token, account, amount) => act(() => tokens.mint(token, account, amount)),
    putModel: (modelId, model) => act(() => requests.putModel(modelId, model)),
    setRequestsPaused: (isPaused) => act(() => requests.setPaused(isPaused)),
    setClaimFees: (fees, timeSec) =>
      act(() => {
        for (const ppm of [fees.hostPpm, fees.operatorPpm, fees.delegatorPpm]) {
          if (ppm > MAX_CLAIM_FEE_PPM) refuse('RewardDistributor', 'ClaimFeeTooHigh', { ppm })
        }
        rates.put(fees)
        feeChanges.put(withChange(feeChanges.get(), epochOf(timeSec), lowestOf(fees)))
      }),
    setTreasury: (account) => act(() => treasury.put(account)),

    request: (wish, timeSec) => act(() => requests.request(wish, timeSec)),
    deliver: (requestId, delivery, timeSec) => act(() => requests.deliver(requestId, delivery, timeSec)),
    deliverOrder: (order, timeSec) => act(() => requests.deliverOrder(order, timeSec)),
    cancel: (requestId, caller, timeSec) => act(() => requests.cancel(requestId, caller, timeSec)),
    reclaim: (requestId, timeSec) => act(() => requests.reclaim(requestId, timeSec)),

    deposit: (payer, account, amount) => act(() => accounts.deposit(payer, account, amount)),
    lockBalance: (account, untilSec, timeSec) => act(() => accounts.lock(account, untilSec, timeSec)),
    withdrawBalance: (account, call, timeSec) => act(() => accounts.withdraw(account, call, timeSec)),

    setContributors: (table, timeSec) =>
      act(() => {
        const { modelId, nonce, expirySec: expiry } = table
        if (BigInt(requests.modelOf(modelId).host) === 0n)
          refuse('RewardDistributor', 'ModelUnknown', { modelId })
        if (timeSec > expiry) refuse('RewardDistributor', 'AttestationExpired', { expiry })
        const current = tables.nonceOf(modelId)
        if (nonce <= current) refuse('RewardDistributor', 'AttestationStale', { nonce, current })
        return tables.replace(table)
      }),
    claimHost: (modelIds, call) =>
      act(() => {
        const dues = modelIds.map((modelId) => ({
          receiver: receiver(requests.modelOf(modelId).host, call),
          gross: tables.takeHost(modelId),
        }))
        return payEach(dues, rates.get().hostPpm)
      }),
    claimOperator: (list, call) =>
      act(() => {
        const dues = list.map((operator) => ({
          receiver: receiver(operator, call),
          gross: operators.takeOperator(operator),
        }))
        return payEach(dues, rates.get().operatorPpm)
      }),
    claimDelegator: (delegator, list, call) =>
      act(() => {
        const to = receiver(delegator, call)
        const { delegatorPpm } = rates.get()
        let gross = 0n
        let claimFee = 0n
        for (const operator of list) {
          const due = operators.takeDelegator(delegator, operator)
          gross += due
          claimFee += claimFeeOf(due, delegatorPpm)
        }
        if (gross === 0n) refuse('RewardDistributor', 'NothingToClaim')
        return purse.pay(to, gross, claimFee)
      }),
    payTreasury: () => act(() => purse.payTreasury(treasury.get())),

    depositStake: (account, amount, timeSec) => act(() => vault.deposit(account, amount, timeSec)),
    requestWithdrawal: (account, amount, timeSec) =>
      act(() => vault.requestWithdrawal(account, amount, timeSec)),
    delegate: (delegator, operator, amount, timeSec) =>
      act(() => vault.delegate(delegator, operator, amount, timeSec)),
    undelegate: (delegator, operator, amount, timeSec) =>
      act(() => vault.undelegate(delegator, operator, amount, timeSec)),
    withdrawStake: (account, operator, to, timeSec) =>
      act(() => vault.withdraw(account, operator, to, timeSec)),
    setSigma: (operator, sigmaPpm, timeSec) => act(() => vault.setSigma(operator, sigmaPpm, timeSec)),
    applySigma: (operator, timeSec) => act(() => vault.applySigma(operator, timeSec)),

    fundEmissions: (funder, plan, timeSec) => act(() => emissions.fund(funder, plan, timeSec)),
    settleShare: (share, timeSec) => act(() => emissions.settle(share, timeSec)),
    rollOver: (epoch, timeSec) => act(() => emissions.rollOver(epoch, timeSec)),
    claimOperatorEmission: (operator, shares, call, timeSec) =>
      act(() => emissions.claimOperator(operator, shares, call, timeSec)),
    claimDelegatorEmission: (claim, shares, call, timeSec) =>
      act(() => emissions.claimDelegator(claim, shares, call, timeSec)),
    payEmissionTreasury: () => act(() => emissionPurse.payTreasury(treasury.get())),

    views: {
      ...requests,
      ...accounts,
      ...tables,
      ...operators,
      ...stakes,
      ...vault,
      ...emissions,
      operatorDue: (operator) => operators.operatorDue(operator),
      delegatorDue: (delegator, operator) => operators.delegatorDue(delegator, operator),
      operatorEmissionDue: (...asked) => emissions.operatorDue(...asked),
      delegatorEmissionDue: (...asked) => emissions.delegatorDue(...asked),
      tokensOf: (token, account) => tokens.balanceOf(token, account),
      claimFees: () => rates.get(),
      distributorPurse: purse,
      emissionPurse,
    },
  }
}

/** Claim fees of contributors that an epoch brought: the lowest of them, and the lower one that it ended with. */
interface FeeChange {
  readonly epoch: bigint
  readonly lowestPpm: bigint
  readonly lastPpm: bigint
}

/** One entry an epoch, however often fees change. */
function withChange(changes: readonly FeeChange[], epoch: bigint, ppm: bigint): readonly FeeChange[] {
  const today = changes.find((change) => change.epoch === epoch)
  const lowestPpm = today !== undefined && today.lowestPpm < ppm ? today.lowestPpm : ppm
  return [...changes.filter((change) => change !== today), { epoch, lowestPpm, lastPpm: ppm }]
}

function lowestOf({ operatorPpm, delegatorPpm }: ClaimFeeRates): bigint {
  return operatorPpm < delegatorPpm ? operatorPpm : delegatorPpm
}
