import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import solc from 'solc'
import { fillTemplate } from '../../../src/lib/scaffold/template.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = join(root, 'templates/consumer')
const values = { name: 'my-host', consumer: 'MyHost', version: '1.2.3' }

function template(path: string): string {
  return fillTemplate(readFileSync(join(folder, `${path}.tmpl`), 'utf8'), values)
}

/** The project's own remappings, with this repository in the place of the installed package. */
function remappings(): [string, string][] {
  return [...template('foundry.toml').matchAll(/"([\w-]+\/)=([^"]+)"/g)].map(
    ([, prefix = '', target = '']) => [prefix, target.replace('node_modules/@flock-io/cli/', '')],
  )
}

interface Solc {
  compile(input: string, callbacks: { import(path: string): { contents: string } }): string
}

interface SolcOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[]
  readonly contracts: Record<string, Record<string, { readonly abi: readonly { readonly name?: string }[] }>>
}

describe('the starter consumer contract', () => {
  it('compiles with its test, as the project that holds it says', () => {
    const maps = remappings()
    const input = {
      language: 'Solidity',
      sources: {
        'contracts/MyHost.sol': { content: template('contracts/Consumer.sol') },
        'contracts/test/MyHost.t.sol': { content: template('contracts/test/Consumer.t.sol') },
      },
      settings: {
        remappings: maps.map(([prefix, target]) => `${prefix}=${target}`),
        evmVersion: 'paris',
        viaIR: true,
        optimizer: { enabled: true, runs: 200 },
        outputSelection: { 'contracts/MyHost.sol': { MyHost: ['abi', 'evm.bytecode.object'] } },
      },
    }
    const readSource = (path: string) => ({ contents: readFileSync(join(root, path), 'utf8') })

    const output = JSON.parse(
      (solc as Solc).compile(JSON.stringify(input), { import: readSource }),
    ) as SolcOutput

    expect((output.errors ?? []).map(({ formattedMessage }) => formattedMessage)).toEqual([])
    const { abi } = output.contracts['contracts/MyHost.sol']?.MyHost ?? { abi: [] }
    expect(abi.map(({ name }) => name)).toEqual(expect.arrayContaining(['answerHashes', 'request', 'HOST']))
  })
})
