import type { Address } from '../../hex.js'
import { capEmission, memberParts, shareOfPool, trainingPart } from '../emission.js'
import { splitWithDelegators } from '../split.js'
import type { Memory } from './memory.js'
import { claimFeeOf, receiverOf, type ClaimCall, type Purse } from './purse.js'
import { refuse } from './refusal.js'
import { epochOf, type Stakes } from './stakes.js'
import type { FeeTables, Member } from './tables.js'
import type { Tokens } from './tokens.js'

/** A table's emission of one epoch. */
export interface Share {
  readonly tableId: bigint
  readonly epoch: bigint
}

/** What became of a share; all 0n when the table had no units. */
export interface Settlement {
  readonly training: bigint
  readonly validators: bigint
  readonly isSettled: boolean
}

/** What is in the pool of an epoch, and the units that had their share of it. */
export interface Pool {
  readonly amount: bigint
  readonly settledUnits: bigint
}

/** Rates in force for operators and delegators. */
export interface EmissionFees {
  readonly operatorPpm: bigint
  readonly delegatorPpm: bigint
}

/** Emissions by UTC day, as EmissionProgram.sol keeps them. Times are unix seconds. */
export interface Emissions {
  fund(funder: Address, plan: FundingPlan, timeSec: bigint): void
  settle(share: Share, timeSec: bigint): void
  rollOver(epoch: bigint, timeSec: bigint): void
  claimOperator(operator: Address, shares: readonly Share[], call: ClaimCall, timeSec: bigint): bigint
  claimDelegator(
    claim: { readonly delegator: Address; readonly operator: Address },
    shares: readonly Share[],
    call: ClaimCall,
    timeSec: bigint,
  ): bigint
  poolOf(epoch: bigint): Pool
  /** A share as settled, or as it would be now. */
  shareOf(share: Share, timeSec: bigint): { readonly settlement: Settlement; readonly leftOver: bigint }
  operatorDue(operator: Address, share: Share, timeSec: bigint): bigint
  delegatorDue(delegator: Address, operator: Address, share: Share, timeSec: bigint): bigint
}

export interface FundingPlan {
  readonly firstEpoch: bigint
  readonly count: bigint
  readonly amountEach: bigint
}

export interface EmissionParts {
  readonly memory: Memory
  readonly tokens: Tokens
  readonly purse: Purse
  readonly tables: FeeTables
  readonly stakes: Stakes
  readonly fees: () => EmissionFees
  /** The lowest of both rates that was in force since an epoch began. */
  readonly lowestFeeSince: (epoch: bigint) => bigint
  readonly gammaPpm: bigint
  readonly paymentToken: Address
  readonly address: Address
}

interface Plan {
  readonly settlement: Settlement
  readonly leftOver: bigint
  /** 0n when there are none, or they were settled before. */
  readonly units: bigint
}

const UNSETTLED: Settlement = { training: 0n, validators: 0n, isSettled: false }

/** Epochs are kept in 16 bits, pools funded in 104. */
const MAX_EPOCH = 2n ** 16n - 1n
const MAX_AMOUNT = 2n ** 104n - 1n

