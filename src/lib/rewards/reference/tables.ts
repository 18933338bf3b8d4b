import type { Address, Hex } from '../../hex.js'
import { PPM } from '../../units.js'
import { roleShare, splitFee, type FeeParts } from '../split.js'
import type { Memory } from './memory.js'
import { refuse } from './refusal.js'

export interface Member {
  readonly account: Address
  readonly weight: bigint
}

/** A model's contributors as an attester signed them; both roles in rising address order. */
export interface AttestedTable {
  readonly modelId: Hex
  readonly training: readonly Member[]
  readonly validators: readonly Member[]
  readonly nonce: bigint
  /** Unix seconds. */
  readonly expirySec: bigint
}

/** How a fee is split between the roles. */
export interface RoleSplit {
  readonly trainingPpm: bigint
  readonly validatorPpm: bigint
}

/**
 * Fees of models by role and member, without a word about stake.
 *
 * Fees are split when they are summed up, not one by one: parts of a fee are differences of the parts of all fees since table
 * or split changed, and a member's reward is a difference of its rounded-down parts of the role's fees since the
 * table came into force. So nobody gains or loses by the number of fees or of claims.
 */
export interface FeeTables {
  /** Books a fee. Its parts are those that the meter reports. */
  book(modelId: Hex, fee: bigint, split: RoleSplit, epoch: bigint): FeeParts
  hostDue(modelId: Hex): bigint
  /** Marks what a host is due as paid. */
  takeHost(modelId: Hex): bigint
  /** What an operator earned in all its tables and did not take. */
  earnedOf(operator: Address): bigint
  /** The same, and marks it as taken. */
  take(operator: Address): bigint
  /**
   * Puts a table in force. What members of the old one earned there waits for them; what floors left of its fees is the
   * host's.
   * @returns the id of the new table
   */
  replace(table: AttestedTable): bigint
  nonceOf(modelId: Hex): bigint
  tableIdOf(modelId: Hex): bigint
  membersOf(tableId: bigint): TableMembers
  /** Notes that the usage of an epoch to come is counted. */
  noteFunded(epoch: bigint): void
  /** Contributors' part of a table's fees in an epoch with emissions, in base units. */
  unitsOf(tableId: bigint, epoch: bigint): bigint
  unitsIn(epoch: bigint): bigint
}

export interface TableMembers {
  readonly training: readonly Member[]
  readonly validators: readonly Member[]
}

/** Fees since table or split changed. */
interface Page extends RoleSplit {
  readonly tableId: bigint
  readonly fees: bigint
}

interface RoleFees {
  readonly training: bigint
  readonly validators: bigint
}

interface HostBook {
  readonly earned: bigint
  readonly paid: bigint
}

const NO_FEES: RoleFees = { training: 0n, validators: 0n }
const NO_MEMBERS: TableMembers = { training: [], validators: [] }

/** Most members of a role, and most models whose tables name one operator. */
const MAX_CONTRIBUTORS = 64
const MAX_TABLES_PER_OPERATOR = 128
/** The contracts keep the weights of a role in 24 bits. */
const MAX_WEIGHT_SUM = 2n ** 24n - 1n

