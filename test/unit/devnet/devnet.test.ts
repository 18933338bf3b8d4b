import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { feeArtifact } from '../../../src/lib/abi/fee.js'
import { infernetRegistryArtifact } from '../../../src/lib/abi/infernet-registry.js'
import { rewardDistributorArtifact } from '../../../src/lib/abi/reward-distributor.js'
import { testTokenArtifact } from '../../../src/lib/abi/test-token.js'
import { walletArtifact } from '../../../src/lib/abi/wallet.js'
import { readCodeHash, readContract } from '../../../src/lib/chain/contracts.js'
import {
  contractList,
  deployedAddress,
  readDeploymentRecord,
  withContracts,
  writeDeploymentRecord,
  type DeployedContract,
} from '../../../src/lib/deploy/record.js'
import { journalPath, openJournal } from '../../../src/lib/deploy/journal.js'
import { sleep } from '../../../src/lib/retry.js'
import { anvilRequest, startAnvil } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { startTestDevnet, type TestDevnet } from '../../helpers/devnet.js'

let folder: string
const running: TestDevnet[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flock-devnet-'))
})

afterEach(async () => {
  for (const devnet of running.splice(0)) await devnet.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(...args: Parameters<typeof startTestDevnet>): Promise<TestDevnet> {
  const devnet = await startTestDevnet(...args)
  running.push(devnet)
  return devnet
}

const hostContract: DeployedContract = {
  address: '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e',
  txHash: null,
  blockNumber: 1,
  deployer: '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
  args: [],
  codeHash: `0x${'11'.repeat(32)}`,
}

describe('a fresh devnet', () => {
  it('has Infernet where the chain of the starter kit has it', async () => {
    const { devnet, chain, account } = await start()

    expect(deployedAddress(devnet.record, 'InfernetRegistry')).toBe(
      '0x663F3ad617193148711d28f5334eE4Ed07016602',
    )
    const registry = deployedAddress(devnet.record, 'InfernetRegistry')
    const read = (fn: string) => readContract(chain, infernetRegistryArtifact, registry, fn)
    expect(await read('COORDINATOR')).toBe('0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1')
    expect(await read('INBOX')).toBe('0x8438Ad1C834623CfF278AB6829a248E37C2D7E3f')
    expect(await read('READER')).toBe('0xBC9129Dc0487fc2E169941C75aABC539f208fb01')
    expect(await read('FEE')).toBe('0x6e989C01a3e3A94C973A62280a72EC335598490e')
    expect(await read('WALLET_FACTORY')).toBe('0xF6168876932289D073567f347121A267095f3DD6')
    const fee = deployedAddress(devnet.record, 'Fee')
    expect(await readContract(chain, feeArtifact, fee, 'FEE')).toBe(0n)
    expect(await readContract(chain, feeArtifact, fee, 'FEE_RECIPIENT')).toBe(
      account('infernet-deployer').address,
    )
    expect(devnet.nodeWallet).toBe('0x60985ee8192B322c3CAbA97A9A9f7298bdc4335C')
    expect(await readContract(chain, walletArtifact, devnet.nodeWallet, 'owner')).toBe(
      account('infernet-node').address,
    )
    expect(await chain.provider.getTransactionCount(account('infernet-deployer').address)).toBe(7)
  })

  it('has the FLock core, an attester and tokens for everyone', async () => {
    const { devnet, chain, account } = await start()

    const distributor = deployedAddress(devnet.record, 'RewardDistributor')
    const read = (fn: string, args: unknown[] = []) =>
      readContract(chain, rewardDistributorArtifact, distributor, fn, args)
    expect(await read('METER')).toBe(deployedAddress(devnet.record, 'UsageMeter'))
    expect(await read('VAULT')).toBe(deployedAddress(devnet.record, 'StakeVault'))
    expect(await read('EMISSIONS')).toBe(deployedAddress(devnet.record, 'EmissionProgram'))
    expect(await read('REGISTRY')).toBe(deployedAddress(devnet.record, 'ModelRegistry'))
    expect(await read('owner')).toBe(account('owner').address)
    expect(await read('isAttester', [account('attester').address])).toBe(true)
    const token = deployedAddress(devnet.record, 'PaymentToken')
    const balances = await Promise.all(
      devnet.accounts.map(({ address }) =>
        readContract(chain, testTokenArtifact, token, 'balanceOf', [address]),
      ),
    )
    expect(new Set(balances)).toEqual(new Set([1_000_000n * 10n ** 18n]))
  })

  it('records everything with the code that stands there', async () => {
    const { devnet, chain, recordDir } = await start()

    const record = readDeploymentRecord(recordDir, 31_337)

    expect(record).toEqual(devnet.record)
    const contracts = contractList(devnet.record.contracts)
    expect(contracts).toHaveLength(12)
    for (const { address, codeHash } of contracts) expect(await readCodeHash(chain, address)).toBe(codeHash)
  })

  it('forgets what was recorded about an earlier chain', async () => {
    const first = await start({ recordDir: folder })
    writeDeploymentRecord(folder, withContracts(first.devnet.record, { ModelHostConsumer: hostContract }))
    openJournal(journalPath(folder, 31_337), { chainId: 31_337, genesis: null }).close()

    const second = await start({ recordDir: folder })

    expect(second.devnet.record.contracts.ModelHostConsumer).toBeUndefined()
    expect(existsSync(journalPath(folder, 31_337))).toBe(false)
  })

  it('mines at intervals when a block time is asked for', async () => {
    const { chain } = await start({ blockTimeSec: 1 })
    const before = await chain.provider.getBlockNumber()

    while ((await chain.provider.getBlockNumber()) < before + 2) await sleep(50)
  })
})

describe('a devnet with a state file', () => {
  it('goes on where it stopped, and keeps the record of contracts that still stand', async () => {
    const statePath = join(folder, 'state', 'chain.json')
    const first = await startTestDevnet({ recordDir: folder, statePath })
    const consumer = { ...hostContract, ...first.devnet.record.contracts.Inbox }
    writeDeploymentRecord(folder, withContracts(first.devnet.record, { ModelHostConsumer: consumer }))
    const block = await first.chain.provider.getBlockNumber()
    await first.close()

    const second = await start({ recordDir: folder, statePath })

    expect(first.devnet.isRestored).toBe(false)
    expect(second.devnet.isRestored).toBe(true)
    expect(await second.chain.provider.getBlockNumber()).toBe(block)
    expect(second.devnet.record).toEqual(withContracts(first.devnet.record, { ModelHostConsumer: consumer }))
  })

  it('finds its contracts again when the record is lost', async () => {
    const statePath = join(folder, 'chain.json')
    const first = await startTestDevnet({ recordDir: folder, statePath })
    await first.close()
    rmSync(join(folder, '31337.json'))

    const second = await start({ recordDir: folder, statePath })

    const bare = ({ record }: TestDevnet['devnet']) =>
      contractList(record.contracts).map(({ name, address, codeHash, args }) => ({
        name,
        address,
        codeHash,
        args,
      }))
    expect(bare(second.devnet)).toEqual(bare(first.devnet))
  })

  it('refuses the state of another chain', async () => {
    const statePath = join(folder, 'chain.json')
    const other = await startAnvil({ statePath })
    await anvilRequest(other.chain, 'evm_mine')
    await other.close()

    const error = await caught(startTestDevnet({ recordDir: folder, statePath }))

    expect(error.code).toBe('CHAIN_START_FAILED')
    expect(error.message).toContain('The state file holds another chain: no InfernetRegistry at 0x663F3ad6')
  })

  it('refuses a state file that cannot be written before it starts anything', async () => {
    writeFileSync(join(folder, 'file'), '')

    const error = await caught(
      startTestDevnet({ recordDir: folder, statePath: join(folder, 'file', 'state.json') }),
    )

    expect(error.code).toBe('PATH_UNWRITABLE')
  })
})
