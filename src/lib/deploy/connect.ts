/** Opens a network's chain together with what is recorded as deployed on it. */
import { join } from 'node:path'
import { requireCode } from '../chain/contracts.js'
import { openChain, type Chain } from '../chain/provider.js'
import type { NetworkConfig } from '../config/networks.js'
import { FlockError } from '../errors.js'
import type { Address } from '../hex.js'
import {
  deployedAddress,
  deployedContractOf,
  readDeploymentRecord,
  recordPath,
  type ContractName,
  type DeploymentRecord,
} from './record.js'

/** A connected chain and the contracts on it. */
export interface Deployment {
  readonly chain: Chain
  readonly record: DeploymentRecord
  /** Block from which logs of FLock's contracts can exist. */
  readonly fromBlock: number
  readonly modelRegistry: Address
  readonly rewardDistributor: Address
  readonly usageMeter: Address
  readonly stakeVault: Address
  /** @throws DEPLOYMENT_NOT_FOUND */
  addressOf(name: ContractName): Address
  close(): void
}

export interface DeploymentOptions {
  /** The project's folder, or where the command runs. */
  readonly dir: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The folder of a project's deployment records. */
export function recordDirOf(dir: string): string {
  return join(dir, 'deployments')
}

/**
 * Connects to a network on which FLock's contracts are recorded.
 * @throws DEPLOYMENT_NOT_FOUND, RECORD_INVALID, CONTRACT_MISSING when the record speaks of another life of the chain, and
 *   what `openChain` throws
 */
export async function openDeployment(
  network: NetworkConfig,
  options: DeploymentOptions,
): Promise<Deployment> {
  const record = readRecord(network, recordDirOf(options.dir))
  const registry = deployedContractOf(record, 'ModelRegistry')
  const core = {
    modelRegistry: registry.address,
    rewardDistributor: deployedAddress(record, 'RewardDistributor'),
    usageMeter: deployedAddress(record, 'UsageMeter'),
    stakeVault: deployedAddress(record, 'StakeVault'),
  }
  const chain = await openChain({
    rpcUrl: network.rpcUrl,
    expectedChainId: network.chainId,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  })
  try {
    await requireCode(chain, registry.address, 'ModelRegistry')
  } catch (error) {
    chain.close()
    throw error
  }
  return {
    chain,
    record,
    fromBlock: registry.blockNumber,
    ...core,
    addressOf: (name) => deployedAddress(record, name),
    close: () => chain.close(),
  }
}

function readRecord(network: NetworkConfig, recordDir: string): DeploymentRecord {
  const record = readDeploymentRecord(recordDir, network.chainId)
  if (record !== null) return record
  const file = recordPath(recordDir, network.chainId)
  throw new FlockError(
    'DEPLOYMENT_NOT_FOUND',
    `Nothing is recorded as deployed on ${network.name} (chain ${network.chainId}): there is no ${file}.`,
    {
      details: { file, network: network.name, chainId: network.chainId },
      hint: network.name === 'local' ? 'flock devnet' : 'flock deploy --core',
    },
  )
}
