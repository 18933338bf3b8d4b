/** Reads the contracts of a FLock core that stands already, from its distributor alone. */
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { readCodeHash, readContract } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import { FlockError, isFlockError } from '../errors.js'
import { ZERO_ADDRESS, type Address } from '../hex.js'
import type { ContractName, DeployedContract, DeployedContracts } from './record.js'

/** Which getter of the distributor tells where each contract stands. */
const GETTERS: readonly [name: ContractName, getter: string][] = [
  ['PaymentToken', 'PAYMENT_TOKEN'],
  ['ModelRegistry', 'REGISTRY'],
  ['UsageMeter', 'METER'],
  ['StakeVault', 'VAULT'],
  ['EmissionProgram', 'EMISSIONS'],
]

/**
 * The core behind a distributor, as it is recorded. Who deployed it, when and with which input is left open: the block is that
 * of the look, since a host's own events cannot be older.
 * @throws CONTRACT_MISSING when there is no distributor or one of its contracts is missing
 */
export async function describeCore(chain: Chain, distributor: Address): Promise<DeployedContracts> {
  const blockNumber = await chain.provider.getBlockNumber()
  const describe = async (address: Address): Promise<DeployedContract> => {
    const codeHash = await readCodeHash(chain, address, blockNumber)
    if (codeHash === null) throw notACore(distributor, `No contract stands at ${address}`)
    return { address, txHash: null, blockNumber, deployer: ZERO_ADDRESS, args: [], codeHash }
  }
  const entries = await Promise.all(
    GETTERS.map(
      async ([name, getter]) => [name, await describe(await addressOf(chain, distributor, getter))] as const,
    ),
  )
  return { ...Object.fromEntries(entries), RewardDistributor: await describe(distributor) }
}

async function addressOf(chain: Chain, distributor: Address, getter: string): Promise<Address> {
  try {
    return await readContract<Address>(chain, rewardDistributorArtifact, distributor, getter)
  } catch (error) {
    if (!isFlockError(error) || error.kind !== 'rejected') throw error
    throw notACore(distributor, `The contract at ${distributor} is no RewardDistributor`, error)
  }
}

function notACore(distributor: Address, message: string, cause?: unknown): FlockError {
  return new FlockError('CONTRACT_MISSING', `${message}.`, {
    ...(cause === undefined ? {} : { cause }),
    details: { address: distributor },
    hint: 'Check rewardDistributor of the network in flock.yaml, or deploy a core with --core.',
  })
}
