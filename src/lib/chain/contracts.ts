import { keccak256 } from 'ethers/crypto'
import { FlockError } from '../errors.js'
import { type Address, type Hex } from '../hex.js'
import { interfaceOf, type ContractArtifact } from './artifact.js'
import type { ChainLog } from './logs.js'
import type { Chain } from './provider.js'
import { toChainError } from './revert.js'
import { plainFields, plainList } from './values.js'

export type BlockTag = number | 'latest' | 'pending'

/** An event of a known contract. */
export interface ParsedLog {
  readonly contract: string
  readonly name: string
  /** By parameter name; structs as objects, integers as bigint. */
  readonly args: Readonly<Record<string, unknown>>
  readonly log: ChainLog
}

/** Call data of a function, by name or by full signature where the name is overloaded. */
export function encodeCall(artifact: ContractArtifact, fn: string, args: readonly unknown[]): Hex {
  return interfaceOf(artifact, 'function', fn).encodeFunctionData(fn, args) as Hex
}

/** Creation code followed by constructor arguments. */
export function encodeDeploy(artifact: ContractArtifact, args: readonly unknown[]): Hex {
  const encoded = interfaceOf(artifact, 'constructor').encodeDeploy(args)
  return `${artifact.bytecode}${encoded.slice(2)}` as Hex
}

/** The one output of a function, or an array of several in order; structs as objects, integers as bigint. */
export function decodeResult(artifact: ContractArtifact, fn: string, data: Hex): unknown {
  const abi = interfaceOf(artifact, 'function', fn)
  const fragment = abi.getFunction(fn)
  if (fragment === null) throw new FlockError('INTERNAL', `${artifact.contractName} has no function ${fn}.`)
  const values = plainList(abi.decodeFunctionResult(fragment, data), fragment.outputs)
  return values.length === 1 ? values[0] : values
}

/**
 * Calls a view. `T` is the caller's word for what the ABI says the function returns.
 * @throws CONTRACT_MISSING when no such contract stands at the address, TX_REVERTED with the decoded error
 */
export async function readContract<T = unknown>(
  chain: Chain,
  artifact: ContractArtifact,
  address: Address,
  fn: string,
  args: readonly unknown[] = [],
  blockTag: BlockTag = 'latest',
): Promise<T> {
  const data = encodeCall(artifact, fn, args)
  let result: Hex
  try {
    result = (await chain.provider.call({ to: address, data, blockTag })) as Hex
  } catch (error) {
    throw toChainError(error, [artifact])
  }
  try {
    return decodeResult(artifact, fn, result) as T
  } catch (error) {
    throw new FlockError(
      'CONTRACT_MISSING',
      `No ${artifact.contractName} answers at ${address} on chain ${chain.chainId}: ${fn} gave no usable result.`,
      {
        cause: error,
        details: { contract: artifact.contractName, address, chainId: chain.chainId, function: fn },
      },
    )
  }
}

/** The logs that are events of the contract, parsed; other logs are left out. */
export function parseLogs(artifact: ContractArtifact, logs: readonly ChainLog[]): ParsedLog[] {
  const abi = interfaceOf(artifact, 'event')
  return logs.flatMap((log) => {
    const parsed = abi.parseLog({ topics: [...log.topics], data: log.data })
    if (parsed === null) return []
    const args = plainFields(parsed.args, parsed.fragment.inputs) as Record<string, unknown>
    return [{ contract: artifact.contractName, name: parsed.name, args, log }]
  })
}

/** The topic by which logs of an event are found. */
export function eventTopic(artifact: ContractArtifact, event: string): Hex {
  const fragment = interfaceOf(artifact, 'event', event).getEvent(event)
  if (fragment === null) throw new FlockError('INTERNAL', `${artifact.contractName} has no event ${event}.`)
  return fragment.topicHash as Hex
}

/** keccak256 of the code at an address; null when there is none. */
export async function readCodeHash(
  chain: Chain,
  address: Address,
  blockTag: BlockTag = 'latest',
): Promise<Hex | null> {
  const code = await chain.provider.getCode(address, blockTag)
  return code === '0x' ? null : (keccak256(code) as Hex)
}

/** @throws CONTRACT_MISSING */
export async function requireCode(chain: Chain, address: Address, what: string): Promise<void> {
  if ((await readCodeHash(chain, address)) !== null) return
  throw new FlockError(
    'CONTRACT_MISSING',
    `${what}: no contract stands at ${address} on chain ${chain.chainId}.`,
    {
      details: { what, address, chainId: chain.chainId },
    },
  )
}
