import { FlockError } from '../errors.js'
import { type Address, parseAddress } from '../hex.js'
import { deployedAddress, deployedContractOf, readDeploymentRecord } from './record.js'

/** What is known without a record: the network, and addresses that were given. */
export interface ServedContractsWish {
  readonly chainId: number
  /** Name of the network. */
  readonly name: string
  readonly 'usage-meter'?: Address | undefined
  readonly 'model-host'?: Address | undefined
}

/**
 * The meter that receipts are signed for and the account behind the models: as given, else as recorded for the network.
 * @throws DEPLOYMENT_NOT_FOUND, RECORD_INVALID
 */
export function servedContracts(
  recordDir: string,
  wish: ServedContractsWish,
): { readonly usageMeter: Address; readonly modelHost: Address } {
  const { 'usage-meter': usageMeter, 'model-host': modelHost } = wish
  if (usageMeter !== undefined && modelHost !== undefined) return { usageMeter, modelHost }
  const record = readDeploymentRecord(recordDir, wish.chainId)
  if (record === null) {
    throw new FlockError('DEPLOYMENT_NOT_FOUND', `Nothing is recorded as deployed on ${wish.name}.`, {
      details: { network: wish.name, chainId: wish.chainId },
      hint: 'flock deploy, or give --usage-meter and --model-host.',
    })
  }
  return {
    usageMeter: usageMeter ?? deployedAddress(record, 'UsageMeter'),
    // Third argument of ModelHostConsumer's constructor: its host.
    modelHost: modelHost ?? parseAddress(deployedContractOf(record, 'ModelHostConsumer').args[2], 'host'),
  }
}
