import { posix } from 'node:path'
import { compile } from '../../contracts/compile.mjs'
import type { ContractArtifact } from '../../src/lib/chain/artifact.js'

/** Compiles a Solidity file of this project, with what it imports, and returns the contract named like the file. */
export function compileContract(path: string): ContractArtifact {
  const contractName = posix.basename(path, '.sol')
  const compiled = compile({ [contractName]: path })[contractName]
  if (compiled === undefined) throw new Error(`${path} holds no ${contractName}`)
  return { contractName, abi: compiled.abi, bytecode: compiled.bytecode }
}
