/** Reads from the chain what to record of a contract that was just deployed. */
import { readCodeHash, readContract } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import type { MinedTransaction } from '../chain/wait.js'
import { FlockError, isFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { retry } from '../retry.js'
import type { WantedContract } from './contracts.js'
import { inputHashOf } from './plan.js'
import type { ContractName, DeployedContract, DeployedContracts } from './record.js'

/** Looks, on endpoints some of whose nodes lag behind the one that told the receipt. */
const LOOKS = 6
const LOOK_DELAY_MS = 500

/** The contract that a transaction created and those that its constructor created in turn. */
export async function describeDeployed(
  chain: Chain,
  wanted: WantedContract,
  args: readonly string[],
  mined: MinedTransaction,
  signal?: AbortSignal,
): Promise<DeployedContracts> {
  const address = createdAddress(mined)
  const { blockNumber } = mined
  const origin = { txHash: mined.hash, blockNumber, deployer: mined.from }
  const look = async () => {
    const contracts: Partial<Record<ContractName, DeployedContract>> = {}
    const codeHash = await codeHashOf(chain, address, blockNumber)
    contracts[wanted.name] = { address, ...origin, args, codeHash, inputHash: inputHashOf(wanted, args) }
    for (const { name, getter } of wanted.creates) {
      const child = await readContract<Address>(chain, wanted.artifact, address, getter, [], blockNumber)
      const childHash = await codeHashOf(chain, child, blockNumber)
      contracts[name] = { address: child, ...origin, args: [], codeHash: childHash }
    }
    return contracts
  }
  return retry(look, {
    attempts: LOOKS,
    delayMs: LOOK_DELAY_MS,
    ...(signal === undefined ? {} : { signal }),
    isRetryable: (error) =>
      isFlockError(error) && (error.kind === 'unavailable' || error.code === 'CONTRACT_MISSING'),
  })
}

/** @throws RPC_FAILED when the receipt names no contract */
export function createdAddress(mined: MinedTransaction): Address {
  if (mined.contractAddress !== null) return mined.contractAddress
  throw new FlockError('RPC_FAILED', `The receipt of ${mined.hash} names no contract.`, {
    details: { txHash: mined.hash },
  })
}

async function codeHashOf(chain: Chain, address: Address, blockNumber: number): Promise<Hex> {
  const hash = await readCodeHash(chain, address, blockNumber)
  if (hash !== null) return hash
  throw new FlockError('CONTRACT_MISSING', `No contract stands at ${address} in block ${blockNumber}.`, {
    details: { address, blockNumber },
  })
}
