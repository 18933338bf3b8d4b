import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createSigner } from '../../../src/lib/chain/signer.js'
import { hostContract } from '../../../src/lib/deploy/contracts.js'
import { describeCore } from '../../../src/lib/deploy/join.js'
import { prepareDeploy, runDeploy } from '../../../src/lib/deploy/prepare.js'
import { emptyRecord, readDeploymentRecord, withContracts } from '../../../src/lib/deploy/record.js'
import type { Address } from '../../../src/lib/hex.js'
import { caught } from '../../helpers/caught.js'
import { startTestDevnet, type TestDevnet } from '../../helpers/devnet.js'

let world: TestDevnet
let folder: string

beforeAll(async () => {
  world = await startTestDevnet()
  folder = mkdtempSync(join(tmpdir(), 'flock-join-'))
})

afterAll(async () => {
  await world.close()
  rmSync(folder, { recursive: true, force: true })
})

const addressOf = (name: 'RewardDistributor' | 'UsageMeter' | 'InfernetRegistry') =>
  world.devnet.record.contracts[name]?.address as Address

function options(core: Address | null, record = readDeploymentRecord(folder, 31_337)) {
  const host = world.account('model-host').address
  return {
    network: 'local',
    recordDir: folder,
    record,
    wanted: [hostContract({ infernetRegistry: addressOf('InfernetRegistry'), host, delegateSigner: host })],
    core,
    from: host,
    restart: false,
  }
}

describe('joining a core that others deployed', () => {
  it('finds every contract from the distributor alone', async () => {
    const found = await describeCore(world.chain, addressOf('RewardDistributor'))

    for (const name of [
      'RewardDistributor',
      'UsageMeter',
      'StakeVault',
      'EmissionProgram',
      'ModelRegistry',
      'PaymentToken',
    ] as const) {
      const recorded = world.devnet.record.contracts[name]
      expect(found[name]).toMatchObject({ address: recorded?.address, codeHash: recorded?.codeHash })
    }
  })

  it('deploys the host contract against it and records both', async () => {
    const { chain, account } = world
    const prepared = await prepareDeploy(chain, options(addressOf('RewardDistributor')))
    const signer = createSigner(account('model-host').privateKey, chain)

    for await (const event of runDeploy(prepared, { chain, signer, confirmations: 1, timeoutMs: 10_000 }))
      void event

    const record = readDeploymentRecord(folder, 31_337)
    expect(record?.contracts.UsageMeter?.address).toBe(addressOf('UsageMeter'))
    expect(record?.contracts.ModelHostConsumer?.args[1]).toBe(addressOf('UsageMeter'))
    const again = await prepareDeploy(chain, options(addressOf('RewardDistributor')))
    expect(again.plan.hasWork).toBe(false)
  })

  it('refuses another core than the recorded one', async () => {
    const core = await describeCore(world.chain, addressOf('RewardDistributor'))
    const record = withContracts(emptyRecord(31_337, 'local'), core)

    const error = await caught(() => prepareDeploy(world.chain, options(addressOf('UsageMeter'), record)))

    expect(error).toMatchObject({ code: 'DEPLOYMENT_CHANGED', details: { contract: 'RewardDistributor' } })
  })

  it('names an address that is no distributor', async () => {
    const error = await caught(() => describeCore(world.chain, addressOf('UsageMeter')))

    expect(error).toMatchObject({ code: 'CONTRACT_MISSING', details: { address: addressOf('UsageMeter') } })
  })

  it('asks for a core where none is recorded or named', async () => {
    const error = await caught(() => prepareDeploy(world.chain, options(null, emptyRecord(31_337, 'local'))))

    expect(error).toMatchObject({ code: 'DEPLOYMENT_NOT_FOUND' })
  })
})
