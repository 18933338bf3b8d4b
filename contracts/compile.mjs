// Compiles Solidity files of this project with the pinned solc from npm: the one place that knows its settings.
import { readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const remappings = [
  ['infernet-sdk/', 'contracts/infernet/'],
  ['solady/', 'node_modules/solady/src/'],
  ['@openzeppelin/contracts/', 'node_modules/@openzeppelin/contracts/'],
]

function resolve(unit, from) {
  if (unit.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), unit))
  const remapping = remappings.find(([prefix]) => unit.startsWith(prefix))
  return remapping ? remapping[1] + unit.slice(remapping[0].length) : unit
}

/** Reads a source unit and all that it imports, under real paths. */
function collect(path, sources) {
  if (sources[path]) return
  const content = readFileSync(join(root, path), 'utf8')
  sources[path] = { content }
  for (const match of content.matchAll(/import\s+(?:\{[^}]*\}\s*from\s+)?["']([^"']+)["']/g)) {
    collect(resolve(match[1], path), sources)
  }
}

/**
 * Compiles contracts; `units` maps a name of ours to `path` or `path:Contract`, paths as seen from the project.
 * Returns for each name `{ path, abi, bytecode, runtimeBytes, initBytes }`. Errors, and warnings of our own files, throw.
 */
export function compile(units) {
  const sources = {}
  const wanted = Object.entries(units).map(([name, unit]) => {
    const [path, contract = posix.basename(path, '.sol')] = unit.split(':')
    collect(path, sources)
    return { name, path, contract }
  })
  const selection = {}
  for (const { path, contract } of wanted) {
    selection[path] = { ...selection[path], [contract]: ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] }
  }
  const input = {
    language: 'Solidity',
    sources,
    settings: {
      remappings: remappings.map(([prefix, target]) => `${prefix}=${target}`),
      evmVersion: 'paris',
      viaIR: true,
      optimizer: { enabled: true, runs: 200 },
      metadata: { bytecodeHash: 'none' },
      outputSelection: selection,
    },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input)))
  const isFault = ({ severity, sourceLocation }) => severity === 'error' || sourceLocation?.file.startsWith('contracts/')
  const faults = (output.errors ?? []).filter(isFault)
  if (faults.length > 0) throw new Error(faults.map(({ formattedMessage }) => formattedMessage).join('\n'))
  return Object.fromEntries(
    wanted.map(({ name, path, contract }) => {
      const { abi, evm } = output.contracts[path][contract]
      const code = evm.bytecode.object
      const runtimeBytes = evm.deployedBytecode.object.length / 2
      return [name, { path, abi, bytecode: `0x${code}`, runtimeBytes, initBytes: code.length / 2 }]
    }),
  )
}
