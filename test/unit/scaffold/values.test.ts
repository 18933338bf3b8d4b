import { describe, expect, it } from '@jest/globals'
import { NETWORK_PRESETS } from '../../../src/lib/config/networks.js'
import { clusterName, contractName, templateValues } from '../../../src/lib/scaffold/values.js'
import { configOf, RICH_ANSWERS } from '../../helpers/scaffold.js'

describe('contractName', () => {
  it.each([
    ['my-host', 'MyHost'],
    ['paris', 'Paris'],
    ['2-towers', 'Host2Towers'],
  ])('makes a Solidity name of %s', (project, name) => {
    expect(contractName(project)).toBe(name)
  })
})

describe('clusterName', () => {
  it.each([
    ['my-host', 'my-host-workflow'],
    ['2-towers', 'host-2-towers-workflow'],
    ['a'.repeat(64), `${'a'.repeat(43)}-workflow`],
    // Cut where a dash would be left at the end.
    [`${'a'.repeat(42)}-${'b'.repeat(20)}`, `${'a'.repeat(42)}-workflow`],
  ])('makes a DNS label of %s that leaves room for what a cluster adds', (project, name) => {
    expect(clusterName(project)).toBe(name)
    expect(name.length).toBeLessThanOrEqual(52)
  })
})

describe('templateValues', () => {
  const network = NETWORK_PRESETS['base-sepolia']
  if (network === undefined) throw new Error('no base-sepolia')
  const valuesOf = (answers: string) => templateValues(configOf(answers), { network, version: '1.2.3' })

  it.each([
    ['the longest that a model host may take', 'timeoutMs: 45500', 46],
    ['no longer than a node waits for a container', 'timeoutMs: 3600000', 180],
    ['at least a second', 'timeoutMs: 100', 1],
  ])('give tasks under way time to end: %s', (_, setting, drainSec) => {
    const values = valuesOf(`models: [{ hosts: [{ ${setting} }] }]`)

    expect(values).toMatchObject({ drainSec: String(drainSec), graceSec: String(drainSec + 30) })
  })

  it('name each variable with a key once: those of model hosts, then those of clients', () => {
    const { apiKeyVariables = '' } = valuesOf(RICH_ANSWERS)

    expect(apiKeyVariables.match(/[A-Z_]+(?=:)/g)).toEqual(
      // Once as the name and once in the reference.
      ['FLOCK_API_KEY', 'GPU_KEY', 'WEB_KEY'].flatMap((name) => [name, name]),
    )
  })

  it('copy tokenizers of the project into the image, and none from outside', () => {
    const { copies, keptFiles } = valuesOf(RICH_ANSWERS)

    expect(copies).toBe('COPY ["tokenizers/qwen.json","tokenizers/qwen.json"]\n')
    expect(keptFiles).toBe('!tokenizers/qwen.json\n')
  })

  it('name the ports of model hosts, each once, with the usual one where the URL has none', () => {
    expect(valuesOf(RICH_ANSWERS).hostPorts?.match(/\d+/g)).toEqual(['80', '443', '8000'])
  })
})
