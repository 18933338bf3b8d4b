/** Reads and writes deployments/<chainId>.json: which contracts stand where, and how they came there. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { FlockError, messageOf } from '../errors.js'
import { isAddress, isBytes32, parseAddress, type Address, type Hex } from '../hex.js'
import { parseJson, stringifyJson, type JsonValue } from '../json.js'

/** Every contract that a record can name, in the order in which they depend on each other. */
export const CONTRACT_NAMES = [
  'InfernetRegistry',
  'EIP712Coordinator',
  'Inbox',
  'Reader',
  'Fee',
  'WalletFactory',
  'PaymentToken',
  'ModelRegistry',
  'RewardDistributor',
  'UsageMeter',
  'StakeVault',
  'EmissionProgram',
  'ModelHostConsumer',
] as const

export type ContractName = (typeof CONTRACT_NAMES)[number]

export interface DeployedContract {
  readonly address: Address
  /** Null for a contract that was there before. */
  readonly txHash: Hex | null
  readonly blockNumber: number
  readonly deployer: Address
  /** Constructor arguments, integers as decimal strings. */
  readonly args: readonly JsonValue[]
  /** keccak256 of the code that stands at the address. */
  readonly codeHash: Hex
  /** keccak256 of the creation code with its arguments, for contracts that a transaction of ours created. */
  readonly inputHash?: Hex
}

export type DeployedContracts = Readonly<Partial<Record<ContractName, DeployedContract>>>

export interface DeploymentRecord {
  readonly schemaVersion: 1
  readonly chainId: number
  readonly network: string
  readonly contracts: DeployedContracts
}

const address = v.pipe(
  v.custom<Address>(isAddress, 'an address'),
  v.transform((text): Address => parseAddress(text, 'address')),
)
const bytes32 = v.custom<Hex>(isBytes32, '32 bytes of hexadecimal data')
const blockNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const deployedContract = v.object({
  address,
  txHash: v.nullable(bytes32),
  blockNumber,
  deployer: address,
  args: v.array(v.custom<JsonValue>((value) => value !== undefined, 'a JSON value')),
  codeHash: bytes32,
  inputHash: v.exactOptional(bytes32),
})

const deploymentRecord = v.object({
  schemaVersion: v.literal(1),
  chainId: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  network: v.string(),
  contracts: v.record(v.picklist(CONTRACT_NAMES), deployedContract),
})

export function emptyRecord(chainId: number, network: string): DeploymentRecord {
  return { schemaVersion: 1, chainId, network, contracts: {} }
}

/** @throws RECORD_INVALID with every fault and its place */
export function parseDeploymentRecord(value: unknown, source: string): DeploymentRecord {
  const result = v.safeParse(deploymentRecord, value)
  if (result.success) return result.output
  const faults = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'file'}: ${issue.message}`)
  throw new FlockError('RECORD_INVALID', `${source} is not a deployment record: ${faults.join('; ')}.`, {
    details: { file: source, faults },
    hint: 'Restore the file from version control.',
  })
}

export function recordPath(recordDir: string, chainId: number): string {
  return join(recordDir, `${chainId}.json`)
}

/** @returns null where nothing is recorded  @throws RECORD_INVALID */
export function readDeploymentRecord(recordDir: string, chainId: number): DeploymentRecord | null {
  const path = recordPath(recordDir, chainId)
  if (!existsSync(path)) return null
  const record = parseDeploymentRecord(readJsonFile(path), path)
  if (record.chainId === chainId) return record
  throw new FlockError('RECORD_INVALID', `${path} records chain ${record.chainId}.`, {
    details: { file: path },
  })
}

/**
 * Replaces the record as a whole: whoever reads it meets the old one or the new one, also after a loss of power.
 * @throws PATH_UNWRITABLE
 */
export function writeDeploymentRecord(recordDir: string, record: DeploymentRecord): void {
  const path = recordPath(recordDir, record.chainId)
  try {
    writeFileAtomically(path, `${stringifyJson(inOrder(record), 2)}\n`)
  } catch (error) {
    throw new FlockError('PATH_UNWRITABLE', `${path} cannot be written: ${messageOf(error)}.`, {
      cause: error,
      details: { file: path },
    })
  }
}

/** Where a recorded contract stands. @throws DEPLOYMENT_NOT_FOUND */
export function deployedAddress(record: DeploymentRecord, name: ContractName): Address {
  return deployedContractOf(record, name).address
}

/** @throws DEPLOYMENT_NOT_FOUND */
export function deployedContractOf(record: DeploymentRecord, name: ContractName): DeployedContract {
  const found = record.contracts[name]
  if (found !== undefined) return found
  throw new FlockError('DEPLOYMENT_NOT_FOUND', `${name} is not deployed on ${record.network}.`, {
    details: { contract: name, chainId: record.chainId, network: record.network },
    hint: name === 'ModelHostConsumer' ? 'flock deploy' : 'flock deploy --core',
  })
}

/** Recorded contracts as a list, in the order of `CONTRACT_NAMES`. */
export function contractList(
  contracts: DeployedContracts,
): ({ readonly name: ContractName } & DeployedContract)[] {
  return CONTRACT_NAMES.flatMap((name) => {
    const contract = contracts[name]
    return contract === undefined ? [] : [{ name, ...contract }]
  })
}

/** Where each recorded contract stands, in the order of `CONTRACT_NAMES`. */
export function contractAddresses(
  record: DeploymentRecord,
): Readonly<Partial<Record<ContractName, Address>>> {
  return Object.fromEntries(contractList(record.contracts).map(({ name, address }) => [name, address]))
}

/** The record with contracts added or replaced. */
export function withContracts(record: DeploymentRecord, contracts: DeployedContracts): DeploymentRecord {
  return { ...record, contracts: { ...record.contracts, ...contracts } }
}

/** The record without some of its contracts. */
export function withoutContracts(record: DeploymentRecord, names: readonly ContractName[]): DeploymentRecord {
  const kept = Object.entries(record.contracts).filter(([name]) => !names.includes(name as ContractName))
  return { ...record, contracts: Object.fromEntries(kept) }
}

function inOrder(record: DeploymentRecord): DeploymentRecord {
  const entries = contractList(record.contracts).map(({ name, ...contract }) => [name, contract] as const)
  return { ...record, contracts: Object.fromEntries(entries) }
}

function readJsonFile(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new FlockError('RECORD_INVALID', `${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      details: { file: path },
    })
  }
  try {
    return parseJson(text, path)
  } catch (error) {
    throw new FlockError('RECORD_INVALID', messageOf(error), {
      cause: error,
      details: { file: path },
      hint: 'Restore the file from version control.',
    })
  }
}

function writeFileAtomically(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  const file = openSync(temporary, 'w', 0o644)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  syncFolder(dirname(path))
}

/** Without this a rename may be lost with the power, though the file's content is safe. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
