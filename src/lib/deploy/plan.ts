import { keccak256 } from 'ethers/crypto'
import { encodeDeploy } from '../chain/contracts.js'
import { FlockError } from '../errors.js'
import { sameAddress, type Address, type Hex } from '../hex.js'
import type { JsonValue } from '../json.js'
import type { ContractArg, ContractRef, WantedContract } from './contracts.js'
import type { JournalHistory, StepHistory } from './journal.js'
import type { ContractName, DeployedContract, DeploymentRecord } from './record.js'

/** What planning needs to know of the chain. */
export interface ChainFacts {
  readonly latestBlock: number
  /** keccak256 of the code at each address in question; null where there is none. */
  readonly codeHashes: ReadonlyMap<Address, Hex | null>
  /** True for chains that are thrown away and begun anew, where missing code is no riddle. */
  readonly isDisposable: boolean
}

export interface PlanInput {
  readonly record: DeploymentRecord
  readonly history: JournalHistory
  readonly facts: ChainFacts
}

/**
 * `keep`: stands already. `finish`: a transaction of an earlier run was signed and is looked up, or sent again with its
 * nonce. `deploy`: a new transaction.
 */
export type StepAction = 'keep' | 'finish' | 'deploy'

export interface DeployStep {
  readonly wanted: WantedContract
  readonly action: StepAction
  /** Why, in words for people. */
  readonly reason: string
  /** Known for `keep`, and for `finish` when the journal saw it mined. */
  readonly address: Address | null
  /** keccak256 of creation code and arguments; null while an argument is an address that is not known yet. */
  readonly inputHash: Hex | null
  /** For `finish`. */
  readonly history: StepHistory | null
}

export interface DeployPlan {
  readonly chainId: number
  readonly network: string
  readonly steps: readonly DeployStep[]
  /** False when every step is `keep`: applying the plan sends nothing. */
  readonly hasWork: boolean
}

/** Every address whose code has to be looked at before planning. */
export function addressesInQuestion(
  wanted: readonly WantedContract[],
  { record, history }: Pick<PlanInput, 'record' | 'history'>,
): Address[] {
  const names = new Set(
    wanted.flatMap(({ name, creates, args }) => [name, ...creates.map((item) => item.name), ...refsOf(args)]),
  )
  return [...names].flatMap((name) => {
    const addresses = [record.contracts[name]?.address, history.get(name)?.mined?.address]
    return addresses.filter((address) => address !== undefined)
  })
}

/**
 * Decides for each contract, in order, whether it is kept, finished or deployed.
 * @throws DEPLOYMENT_CHANGED when a finished step was made from other input, DEPLOYMENT_NOT_FOUND when a contract that
 *   is referred to is neither wanted nor recorded, RPC_FAILED when the endpoint is behind the record
 */
export function planDeploy(wanted: readonly WantedContract[], input: PlanInput): DeployPlan {
  const { record } = input
  requireCaughtUp(wanted, input)
  const steps: DeployStep[] = []
  const known = new Map<ContractName, Address | null>()
  for (const contract of wanted) {
    const args = resolveArgs(contract, known, input)
    const inputHash = args === null ? null : inputHashOf(contract, args)
    const step = planStep(contract, args, inputHash, input)
    steps.push(step)
    known.set(contract.name, step.address)
    for (const { name } of contract.creates) {
      known.set(name, step.action === 'keep' ? (record.contracts[name]?.address ?? null) : null)
    }
  }
  return {
    chainId: record.chainId,
    network: record.network,
    steps,
    hasWork: steps.some(({ action }) => action !== 'keep'),
  }
}

/** The constructor arguments as values; null while one of them is the address of a step to come. */
export function resolveArgs(
  contract: WantedContract,
  known: ReadonlyMap<ContractName, Address | null>,
  { record, facts }: Pick<PlanInput, 'record' | 'facts'>,
): string[] | null {
  const values: string[] = []
  for (const arg of contract.args) {
    if (!isRef(arg)) values.push(arg)
    else if (known.has(arg.contract)) {
      const address = known.get(arg.contract)
      if (!address) return null
      values.push(address)
    } else values.push(recordedAddress(contract.name, arg.contract, record, facts))
  }
  return values
}

/** keccak256 of what the transaction carries: the creation code and its arguments. */
export function inputHashOf(contract: WantedContract, args: readonly string[]): Hex {
  return keccak256(encodeDeploy(contract.artifact, args)) as Hex
}

/** @throws DEPLOYMENT_CHANGED when a step was sent with other input */
export function requireSameInput(name: ContractName, inputHash: Hex, past: StepHistory): void {
  if (inputHash !== past.inputHash) throw changed(name, past.mined?.address ?? null)
}

function planStep(
  wanted: WantedContract,
  args: readonly string[] | null,
  inputHash: Hex | null,
  { record, history, facts }: PlanInput,
): DeployStep {
  const recorded = record.contracts[wanted.name]
  const past = history.get(wanted.name)
  if (recorded !== undefined) {
    requireComplete(wanted, record)
    if (isStanding(wanted.name, recorded, facts)) return keptStep(wanted, recorded, args, inputHash)
    return newStep(wanted, inputHash, `no code at ${recorded.address}: the chain was begun anew`)
  }
  if (past === undefined || past.sent.length === 0) return newStep(wanted, inputHash, 'not deployed yet')
  if (past.mined !== null && facts.isDisposable && !facts.codeHashes.get(past.mined.address)) {
    return newStep(wanted, inputHash, `no code at ${past.mined.address}: the chain was begun anew`)
  }
  if (inputHash !== null) requireSameInput(wanted.name, inputHash, past)
  return {
    wanted,
    action: 'finish',
    reason: past.mined === null ? 'sent by an earlier run' : 'mined in an earlier run, not recorded yet',
    address: past.mined?.address ?? null,
    inputHash,
    history: past,
  }
}