export function createFeeTables(memory: Memory): FeeTables {
  const pages = memory.cells<Page>({ tableId: 0n, fees: 0n, trainingPpm: 0n, validatorPpm: 0n })
  const ledgers = memory.cells(NO_FEES)
  const hosts = memory.cells<HostBook>({ earned: 0n, paid: 0n })
  const members = memory.cells(NO_MEMBERS)
  const nonces = memory.cells(0n)
  const takenFees = memory.cells(NO_FEES)
  const waiting = memory.cells(0n)
  const modelsOf = memory.cells<readonly Hex[]>([])
  const tableCount = memory.cells(0n)
  const funded = memory.cells(false)
  const tableUnits = memory.cells(0n)
  const epochUnits = memory.cells(0n)

  const partsOf = (page: Page): FeeParts => {
    const { training, validators } = members.get(page.tableId)
    const { trainingPpm, validatorPpm } = page
    const roles = { hasTraining: training.length > 0, hasValidators: validators.length > 0 }
    return splitFee(page.fees, { trainingPpm, validatorPpm, ...roles })
  }
  /** Fees of each role since the table came into force. */
  const roleFeesOf = (modelId: Hex): RoleFees => {
    const ledger = ledgers.get(modelId)
    const parts = partsOf(pages.get(modelId))
    return {
      training: ledger.training + parts.trainingPart,
      validators: ledger.validators + parts.validatorPart,
    }
  }
  const creditHost = (modelId: Hex, amount: bigint) => {
    const book = hosts.get(modelId)
    hosts.put({ ...book, earned: book.earned + amount }, modelId)
  }
  /** A member's reward in a table between two states of its fees. */
  const earnedIn = (tableId: bigint, operator: Address, before: RoleFees, after: RoleFees): bigint => {
    const { training, validators } = members.get(tableId)
    return (
      earnedInRole(training, operator, before.training, after.training) +
      earnedInRole(validators, operator, before.validators, after.validators)
    )
  }
  const untakenIn = (modelId: Hex, operator: Address): bigint => {
    const { tableId } = pages.get(modelId)
    return earnedIn(tableId, operator, takenFees.get(tableId, operator), roleFeesOf(modelId))
  }
  const earnedOf = (operator: Address): bigint =>
    modelsOf.get(operator).reduce((sum, modelId) => sum + untakenIn(modelId, operator), waiting.get(operator))
  const hostDue = (modelId: Hex): bigint => {
    const { earned, paid } = hosts.get(modelId)
    return earned + partsOf(pages.get(modelId)).hostPart - paid
  }
  const join = (operator: Address, modelId: Hex) => {
    const models = modelsOf.get(operator)
    if (models.length === MAX_TABLES_PER_OPERATOR) refuse('RewardDistributor', 'TooManyTables', { operator })
    modelsOf.put([...models, modelId], operator)
  }

  return {
    book(modelId, fee, split, epoch) {
      let page = pages.get(modelId)
      if (page.trainingPpm !== split.trainingPpm || page.validatorPpm !== split.validatorPpm) {
        ledgers.put(roleFeesOf(modelId), modelId)
        creditHost(modelId, partsOf(page).hostPart)
        page = { tableId: page.tableId, fees: 0n, ...split }
      }
      const before = partsOf(page)
      page = { ...page, fees: page.fees + fee }
      pages.put(page, modelId)
      const after = partsOf(page)
      const trainingPart = after.trainingPart - before.trainingPart
      const validatorPart = after.validatorPart - before.validatorPart
      const units = trainingPart + validatorPart
      if (funded.get(epoch) && units !== 0n) {
        tableUnits.put(tableUnits.get(page.tableId, epoch) + units, page.tableId, epoch)
        epochUnits.put(epochUnits.get(epoch) + units, epoch)
      }
      return { hostPart: fee - units, trainingPart, validatorPart }
    },
    hostDue,
    takeHost(modelId) {
      const due = hostDue(modelId)
      const book = hosts.get(modelId)
      hosts.put({ ...book, paid: book.paid + due }, modelId)
      return due
    },
    earnedOf,
    take(operator) {
      const earned = earnedOf(operator)
      waiting.put(0n, operator)
      for (const modelId of modelsOf.get(operator)) {
        takenFees.put(roleFeesOf(modelId), pages.get(modelId).tableId, operator)
      }
      return earned
    },
    replace(table) {
      const { modelId, training, validators } = table
      requireRole(training)
      requireRole(validators)
      const page = pages.get(modelId)
      const fees = roleFeesOf(modelId)
      let left = partsOf(page).hostPart + fees.training + fees.validators
      for (const operator of accountsOf(members.get(page.tableId))) {
        waiting.put(waiting.get(operator) + untakenIn(modelId, operator), operator)
        modelsOf.put(
          modelsOf.get(operator).filter((other) => other !== modelId),
          operator,
        )
        left -= earnedIn(page.tableId, operator, NO_FEES, fees)
      }
      creditHost(modelId, left)
      ledgers.put(NO_FEES, modelId)

      const tableId = tableCount.get() + 1n
      tableCount.put(tableId)
      members.put({ training, validators }, tableId)
      nonces.put(table.nonce, modelId)
      pages.put({ ...page, tableId, fees: 0n }, modelId)
      for (const operator of accountsOf(table)) join(operator, modelId)
      return tableId
    },
    nonceOf: (modelId) => nonces.get(modelId),
    tableIdOf: (modelId) => pages.get(modelId).tableId,
    membersOf: (tableId) => members.get(tableId),
    noteFunded: (epoch) => funded.put(true, epoch),
    unitsOf: (tableId, epoch) => tableUnits.get(tableId, epoch),
    unitsIn: (epoch) => epochUnits.get(epoch),
  }
}

function earnedInRole(members: readonly Member[], operator: Address, before: bigint, after: bigint): bigint {
  const weight = members.find(({ account }) => account === operator)?.weight ?? 0n
  if (weight === 0n) return 0n
  return roleShare(before, after, weight, totalWeight(members))
}

function totalWeight(members: readonly Member[]): bigint {
  return members.reduce((sum, { weight }) => sum + weight, 0n)
}

/** Everybody in a table, once. */
function accountsOf({ training, validators }: TableMembers): readonly Address[] {
  return [...new Set([...training, ...validators].map(({ account }) => account))]
}

/** In strictly rising address order, so that nobody is in a role twice. */
function requireRole(members: readonly Member[]): void {
  if (members.length > MAX_CONTRIBUTORS) {
    refuse('RewardDistributor', 'TooManyContributors', { count: BigInt(members.length) })
  }
  let previous = 0n
  for (const { account, weight } of members) {
    if (BigInt(account) <= previous || weight === 0n)
      refuse('RewardDistributor', 'ContributorInvalid', { account })
    previous = BigInt(account)
  }
  const sum = totalWeight(members)
  if (sum > MAX_WEIGHT_SUM) refuse('RewardDistributor', 'WeightsTooLarge', { sum })
}

/** Whether the host keeps a part that is not negative. */
export function requireSplit({ trainingPpm, validatorPpm }: RoleSplit): void {
  if (trainingPpm + validatorPpm > PPM)
    refuse('ModelRegistry', 'SplitTooLarge', { trainingPpm, validatorPpm })
}
