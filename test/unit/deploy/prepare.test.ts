import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { testTokenArtifact } from '../../../src/lib/abi/test-token.js'
import { encodeDeploy } from '../../../src/lib/chain/contracts.js'
import { createSigner } from '../../../src/lib/chain/signer.js'
import { sendTransaction } from '../../../src/lib/chain/transact.js'
import { coreContracts, hostContract } from '../../../src/lib/deploy/contracts.js'
import { journalPath, openJournal, readJournal } from '../../../src/lib/deploy/journal.js'
import { prepareDeploy, runDeploy, type PreparedDeploy } from '../../../src/lib/deploy/prepare.js'
import { readDeploymentRecord } from '../../../src/lib/deploy/record.js'
import { devnetAccounts, type DevnetAccount } from '../../../src/lib/devnet/accounts.js'
import { ZERO_BYTES32, type Address } from '../../../src/lib/hex.js'
import { startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'

const [owner] = devnetAccounts() as [DevnetAccount]
const running: TestChain[] = []
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flock-prepare-'))
})

afterEach(async () => {
  for (const local of running.splice(0)) await local.close()
  rmSync(folder, { recursive: true, force: true })
})

async function startChain(): Promise<{ local: TestChain; token: Address }> {
  const local = await startAnvil()
  running.push(local)
  const { contractAddress } = await sendTransaction(
    local.chain,
    createSigner(owner.privateKey, local.chain),
    { to: null, data: encodeDeploy(testTokenArtifact, ['Test FLOCK', 'tFLOCK']) },
    { confirmations: 1, timeoutMs: 10_000, revertInterfaces: [] },
  )
  return { local, token: contractAddress as Address }
}

function prepare({ local, token }: { local: TestChain; token: Address }): Promise<PreparedDeploy> {
  return prepareDeploy(local.chain, {
    network: 'local',
    recordDir: folder,
    record: readDeploymentRecord(folder, 31_337),
    wanted: coreContracts({
      owner: owner.address,
      treasury: owner.address,
      paymentToken: token,
      stakeToken: token,
    }),
    from: owner.address,
    restart: false,
    core: null,
  })
}

async function run(local: TestChain, prepared: PreparedDeploy): Promise<string[]> {
  const signer = createSigner(owner.privateKey, local.chain)
  const events: string[] = []
  const deploying = runDeploy(prepared, { chain: local.chain, signer, confirmations: 1, timeoutMs: 10_000 })
  for await (const { type } of deploying) events.push(type)
  return events
}

const actions = ({ plan }: PreparedDeploy) => plan.steps.map(({ action }) => action)

describe('prepareDeploy', () => {
  it('writes nothing', async () => {
    const chain = await startChain()

    const prepared = await prepare(chain)

    expect(actions(prepared)).toEqual(['deploy', 'deploy'])
    expect(readJournal(journalPath(folder, 31_337))).toEqual([])
  })

  it('starts over on a local chain that was begun anew, with record and journal of the old one there', async () => {
    const first = await startChain()
    await run(first.local, await prepare(first))
    const second = await startChain()

    const prepared = await prepare(second)
    const events = await run(second.local, prepared)

    expect(actions(prepared)).toEqual(['deploy', 'deploy'])
    expect(events).toEqual(['stepSent', 'stepMined', 'stepSent', 'stepMined'])
    expect(actions(await prepare(second))).toEqual(['keep', 'keep'])
  })

  it('does not send what was signed for an earlier local chain', async () => {
    const chain = await startChain()
    const journal = openJournal(journalPath(folder, 31_337), { chainId: 31_337, genesis: ZERO_BYTES32 })
    const step = 'ModelRegistry'
    journal.append({ type: 'intent', step, deployer: owner.address, nonce: 9, inputHash: ZERO_BYTES32 })
    journal.append({ type: 'signed', step, hash: ZERO_BYTES32, raw: '0x02' })
    journal.close()

    const prepared = await prepare(chain)
    const events = await run(chain.local, prepared)

    expect(prepared.isStale).toBe(true)
    expect(events).toEqual(['stepSent', 'stepMined', 'stepSent', 'stepMined'])
  })

  it('refuses an address at which there is no Infernet Registry', async () => {
    const { local, token } = await startChain()
    const consumer = hostContract({ infernetRegistry: token, host: token, delegateSigner: token })
    const wanted = [{ ...consumer, args: [token, token, token, token] }]

    const error = await caught(
      prepareDeploy(local.chain, {
        network: 'local',
        recordDir: folder,
        record: null,
        wanted,
        from: owner.address,
        restart: false,
        core: null,
      }),
    )

    expect(error.code).toBe('CONTRACT_MISSING')
    expect(error.message).toBe(`The contract at ${token} is no Infernet Registry.`)
  })
})

describe('runDeploy', () => {
  it('refuses a plan that another run has overtaken', async () => {
    const chain = await startChain()
    const early = await prepare(chain)
    await run(chain.local, await prepare(chain))

    const error = await caught(run(chain.local, early))

    expect(error.code).toBe('STATE_CONFLICT')
    expect(error.hint).toContain('again')
    expect(actions(await prepare(chain))).toEqual(['keep', 'keep'])
  })
})