function newStep(wanted: WantedContract, inputHash: Hex | null, reason: string): DeployStep {
  return { wanted, action: 'deploy', reason, address: null, inputHash, history: null }
}

function keptStep(
  wanted: WantedContract,
  recorded: DeployedContract,
  args: readonly string[] | null,
  inputHash: Hex | null,
): DeployStep {
  const sameArgs =
    args !== null &&
    args.length === recorded.args.length &&
    args.every((arg, index) => sameAddress(arg, textOf(recorded.args[index])))
  const sameCode = recorded.inputHash === undefined || recorded.inputHash === inputHash
  if (!sameArgs || !sameCode)
    throw changed(wanted.name, recorded.address, differences(wanted, recorded, args))
  const reason = recorded.txHash === null ? 'was there before' : `deployed in block ${recorded.blockNumber}`
  return { wanted, action: 'keep', reason, address: recorded.address, inputHash, history: null }
}

function requireComplete({ name, creates }: WantedContract, record: DeploymentRecord): void {
  const missing = creates.find((created) => record.contracts[created.name] === undefined)
  if (missing === undefined) return
  throw new FlockError(
    'RECORD_INVALID',
    `The deployment record names ${name} and not ${missing.name}, which it created.`,
    {
      details: { step: name, contract: missing.name, chainId: record.chainId },
      hint: 'Restore the file from version control.',
    },
  )
}

/** Whether a recorded contract still stands. On a chain that lasts, other code than recorded is a fault to be told. */
function isStanding(name: ContractName, recorded: DeployedContract, facts: ChainFacts): boolean {
  if (facts.codeHashes.get(recorded.address) === recorded.codeHash) return true
  if (facts.isDisposable) return false
  throw new FlockError(
    'DEPLOYMENT_CHANGED',
    `${name} is recorded at ${recorded.address}, where the chain has other code or none.`,
    {
      details: { step: name, address: recorded.address, codeHash: recorded.codeHash },
      hint: 'Check that the record belongs to this chain. With --restart it is set aside and everything is deployed anew.',
    },
  )
}

/** A node that lags would show contracts as missing that were deployed a moment ago. */
function requireCaughtUp(wanted: readonly WantedContract[], { record, history, facts }: PlanInput): void {
  if (facts.isDisposable) return
  const blocks = wanted.flatMap(({ name }) => [
    record.contracts[name]?.blockNumber ?? 0,
    history.get(name)?.mined?.blockNumber ?? 0,
  ])
  const newest = Math.max(0, ...blocks)
  if (facts.latestBlock >= newest) return
  throw new FlockError(
    'RPC_FAILED',
    `The RPC endpoint is behind: it knows block ${facts.latestBlock}, the record speaks of block ${newest}.`,
    { details: { latestBlock: facts.latestBlock, recordedBlock: newest }, hint: 'Try again in a minute.' },
  )
}

function recordedAddress(
  step: ContractName,
  name: ContractName,
  record: DeploymentRecord,
  facts: ChainFacts,
): Address {
  const address = record.contracts[name]?.address
  if (address !== undefined && facts.codeHashes.get(address)) return address
  throw new FlockError(
    'DEPLOYMENT_NOT_FOUND',
    address === undefined
      ? `${step} needs ${name}, of which nothing is recorded on ${record.network} (chain ${record.chainId}).`
      : `${step} needs ${name}, and no contract stands at ${address} on ${record.network} (chain ${record.chainId}).`,
    {
      details: { step, contract: name, chainId: record.chainId, network: record.network },
      hint: 'Name the RewardDistributor of the network (flock deploy --distributor), or deploy a core of your own with --core.',
    },
  )
}

function changed(step: ContractName, address: Address | null, differing: readonly string[] = []): FlockError {
  const where = address === null ? 'was sent by an earlier run' : `stands at ${address}`
  const what = differing.length === 0 ? 'other code or arguments' : differing.join('; ')
  return new FlockError('DEPLOYMENT_CHANGED', `${step} ${where} and was made from other input: ${what}.`, {
    details: { step, address, differences: differing },
    hint: 'Deploy anew with --restart, which sets record and journal aside, or go back to the earlier input.',
  })
}

function differences(
  wanted: WantedContract,
  recorded: DeployedContract,
  args: readonly string[] | null,
): string[] {
  const inputs = wanted.artifact.abi.find(({ type }) => type === 'constructor')?.inputs ?? []
  if (args === null) return ['it refers to a contract that is deployed anew']
  return args.flatMap((arg, index) => {
    const before = textOf(recorded.args[index])
    const name = inputs[index]?.name ?? `argument ${index + 1}`
    return sameAddress(arg, before) ? [] : [`${name} was ${before} and is ${arg}`]
  })
}

function textOf(arg: JsonValue | undefined): string {
  return typeof arg === 'string' ? arg : JSON.stringify(arg)
}

function refsOf(args: readonly ContractArg[]): ContractName[] {
  return args.filter(isRef).map(({ contract }) => contract)
}

function isRef(arg: ContractArg): arg is ContractRef {
  return typeof arg !== 'string'
}
