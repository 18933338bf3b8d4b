import { describe, expect, it } from '@jest/globals'
import { deployEventText, deployPlanLines } from '../../../../src/lib/cli/views/deploy.js'
import { coreContracts, type WantedContract } from '../../../../src/lib/deploy/contracts.js'
import type { DeployStep } from '../../../../src/lib/deploy/plan.js'
import type { DeployQuote } from '../../../../src/lib/deploy/quote.js'
import type { Address } from '../../../../src/lib/hex.js'

const from: Address = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const [registry, distributor] = coreContracts({
  owner: from,
  treasury: from,
  paymentToken: from,
  stakeToken: from,
}) as [WantedContract, WantedContract]

const step = (wanted: WantedContract, action: DeployStep['action'], reason: string): DeployStep => ({
  wanted,
  action,
  reason,
  address: null,
  inputHash: null,
  history: null,
})
const quote: DeployQuote = {
  from,
  steps: [{ name: 'RewardDistributor', gasLimit: 9_000_000n, isSimulated: false }],
  maxFeePerGas: 1_500_000_000n,
  maxPriorityFeePerGas: 1n,
  maxCostWei: 13_500_000_000_000_000n,
  balanceWei: 10n ** 18n,
}
const network = { name: 'base-sepolia', chainId: 84_532 }

describe('deployPlanLines', () => {
  it('shows network, signer, steps, gas, highest cost and what is left', () => {
    const steps = [
      step(registry, 'keep', 'deployed in block 10'),
      step(distributor, 'deploy', 'not deployed yet'),
    ]
    const plan = { chainId: 84_532, network: 'base-sepolia', steps, hasWork: true }

    expect(deployPlanLines(network, { plan, quote }, null)).toEqual([
      'Network  base-sepolia (chain 84532)',
      `Signer   ${from}`,
      '',
      'CONTRACT           ACTION            GAS  WHY',
      'ModelRegistry      keep                -  deployed in block 10',
      'RewardDistributor  deploy  up to 9000000  not deployed yet',
      '',
      'Gas price      up to 1.5 gwei',
      'Highest cost   0.0135 in native token',
      'Balance        1 in native token',
      'Balance after  0.9865 in native token or more',
    ])
  })

  it('speaks of no cost where nothing is sent', () => {
    const steps = [step(registry, 'keep', 'deployed in block 10')]
    const plan = { chainId: 84_532, network: 'base-sepolia', steps, hasWork: false }

    expect(deployPlanLines(network, { plan, quote }, null).join('\n')).not.toContain('cost')
  })
})

describe('deployEventText', () => {
  it('tells a resumed transaction from a new one', () => {
    const event = { type: 'stepSent', step: 'ModelRegistry', txHash: '0xab' } as const

    expect(deployEventText({ ...event, isResumed: false })).toBe('ModelRegistry: sent as 0xab')
    expect(deployEventText({ ...event, isResumed: true })).toBe(
      'ModelRegistry: sent by an earlier run as 0xab',
    )
  })
})
