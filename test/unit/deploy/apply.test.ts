import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { testTokenArtifact } from '../../../src/lib/abi/test-token.js'
import { broadcast } from '../../../src/lib/chain/broadcast.js'
import { encodeDeploy, readContract } from '../../../src/lib/chain/contracts.js'
import { createSigner, type ChainSigner } from '../../../src/lib/chain/signer.js'
import { prepareTransaction, requireAffordable, sendTransaction } from '../../../src/lib/chain/transact.js'
import { applyDeploy, type DeployEvent } from '../../../src/lib/deploy/apply.js'
import { coreContracts, type WantedContract } from '../../../src/lib/deploy/contracts.js'
import {
  journalHistory,
  journalPath,
  openJournal,
  readJournal,
  type JournalEntry,
} from '../../../src/lib/deploy/journal.js'
import { addressesInQuestion, inputHashOf, planDeploy } from '../../../src/lib/deploy/plan.js'
import { quoteDeploy, readChainFacts } from '../../../src/lib/deploy/quote.js'
import { emptyRecord, readDeploymentRecord, type DeploymentRecord } from '../../../src/lib/deploy/record.js'
import { devnetAccounts, type DevnetAccount } from '../../../src/lib/devnet/accounts.js'
import { rewardDistributorArtifact } from '../../../src/lib/abi/reward-distributor.js'
import type { Address } from '../../../src/lib/hex.js'
import { anvilRequest, startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'

const [owner, other] = devnetAccounts() as [DevnetAccount, DevnetAccount]
const sending = { confirmations: 1, timeoutMs: 20_000, revertInterfaces: [] }

let local: TestChain
let signer: ChainSigner
let folder: string
let wanted: WantedContract[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'flock-apply-'))
  local = await startAnvil()
  signer = createSigner(owner.privateKey, local.chain)
  const data = encodeDeploy(testTokenArtifact, ['Test FLOCK', 'tFLOCK'])
  const { contractAddress } = await sendTransaction(local.chain, signer, { to: null, data }, sending)
  const token = contractAddress as Address
  wanted = coreContracts({
    owner: owner.address,
    treasury: other.address,
    paymentToken: token,
    stakeToken: token,
  })
})

