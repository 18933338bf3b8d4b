import { Interface, type JsonFragment } from 'ethers/abi'
import type { Hex } from '../hex.js'

/** What is known of a compiled contract. The generated files in `abi/` have this shape. */
export interface ContractArtifact {
  readonly contractName: string
  readonly abi: readonly JsonFragment[]
  readonly bytecode: Hex
}

/** The entries of one kind, so that only what is used is parsed; `name` narrows to one of them. */
export function interfaceOf(
  artifact: ContractArtifact,
  kind: 'function' | 'event' | 'error' | 'constructor',
  name?: string,
): Interface {
  const bare = name?.split('(')[0]
  const entries = artifact.abi.filter(
    (entry) => entry.type === kind && (bare === undefined || entry.name === bare),
  )
  return new Interface(entries)
}
