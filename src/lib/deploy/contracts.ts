import type { ContractArtifact } from '../chain/artifact.js'
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { emissionProgramArtifact } from '../abi/emission-program.js'
import { infernetRegistryArtifact } from '../abi/infernet-registry.js'
import { modelHostConsumerArtifact } from '../abi/model-host-consumer.js'
import { modelRegistryArtifact } from '../abi/model-registry.js'
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { stakeVaultArtifact } from '../abi/stake-vault.js'
import { usageMeterArtifact } from '../abi/usage-meter.js'
import type { Address } from '../hex.js'
import type { ContractName } from './record.js'

/** The address of a contract that an earlier step deploys or the record names. */
export interface ContractRef {
  readonly contract: ContractName
}

export type ContractArg = string | ContractRef

/** A contract that shall stand on the chain. */
export interface WantedContract {
  readonly name: ContractName
  readonly artifact: ContractArtifact
  readonly args: readonly ContractArg[]
  /** Contracts that its constructor creates, and the getters that tell their addresses. */
  readonly creates: readonly { readonly name: ContractName; readonly getter: string }[]
}

export interface CoreOptions {
  readonly owner: Address
  readonly treasury: Address
  /** ERC-20 of prices, fees and escrow. */
  readonly paymentToken: Address | ContractRef
  /** ERC-20 that training nodes, validators and delegators stake. */
  readonly stakeToken: Address | ContractRef
}

export interface HostOptions {
  readonly infernetRegistry: Address
  readonly host: Address
  readonly delegateSigner: Address
}

/**
 * Least part of a model's emission for its training nodes and for its validators, in ppm; stake decides on the rest. FLock sets
 * gamma between 0 and 500,000 for its tasks; a deployment fixes it for good.
 */
const GAMMA_PPM = 100_000

/** FLock's own contracts, once a chain. */
export function coreContracts({ owner, treasury, paymentToken, stakeToken }: CoreOptions): WantedContract[] {
  return [
    { name: 'ModelRegistry', artifact: modelRegistryArtifact, args: [], creates: [] },
    {
      name: 'RewardDistributor',
      artifact: rewardDistributorArtifact,
      args: [owner, paymentToken, stakeToken, { contract: 'ModelRegistry' }, treasury, String(GAMMA_PPM)],
      creates: [
        { name: 'UsageMeter', getter: 'METER' },
        { name: 'StakeVault', getter: 'VAULT' },
        { name: 'EmissionProgram', getter: 'EMISSIONS' },
      ],
    },
  ]
}

/** The model host's contract, once a host. */
export function hostContract({ infernetRegistry, host, delegateSigner }: HostOptions): WantedContract {
  return {
    name: 'ModelHostConsumer',
    artifact: modelHostConsumerArtifact,
    args: [infernetRegistry, { contract: 'UsageMeter' }, host, delegateSigner],
    creates: [],
  }
}

/** ABIs whose errors a deployment may raise. */
export const DEPLOY_ARTIFACTS: readonly ContractArtifact[] = [
  modelRegistryArtifact,
  rewardDistributorArtifact,
  usageMeterArtifact,
  stakeVaultArtifact,
  emissionProgramArtifact,
  modelHostConsumerArtifact,
  infernetRegistryArtifact,
  eip712CoordinatorArtifact,
]
