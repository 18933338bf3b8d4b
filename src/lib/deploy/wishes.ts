import type { NetworkConfig } from '../config/networks.js'
import { FlockError } from '../errors.js'
import { isAddress, type Address } from '../hex.js'
import { coreContracts, hostContract, type WantedContract } from './contracts.js'
import type { ContractName, DeploymentRecord } from './record.js'

/** What an operator asked for; null stands for the default. */
export interface DeployWishes {
  readonly withCore: boolean
  readonly host: Address | null
  readonly delegateSigner: Address | null
  readonly owner: Address | null
  readonly treasury: Address | null
  readonly paymentToken: Address | null
  readonly stakeToken: Address | null
}

export interface WishContext {
  readonly network: NetworkConfig
  readonly record: DeploymentRecord | null
  /** Who deploys. */
  readonly from: Address
}

/**
 * The contracts that fulfil the wishes. What was not asked for is as recorded, so that a second run wants the same; new
 * contracts belong to who deploys them.
 * @throws CONFIG_INVALID without an Infernet registry, INPUT_MISSING without a payment token
 */
export function wantedContracts(wishes: DeployWishes, context: WishContext): WantedContract[] {
  const { network, record, from } = context
  const infernetRegistry = network.infernetRegistry ?? record?.contracts.InfernetRegistry?.address
  if (infernetRegistry === undefined) throw noRegistry(network)
  const host = wishes.host ?? from
  const consumer = hostContract({
    infernetRegistry,
    host,
    delegateSigner: wishes.delegateSigner ?? recorded(record, 'ModelHostConsumer', 3) ?? host,
  })
  return wishes.withCore ? [...wantedCore(wishes, context), consumer] : [consumer]
}

function wantedCore(wishes: DeployWishes, { network, record, from }: WishContext): WantedContract[] {
  const before = (index: number) => recorded(record, 'RewardDistributor', index)
  const owner = wishes.owner ?? before(0) ?? from
  const paymentToken =
    wishes.paymentToken ?? before(1) ?? network.paymentToken ?? record?.contracts.PaymentToken?.address
  if (paymentToken === undefined) throw noPaymentToken(network)
  return coreContracts({
    owner,
    paymentToken,
    stakeToken: wishes.stakeToken ?? before(2) ?? paymentToken,
    treasury: wishes.treasury ?? before(4) ?? owner,
  })
}

function recorded(record: DeploymentRecord | null, name: ContractName, index: number): Address | undefined {
  const arg = record?.contracts[name]?.args[index]
  return isAddress(arg) ? arg : undefined
}

function noRegistry({ name, chainId }: NetworkConfig): FlockError {
  return new FlockError('CONFIG_INVALID', `No Infernet Registry is known on ${name} (chain ${chainId}).`, {
    details: { network: name, chainId, field: `networks.${name}.infernetRegistry` },
    hint: `Set networks.${name}.infernetRegistry in flock.yaml.`,
  })
}

function noPaymentToken({ name, chainId }: NetworkConfig): FlockError {
  return new FlockError('INPUT_MISSING', `No payment token is known on ${name} (chain ${chainId}).`, {
    details: { missing: [{ name: '--payment-token' }], network: name, chainId },
    hint: `Name the ERC-20 with --payment-token <address>, or set networks.${name}.paymentToken in flock.yaml.`,
  })
}