afterEach(async () => {
  await local.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Plans and applies as the command does; `journalled` is what an earlier run left. */
async function deploy(
  journalled: readonly JournalEntry[] = [],
): Promise<{ events: DeployEvent[]; record: DeploymentRecord }> {
  const { chain } = local
  const path = journalPath(folder, chain.chainId)
  const journal = openJournal(path, { chainId: chain.chainId, genesis: null })
  for (const entry of journalled) journal.append(entry)
  try {
    const record = readDeploymentRecord(folder, chain.chainId) ?? emptyRecord(chain.chainId, 'local')
    const history = journalHistory(readJournal(path))
    const facts = await readChainFacts(chain, addressesInQuestion(wanted, { record, history }))
    const plan = planDeploy(wanted, { record, history, facts })
    const quote = await quoteDeploy(chain, plan, signer.address, { record, facts })
    requireAffordable(quote, null)
    const run = applyDeploy(plan, {
      chain,
      signer,
      journal,
      recordDir: folder,
      record,
      facts,
      quote,
      confirmations: 1,
      timeoutMs: 5_000,
    })
    const events: DeployEvent[] = []
    for (;;) {
      const next = await run.next()
      if (next.done === true) return { events, record: next.value }
      events.push(next.value)
    }
  } finally {
    journal.close()
  }
}

const nonceOf = () => local.chain.provider.getTransactionCount(owner.address)
const [registry] = coreContracts({
  owner: owner.address,
  treasury: owner.address,
  paymentToken: owner.address,
  stakeToken: owner.address,
}) as [WantedContract]

/** The first step as an earlier run signed it. */
async function signFirstStep() {
  const data = encodeDeploy(registry.artifact, [])
  const signed = await prepareTransaction(local.chain, signer, { to: null, data }, sending)
  const { nonce, hash, raw } = signed
  const entries: JournalEntry[] = [
    {
      type: 'intent',
      step: registry.name,
      deployer: owner.address,
      nonce,
      inputHash: inputHashOf(registry, []),
    },
    { type: 'signed', step: registry.name, hash, raw },
  ]
  return { signed, entries }
}

describe('applyDeploy', () => {
  it('deploys the core, reads what it created, journals and records each step', async () => {
    const { events, record } = await deploy()

    expect(events.map(({ type, step }) => `${type} ${step}`)).toEqual([
      'stepSent ModelRegistry',
      'stepMined ModelRegistry',
      'stepSent RewardDistributor',
      'stepMined RewardDistributor',
    ])
    expect(readDeploymentRecord(folder, 31_337)).toEqual(record)
    const distributor = record.contracts.RewardDistributor?.address as Address
    const meter = await readContract(local.chain, rewardDistributorArtifact, distributor, 'METER')
    expect(record.contracts.UsageMeter).toMatchObject({ address: meter, args: [], deployer: owner.address })
    expect(record.contracts.StakeVault?.codeHash).toMatch(/^0x[0-9a-f]{64}$/)
    const types = readJournal(journalPath(folder, 31_337)).map(({ type }) => type)
    expect(types).toEqual(['opened', 'intent', 'signed', 'mined', 'intent', 'signed', 'mined'])
  })

  it('sends nothing the second time', async () => {
    const first = await deploy()
    const nonce = await nonceOf()

    const second = await deploy()

    expect(second.events.map(({ type }) => type)).toEqual(['stepKept', 'stepKept'])
    expect(second.record).toEqual(first.record)
    expect(await nonceOf()).toBe(nonce)
  })

  it('sends a transaction that an earlier run signed and never sent', async () => {
    const { signed, entries } = await signFirstStep()

    const { events } = await deploy(entries)

    expect(events[0]).toEqual({
      type: 'stepSent',
      step: 'ModelRegistry',
      txHash: signed.hash,
      isResumed: true,
    })
    expect(events[1]).toMatchObject({ type: 'stepMined', txHash: signed.hash })
    expect(await nonceOf()).toBe(signed.nonce + 2)
  })

  it('finds a transaction that was mined after the earlier run died', async () => {
    const { signed, entries } = await signFirstStep()
    await broadcast(local.chain, signed)

    const { events } = await deploy(entries)

    expect(events[1]).toMatchObject({ type: 'stepMined', txHash: signed.hash })
    expect(await nonceOf()).toBe(signed.nonce + 2)
  })

  it('makes the record again from the journal when it was lost', async () => {
    const { record } = await deploy()
    const nonce = await nonceOf()
    rmSync(join(folder, '31337.json'))

    const again = await deploy()

    expect(again.record).toEqual(record)
    expect(await nonceOf()).toBe(nonce)
  })

  it('deploys anew when another transaction took the nonce', async () => {
    const { signed, entries } = await signFirstStep()
    await sendTransaction(local.chain, signer, { to: other.address, data: '0x', value: 1n }, sending)

    const { events, record } = await deploy(entries)

    expect(events[0]).toMatchObject({ txHash: signed.hash, isResumed: true })
    expect(events[1]).toMatchObject({ type: 'stepSent', isResumed: false })
    expect(record.contracts.ModelRegistry?.txHash).not.toBe(signed.hash)
    expect(await nonceOf()).toBe(signed.nonce + 3)
  })

  it('raises the fee of a signed transaction that no block would take, under the same nonce', async () => {
    const { signed, entries } = await signFirstStep()
    await anvilRequest(local.chain, 'anvil_setNextBlockBaseFeePerGas', [
      `0x${(signed.maxFeePerGas * 2n).toString(16)}`,
    ])
    await anvilRequest(local.chain, 'evm_mine')

    const { events, record } = await deploy(entries)

    expect(events[1]).toMatchObject({ type: 'stepMined', step: 'ModelRegistry' })
    expect(record.contracts.ModelRegistry?.txHash).not.toBe(signed.hash)
    expect(await nonceOf()).toBe(signed.nonce + 2)
  })

  it('says what was deployed when a later step fails', async () => {
    const { chain } = local
    const path = journalPath(folder, chain.chainId)
    const record = emptyRecord(chain.chainId, 'local')
    const facts = await readChainFacts(chain, [])
    const plan = planDeploy(wanted, { record, history: new Map(), facts })
    const quote = await quoteDeploy(chain, plan, signer.address, { record, facts })
    const journal = openJournal(path, { chainId: chain.chainId, genesis: null })
    const run = applyDeploy(plan, {
      chain,
      signer,
      journal,
      recordDir: folder,
      record,
      facts,
      quote,
      confirmations: 1,
      timeoutMs: 5_000,
    })

    const error = await caught(async () => {
      for await (const event of run) {
        if (event.type === 'stepMined') await anvilRequest(chain, 'anvil_setBalance', [owner.address, '0x1'])
      }
    })
    journal.close()

    expect(error.code).toBe('PARTIAL')
    expect(error.details).toMatchObject({
      code: 'FUNDS_INSUFFICIENT',
      step: 'RewardDistributor',
      deployed: ['ModelRegistry'],
    })
    expect(readDeploymentRecord(folder, chain.chainId)?.contracts.ModelRegistry).toBeDefined()
  })
})

describe('quoteDeploy', () => {
  it('bounds what the deployment costs', async () => {
    const { chain } = local
    const record = emptyRecord(chain.chainId, 'local')
    const facts = await readChainFacts(chain, [])
    const plan = planDeploy(wanted, { record, history: new Map(), facts })
    const quote = await quoteDeploy(chain, plan, signer.address, { record, facts })

    const { events } = await deploy()

    expect(quote.steps.map(({ name, isSimulated }) => [name, isSimulated])).toEqual([
      ['ModelRegistry', true],
      ['RewardDistributor', false],
    ])
    for (const event of events) {
      if (event.type !== 'stepMined') continue
      const step = quote.steps.find(({ name }) => name === event.step)
      expect(step?.gasLimit).toBeGreaterThan(event.gasUsed)
    }
    const spent = quote.balanceWei - (await chain.provider.getBalance(owner.address))
    expect(quote.maxCostWei).toBeGreaterThan(spent)
  })

  it('refuses a deployment that the account cannot pay as a whole', async () => {
    await anvilRequest(local.chain, 'anvil_setBalance', [owner.address, '0x2386f26fc10000'])
    await anvilRequest(local.chain, 'anvil_setNextBlockBaseFeePerGas', ['0x174876e800'])
    await anvilRequest(local.chain, 'evm_mine')

    const error = await caught(deploy())

    expect(error.code).toBe('FUNDS_INSUFFICIENT')
    expect(readJournal(journalPath(folder, 31_337))).toHaveLength(1)
  })

  it('passes on why a constructor would fail', async () => {
    const bad = coreContracts({
      owner: owner.address,
      treasury: owner.address,
      paymentToken: '0x0000000000000000000000000000000000000000',
      stakeToken: owner.address,
    }).slice(1)
    wanted = [registry]
    const { record } = await deploy()
    wanted = [registry, ...bad]

    const error = await caught(deploy())

    expect(error.code).toBe('TX_REVERTED')
    expect(error.details).toMatchObject({ contract: 'RewardDistributor', error: 'AddressMissing' })
    expect(readDeploymentRecord(folder, 31_337)).toEqual(record)
  })
})