export function createEmissions(parts: EmissionParts): Emissions {
  const { memory, tokens, purse, tables, stakes, fees, lowestFeeSince, gammaPpm, paymentToken, address } =
    parts
  const pools = memory.cells<Pool>({ amount: 0n, settledUnits: 0n })
  const settlements = memory.cells(UNSETTLED)
  const isOperatorPaid = memory.cells(false)
  const isDelegatorPaid = memory.cells(false)
  const paidDelegation = memory.cells(0n)

  const addToPool = (epoch: bigint, amount: bigint) => {
    const pool = pools.get(epoch)
    pools.put({ ...pool, amount: pool.amount + amount }, epoch)
    tables.noteFunded(epoch)
  }
  const stakeOfAll = (members: readonly Member[], epoch: bigint): bigint =>
    members.reduce((sum, { account }) => {
      const { own, delegated } = stakes.stakeAt(account, epoch)
      return sum + own + delegated
    }, 0n)
  /** A role without members leaves all to the other. */
  const trainingOf = ({ tableId, epoch }: Share, emission: bigint): bigint => {
    const { training, validators } = tables.membersOf(tableId)
    if (training.length === 0) return 0n
    if (validators.length === 0) return emission
    const stake = {
      gammaPpm,
      trainingStake: stakeOfAll(training, epoch),
      validatorStake: stakeOfAll(validators, epoch),
    }
    return trainingPart(emission, stake)
  }
  const plan = (share: Share, timeSec: bigint): Plan => {
    const { tableId, epoch } = share
    const settled = settlements.get(tableId, epoch)
    if (settled.isSettled) return { settlement: settled, leftOver: 0n, units: 0n }
    if (epoch >= epochOf(timeSec)) refuse('EmissionProgram', 'EpochNotOver', { epoch })
    const units = tables.unitsOf(tableId, epoch)
    if (units === 0n) return { settlement: UNSETTLED, leftOver: 0n, units }
    const { amount, settledUnits } = pools.get(epoch)
    const full = shareOfPool(amount, { before: settledUnits, units, total: tables.unitsIn(epoch) })
    const { emission, leftOver } = capEmission(full, units, lowestFeeSince(epoch))
    const training = trainingOf(share, emission)
    return { settlement: { training, validators: emission - training, isSettled: true }, leftOver, units }
  }
  const settle = (share: Share, timeSec: bigint): Settlement => {
    const { settlement, leftOver, units } = plan(share, timeSec)
    if (units === 0n) return settlement
    const pool = pools.get(share.epoch)
    settlements.put(settlement, share.tableId, share.epoch)
    pools.put({ ...pool, settledUnits: pool.settledUnits + units }, share.epoch)
    if (leftOver !== 0n) addToPool(epochOf(timeSec) + 1n, leftOver)
    return settlement
  }
  /** An operator's part of a share in both roles, split with its delegators by the stake that the epoch began with. */
  const partsOf = (operator: Address, { tableId, epoch }: Share, settlement: Settlement) => {
    const { training, validators } = tables.membersOf(tableId)
    const part =
      partOf(settlement.training, training, operator) + partOf(settlement.validators, validators, operator)
    const stake = stakes.stakeAt(operator, epoch)
    return { ...splitWithDelegators(part, stake), delegated: stake.delegated }
  }
  const operatorDue = (operator: Address, share: Share, settlement: Settlement): bigint => {
    if (isOperatorPaid.get(share.tableId, share.epoch, operator)) return 0n
    return partsOf(operator, share, settlement).operatorPart
  }
  const delegatorDue = (delegator: Address, operator: Address, share: Share, settlement: Settlement) => {
    const { tableId, epoch } = share
    if (isDelegatorPaid.get(tableId, epoch, operator, delegator)) return { amount: 0n, delegation: 0n }
    const { delegatorsPart, delegated } = partsOf(operator, share, settlement)
    if (delegatorsPart === 0n) return { amount: 0n, delegation: 0n }
    const delegation = stakes.delegationAt(delegator, operator, epoch)
    const before = paidDelegation.get(tableId, epoch, operator)
    const amount = shareOfPool(delegatorsPart, { before, units: delegation, total: delegated })
    return { amount, delegation }
  }
  const pay = (receiver: Address, gross: bigint, feePpm: bigint): bigint =>
    gross === 0n ? 0n : purse.pay(receiver, gross, claimFeeOf(gross, feePpm))

  return {
    fund(funder, { firstEpoch, count, amountEach }, timeSec) {
      if (amountEach === 0n || count === 0n) refuse('EmissionProgram', 'AmountInvalid', { amount: 0n })
      if (firstEpoch <= epochOf(timeSec) || firstEpoch > MAX_EPOCH)
        refuse('EmissionProgram', 'EpochInvalid', { epoch: firstEpoch })
      if (firstEpoch + count > MAX_EPOCH) refuse('EmissionProgram', 'EpochInvalid', { epoch: MAX_EPOCH })
      if (amountEach > MAX_AMOUNT / count) refuse('EmissionProgram', 'AmountInvalid', { amount: amountEach })
      for (let epoch = firstEpoch; epoch < firstEpoch + count; epoch += 1n) addToPool(epoch, amountEach)
      const amount = amountEach * count
      tokens.pull({ token: paymentToken, from: funder, to: address, amount })
      purse.add(amount)
    },
    settle: (share, timeSec) => void settle(share, timeSec),
    rollOver(epoch, timeSec) {
      if (epoch >= epochOf(timeSec)) refuse('EmissionProgram', 'EpochNotOver', { epoch })
      if (tables.unitsIn(epoch) !== 0n) refuse('EmissionProgram', 'EpochUsed', { epoch })
      const pool = pools.get(epoch)
      if (pool.amount === 0n) refuse('EmissionProgram', 'NothingToClaim')
      pools.put({ ...pool, amount: 0n }, epoch)
      addToPool(epochOf(timeSec) + 1n, pool.amount)
    },
    claimOperator(operator, shares, call, timeSec) {
      const receiver = receiverOf('EmissionProgram', operator, call)
      let gross = 0n
      for (const share of shares) {
        gross += operatorDue(operator, share, settle(share, timeSec))
        isOperatorPaid.put(true, share.tableId, share.epoch, operator)
      }
      if (gross === 0n) refuse('EmissionProgram', 'NothingToClaim')
      return pay(receiver, gross, fees().operatorPpm)
    },
    claimDelegator({ delegator, operator }, shares, call, timeSec) {
      const receiver = receiverOf('EmissionProgram', delegator, call)
      let gross = 0n
      let delegationSum = 0n
      for (const share of shares) {
        const { tableId, epoch } = share
        const { amount, delegation } = delegatorDue(delegator, operator, share, settle(share, timeSec))
        gross += amount
        delegationSum += delegation
        const before = paidDelegation.get(tableId, epoch, operator)
        paidDelegation.put(before + delegation, tableId, epoch, operator)
        isDelegatorPaid.put(true, tableId, epoch, operator, delegator)
      }
      if (delegationSum === 0n) refuse('EmissionProgram', 'NothingToClaim')
      return pay(receiver, gross, fees().delegatorPpm)
    },
    poolOf: (epoch) => pools.get(epoch),
    shareOf(share, timeSec) {
      const { settlement, leftOver } = plan(share, timeSec)
      return { settlement, leftOver }
    },
    operatorDue: (operator, share, timeSec) => operatorDue(operator, share, plan(share, timeSec).settlement),
    delegatorDue: (delegator, operator, share, timeSec) =>
      delegatorDue(delegator, operator, share, plan(share, timeSec).settlement).amount,
  }
}

/** A member's part of its role's emission; nothing for who is no member. */
function partOf(emission: bigint, members: readonly Member[], operator: Address): bigint {
  const place = members.findIndex(({ account }) => account === operator)
  if (place === -1) return 0n
  return (
    memberParts(
      emission,
      members.map(({ weight }) => weight),
    )[place] ?? 0n
  )
}
