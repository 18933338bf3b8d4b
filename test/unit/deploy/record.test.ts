import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import {
  deployedAddress,
  emptyRecord,
  parseDeploymentRecord,
  readDeploymentRecord,
  withContracts,
  withoutContracts,
  writeDeploymentRecord,
  type DeployedContract,
} from '../../../src/lib/deploy/record.js'
import { caught } from '../../helpers/caught.js'

const contract: DeployedContract = {
  address: '0x663F3ad617193148711d28f5334eE4Ed07016602',
  txHash: `0x${'11'.repeat(32)}`,
  blockNumber: 7,
  deployer: '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
  args: ['0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC', '12'],
  codeHash: `0x${'22'.repeat(32)}`,
}

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flock-record-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a deployment record', () => {
  it('is read as it was written, contracts in the order in which they depend on each other', () => {
    const record = withContracts(emptyRecord(84_532, 'base-sepolia'), {
      ModelHostConsumer: contract,
      ModelRegistry: { ...contract, txHash: null },
    })

    writeDeploymentRecord(folder, record)

    expect(readDeploymentRecord(folder, 84_532)).toEqual(record)
    const text = readFileSync(join(folder, '84532.json'), 'utf8')
    expect(text.indexOf('ModelRegistry')).toBeLessThan(text.indexOf('ModelHostConsumer'))
    expect(readdirSync(folder)).toEqual(['84532.json'])
  })

  it('is null where nothing is recorded', () => {
    expect(readDeploymentRecord(folder, 1)).toBeNull()
  })

  it('makes its folder', () => {
    const inside = join(folder, 'a', 'deployments')

    writeDeploymentRecord(inside, emptyRecord(1, 'ethereum'))

    expect(existsSync(join(inside, '1.json'))).toBe(true)
  })

  it('names the folder that cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '')

    const error = await caught(() => writeDeploymentRecord(join(folder, 'file'), emptyRecord(1, 'ethereum')))

    expect(error.code).toBe('PATH_UNWRITABLE')
  })

  it('reports every fault with its place', async () => {
    const value = {
      schemaVersion: 1,
      chainId: 1,
      network: 'ethereum',
      contracts: { ModelRegistry: { ...contract, address: '0x12', blockNumber: -1 } },
    }

    const error = await caught(() => parseDeploymentRecord(value, 'deployments/1.json'))

    expect(error.code).toBe('RECORD_INVALID')
    expect(error.message).toContain('contracts.ModelRegistry.address')
    expect(error.message).toContain('contracts.ModelRegistry.blockNumber')
  })

  it.each([
    ['a cut file', '{"schemaVersion":1,'],
    ['a record of another chain', JSON.stringify(emptyRecord(5, 'other'))],
    ['an unknown contract', JSON.stringify({ ...emptyRecord(1, 'x'), contracts: { Other: contract } })],
  ])('refuses %s', async (_name, text) => {
    writeFileSync(join(folder, '1.json'), text)

    const error = await caught(() => readDeploymentRecord(folder, 1))

    expect(error.code).toBe('RECORD_INVALID')
    expect(error.message).toContain('1.json')
  })

  it('says what to run when a contract is missing', async () => {
    const record = withoutContracts(withContracts(emptyRecord(1, 'x'), { UsageMeter: contract }), [
      'UsageMeter',
    ])

    const error = await caught(() => deployedAddress(record, 'UsageMeter'))

    expect(error.code).toBe('DEPLOYMENT_NOT_FOUND')
    expect(error.hint).toBe('flock deploy --core')
  })
})
