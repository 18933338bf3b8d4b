import { describe, expect, it } from '@jest/globals'
import { coreContracts, hostContract } from '../../../src/lib/deploy/contracts.js'
import type { JournalHistory, StepHistory } from '../../../src/lib/deploy/journal.js'
import {
  addressesInQuestion,
  inputHashOf,
  planDeploy,
  type ChainFacts,
  type PlanInput,
} from '../../../src/lib/deploy/plan.js'
import {
  emptyRecord,
  withContracts,
  withoutContracts,
  type ContractName,
  type DeployedContract,
  type DeploymentRecord,
} from '../../../src/lib/deploy/record.js'
import type { Address, Hex } from '../../../src/lib/hex.js'
import { caught } from '../../helpers/caught.js'

const owner: Address = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const token: Address = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const registry: Address = '0x663F3ad617193148711d28f5334eE4Ed07016602'
const at: Record<string, Address> = {
  ModelRegistry: '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1',
  RewardDistributor: '0x8438Ad1C834623CfF278AB6829a248E37C2D7E3f',
  UsageMeter: '0xBC9129Dc0487fc2E169941C75aABC539f208fb01',
  StakeVault: '0x6e989C01a3e3A94C973A62280a72EC335598490e',
  EmissionProgram: '0x1C4D1FCAdd2F1dBb1Ae8bB1eb2b2b8F2d9B4b6C0',
  ModelHostConsumer: '0xF6168876932289D073567f347121A267095f3DD6',
}
const address = (name: ContractName) => at[name] as Address
const code = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`

const core = coreContracts({ owner, treasury: owner, paymentToken: token, stakeToken: token })
const host = hostContract({ infernetRegistry: registry, host: owner, delegateSigner: owner })
const [modelRegistry, distributor] = core as [(typeof core)[0], (typeof core)[0]]
const distributorArgs = [owner, token, token, address('ModelRegistry'), owner, '100000']
const hostArgs = [registry, address('UsageMeter'), owner, owner]

function deployed(name: ContractName, args: readonly string[], inputHash?: Hex): DeployedContract {
  return {
    address: address(name),
    txHash: code(99),
    blockNumber: 10,
    deployer: owner,
    args,
    codeHash: code(1),
    ...(inputHash === undefined ? {} : { inputHash }),
  }
}

const empty = emptyRecord(84_532, 'base-sepolia')
const full: DeploymentRecord = withContracts(empty, {
  ModelRegistry: deployed('ModelRegistry', [], inputHashOf(modelRegistry, [])),
  RewardDistributor: deployed(
    'RewardDistributor',
    distributorArgs,
    inputHashOf(distributor, distributorArgs),
  ),
  UsageMeter: deployed('UsageMeter', []),
  StakeVault: deployed('StakeVault', []),
  EmissionProgram: deployed('EmissionProgram', []),
  ModelHostConsumer: deployed('ModelHostConsumer', hostArgs, inputHashOf(host, hostArgs)),
})
const standing = new Map<Address, Hex | null>(Object.values(at).map((each) => [each, code(1)]))
const nothing: JournalHistory = new Map()

function input(changes: Partial<Omit<PlanInput, 'facts'>> & { facts?: Partial<ChainFacts> }): PlanInput {
  return {
    record: changes.record ?? empty,
    history: changes.history ?? nothing,
    facts: { latestBlock: 100, codeHashes: standing, isDisposable: false, ...changes.facts },
  }
}

function sent(inputHash: Hex, mined: StepHistory['mined'] = null): StepHistory {
  return { deployer: owner, nonce: 0, inputHash, sent: [{ hash: code(5), raw: '0x02' }], mined }
}

const actions = (plan: ReturnType<typeof planDeploy>) => plan.steps.map(({ action }) => action)

describe('planDeploy', () => {
  it('deploys everything, in order, where nothing is recorded', () => {
    const plan = planDeploy([...core, host], input({}))

    expect(plan.steps.map(({ wanted, action }) => [wanted.name, action])).toEqual([
      ['ModelRegistry', 'deploy'],
      ['RewardDistributor', 'deploy'],
      ['ModelHostConsumer', 'deploy'],
    ])
    expect(plan.steps.map(({ inputHash }) => inputHash === null)).toEqual([false, true, true])
    expect(plan.hasWork).toBe(true)
  })

  it('keeps everything that stands as recorded', () => {
    const plan = planDeploy([...core, host], input({ record: full }))

    expect(actions(plan)).toEqual(['keep', 'keep', 'keep'])
    expect(plan.steps[0]?.reason).toBe('deployed in block 10')
    expect(plan.hasWork).toBe(false)
  })

  it('deploys the host contract alone on a recorded core', () => {
    const record = withoutContracts(full, ['ModelHostConsumer'])

    const plan = planDeploy([host], input({ record }))

    expect(actions(plan)).toEqual(['deploy'])
    expect(plan.steps[0]?.inputHash).toBe(inputHashOf(host, hostArgs))
  })

  it('says that the core is missing, and how to deploy it', async () => {
    const error = await caught(() => planDeploy([host], input({})))

    expect(error.code).toBe('DEPLOYMENT_NOT_FOUND')
    expect(error.message).toContain('ModelHostConsumer needs UsageMeter')
    expect(error.hint).toContain('--core')
  })

  it('names the step and the argument that changed', async () => {
    const other = hostContract({ infernetRegistry: registry, host: token, delegateSigner: owner })

    const error = await caught(() => planDeploy([other], input({ record: full })))

    expect(error.code).toBe('DEPLOYMENT_CHANGED')
    expect(error.message).toContain(`host was ${owner} and is ${token}`)
    expect(error.hint).toContain('--restart')
    expect(error.details).toMatchObject({ step: 'ModelHostConsumer' })
  })

  it('refuses when the code to deploy is other than what was deployed', async () => {
    const record = withContracts(full, { ModelRegistry: deployed('ModelRegistry', [], code(77)) })

    const error = await caught(() => planDeploy(core, input({ record })))

    expect(error.code).toBe('DEPLOYMENT_CHANGED')
    expect(error.message).toContain('ModelRegistry')
  })

  it('refuses when a lasting chain has other code than recorded', async () => {
    const codeHashes = new Map(standing).set(address('ModelRegistry'), null)

    const error = await caught(() => planDeploy(core, input({ record: full, facts: { codeHashes } })))

    expect(error.code).toBe('DEPLOYMENT_CHANGED')
    expect(error.message).toContain(address('ModelRegistry'))
  })

  it('deploys anew on a local chain that was begun anew', () => {
    const facts = { codeHashes: new Map<Address, Hex | null>(), isDisposable: true, latestBlock: 0 }
    const history: JournalHistory = new Map([
      ['ModelRegistry', sent(code(3), { hash: code(5), address: address('ModelRegistry'), blockNumber: 10 })],
    ])

    expect(actions(planDeploy([...core, host], input({ record: full, facts })))).toEqual([
      'deploy',
      'deploy',
      'deploy',
    ])
    expect(actions(planDeploy(core, input({ history, facts })))).toEqual(['deploy', 'deploy'])
  })

  it('waits for an endpoint that is behind the record instead of deploying twice', async () => {
    const facts = { latestBlock: 9, codeHashes: new Map<Address, Hex | null>() }

    const error = await caught(() => planDeploy(core, input({ record: full, facts })))

    expect(error.code).toBe('RPC_FAILED')
    expect(error.kind).toBe('unavailable')
    expect(error.message).toContain('knows block 9, the record speaks of block 10')
  })

  it('finishes what an earlier run had signed', () => {
    const history: JournalHistory = new Map([['ModelRegistry', sent(inputHashOf(modelRegistry, []))]])

    const plan = planDeploy(core, input({ history }))

    expect(actions(plan)).toEqual(['finish', 'deploy'])
    expect(plan.steps[0]?.reason).toBe('sent by an earlier run')
  })

  it('finishes what was mined and not recorded, and knows its address', () => {
    const mined = { hash: code(5), address: address('ModelRegistry'), blockNumber: 10 }
    const history: JournalHistory = new Map([['ModelRegistry', sent(inputHashOf(modelRegistry, []), mined)]])

    const plan = planDeploy(core, input({ history }))

    expect(plan.steps[0]).toMatchObject({ action: 'finish', address: address('ModelRegistry') })
    expect(plan.steps[1]?.inputHash).toBe(inputHashOf(distributor, distributorArgs))
  })

  it('starts over a step of which only the intent was noted', () => {
    const history: JournalHistory = new Map([['ModelRegistry', { ...sent(code(3)), sent: [] }]])

    expect(actions(planDeploy(core, input({ history })))).toEqual(['deploy', 'deploy'])
  })

  it('refuses to finish a step with other input', async () => {
    const history: JournalHistory = new Map([['ModelRegistry', sent(code(3))]])

    const error = await caught(() => planDeploy(core, input({ history })))

    expect(error.code).toBe('DEPLOYMENT_CHANGED')
    expect(error.message).toContain('ModelRegistry was sent by an earlier run')
  })

  it('refuses a record that names a contract without those it created', async () => {
    const record = withoutContracts(full, ['UsageMeter'])

    const error = await caught(() => planDeploy(core, input({ record })))

    expect(error.code).toBe('RECORD_INVALID')
    expect(error.message).toContain('UsageMeter')
  })
})

describe('addressesInQuestion', () => {
  it('names recorded and journalled contracts, those they create and those they refer to', () => {
    const history: JournalHistory = new Map([
      ['ModelHostConsumer', sent(code(3), { hash: code(5), address: token, blockNumber: 10 })],
    ])

    expect(new Set(addressesInQuestion([host], { record: full, history }))).toEqual(
      new Set([address('ModelHostConsumer'), address('UsageMeter'), token]),
    )
    expect(new Set(addressesInQuestion(core, { record: full, history }))).toEqual(
      new Set([
        address('ModelRegistry'),
        address('RewardDistributor'),
        address('UsageMeter'),
        address('StakeVault'),
        address('EmissionProgram'),
      ]),
    )
  })
})
