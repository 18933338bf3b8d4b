import type { NetworkConfig } from '../../config/networks.js'
import type { DeployEvent } from '../../deploy/apply.js'
import type { PreparedDeploy } from '../../deploy/prepare.js'
import type { ContractName, DeploymentRecord } from '../../deploy/record.js'
import type { Address, Hex } from '../../hex.js'
import { formatAmount } from '../../units.js'
import { pairLines, tableLines } from './table.js'

/** Gas coins of the networks have 18 decimals. */
const NATIVE_DECIMALS = 18

/** The outcome of `flock deploy`. Amounts are wei of the native token. */
export interface DeployJson {
  readonly network: string
  readonly chainId: number
  /** False when everything stood already, and in a dry run. */
  readonly changed: boolean
  readonly dryRun: boolean
  /** The model host's contract; null in a dry run that would deploy it. */
  readonly consumer: Address | null
  readonly contracts: Readonly<Partial<Record<ContractName, Address>>>
  readonly steps: readonly DeployStepJson[]
  /** What it costs at most; null when nothing is sent. */
  readonly cost: DeployCostJson | null
  readonly recordFile: string
}

export interface DeployStepJson {
  readonly contract: ContractName
  readonly action: 'keep' | 'finish' | 'deploy'
  readonly reason: string
  readonly address: Address | null
  readonly txHash: Hex | null
  readonly blockNumber: number | null
  readonly gasUsed: bigint | null
}

export interface DeployCostJson {
  readonly from: Address
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  readonly maxCostWei: bigint
  readonly balanceWei: bigint
}

/** What will be done, by whom, where, and for how much at most. */
export function deployPlanLines(
  network: Pick<NetworkConfig, 'name' | 'chainId'>,
  { plan, quote }: Pick<PreparedDeploy, 'plan' | 'quote'>,
  width: number | null,
): string[] {
  const native = (wei: bigint) => `${formatAmount(wei > 0n ? wei : 0n, NATIVE_DECIMALS)} in native token`
  const head = pairLines([
    ['Network', `${network.name} (chain ${network.chainId})`],
    ['Signer', quote.from],
  ])
  const steps = tableLines(
    plan.steps,
    [
      { header: 'CONTRACT', value: ({ wanted }) => wanted.name },
      { header: 'ACTION', value: ({ action }) => action },
      { header: 'GAS', value: ({ wanted }) => gasText(wanted.name, quote), align: 'right' },
      { header: 'WHY', value: ({ reason }) => reason, minWidth: 12 },
    ],
    width,
  )
  if (!plan.hasWork) return [...head, '', ...steps]
  const cost = pairLines([
    ['Gas price', `up to ${formatAmount(quote.maxFeePerGas, 9)} gwei`],
    ['Highest cost', native(quote.maxCostWei)],
    ['Balance', native(quote.balanceWei)],
    ['Balance after', `${native(quote.balanceWei - quote.maxCostWei)} or more`],
  ])
  return [...head, '', ...steps, '', ...cost]
}

/** What the progress line says of an event. */
export function deployEventText(event: DeployEvent): string {
  switch (event.type) {
    case 'stepKept':
      return `${event.step} stands at ${event.address}`
    case 'stepSent':
      return `${event.step}: ${event.isResumed ? 'sent by an earlier run' : 'sent'} as ${event.txHash}`
    case 'stepMined':
      return `${event.step} deployed at ${event.address} in block ${event.blockNumber}, ${event.txHash}`
  }
}

export interface DeployOutcome {
  readonly prepared: PreparedDeploy
  readonly network: Pick<NetworkConfig, 'name' | 'chainId'>
  readonly dryRun: boolean
  /** The record afterwards. */
  readonly record: DeploymentRecord
  readonly contracts: DeployJson['contracts']
  readonly events: readonly DeployEvent[]
  readonly recordFile: string
}

export function deployJson(outcome: DeployOutcome): DeployJson {
  const { prepared, network, dryRun, record, contracts, events, recordFile } = outcome
  const { plan, quote } = prepared
  return {
    network: network.name,
    chainId: network.chainId,
    changed: plan.hasWork && !dryRun,
    dryRun,
    consumer: record.contracts.ModelHostConsumer?.address ?? null,
    contracts,
    steps: plan.steps.map(({ wanted, action, reason }) => {
      const mined = events.find((event) => event.type === 'stepMined' && event.step === wanted.name)
      const recorded = record.contracts[wanted.name]
      return {
        contract: wanted.name,
        action,
        reason,
        address: recorded?.address ?? null,
        txHash: recorded?.txHash ?? null,
        blockNumber: recorded?.blockNumber ?? null,
        gasUsed: mined?.type === 'stepMined' ? mined.gasUsed : null,
      }
    }),
    cost: plan.hasWork ? costJson(quote) : null,
    recordFile,
  }
}

function costJson(quote: PreparedDeploy['quote']): DeployCostJson {
  const { from, steps, maxFeePerGas, maxCostWei, balanceWei } = quote
  const gas = steps.reduce((sum, { gasLimit }) => sum + gasLimit, 0n)
  return { from, gas, maxFeePerGas, maxCostWei, balanceWei }
}

function gasText(name: ContractName, { steps }: PreparedDeploy['quote']): string {
  const step = steps.find((candidate) => candidate.name === name)
  if (step === undefined) return '-'
  return step.isSimulated ? String(step.gasLimit) : `up to ${step.gasLimit}`
}
