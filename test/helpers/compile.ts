import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { JsonFragment } from 'ethers/abi'
import solc from 'solc'
import type { ContractArtifact } from '../../src/lib/chain/artifact.js'

/** The types that solc ships do not describe what its module holds. */
const compiler = solc as unknown as { compile(input: string): string }
const root = fileURLToPath(new URL('../../', import.meta.url))

const REMAPPINGS = [
  ['infernet-sdk/', 'contracts/infernet/'],
  ['solady/', 'node_modules/solady/src/'],
] as const

const IMPORT = /import\s+(?:\{[^}]*\}\s*from\s+)?["']([^"']+)["']/g

interface SolcOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[]
  readonly contracts?: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          { readonly abi: JsonFragment[]; readonly evm: { readonly bytecode: { readonly object: string } } }
        >
      >
    >
  >
}

/** Compiles a Solidity file of this project, with what it imports, and returns the contract named like the file. */
export function compileContract(path: string): ContractArtifact {
  const contractName = posix.basename(path, '.sol')
  const sources: Record<string, { content: string }> = {}
  collect(path, sources)
  const settings = {
    remappings: REMAPPINGS.map(([prefix, target]) => `${prefix}=${target}`),
    evmVersion: 'paris',
    viaIR: true,
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { [path]: { [contractName]: ['abi', 'evm.bytecode.object'] } },
  }
  const input = JSON.stringify({ language: 'Solidity', sources, settings })
  const output = JSON.parse(compiler.compile(input)) as SolcOutput
  const faults = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  const contract = output.contracts?.[path]?.[contractName]
  if (faults.length > 0 || contract === undefined)
    throw new Error(
      faults.map(({ formattedMessage }) => formattedMessage).join('\n') || `${path} holds no ${contractName}`,
    )
  return { contractName, abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` }
}

function collect(path: string, sources: Record<string, { content: string }>): void {
  if (sources[path] !== undefined) return
  const content = readFileSync(join(root, path), 'utf8')
  sources[path] = { content }
  for (const [, unit = ''] of content.matchAll(IMPORT)) collect(resolve(unit, path), sources)
}

function resolve(unit: string, from: string): string {
  if (unit.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), unit))
  const remapping = REMAPPINGS.find(([prefix]) => unit.startsWith(prefix))
  return remapping === undefined ? unit : remapping[1] + unit.slice(remapping[0].length)
}
