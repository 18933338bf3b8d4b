import type { DeployWishes } from '../deploy/wishes.js'
import type { Address } from '../hex.js'
import { Flags, addressFlag } from './flags.js'
import { callFlags } from './spend-command.js'

/** Flags of `flock deploy`. */
export const deployFlags = {
  ...callFlags,
  core: Flags.boolean({ summary: "Deploy FLock's own contracts as well, where they do not stand yet." }),
  distributor: addressFlag({
    summary:
      "RewardDistributor of FLock's contracts on this network, when neither flock.yaml nor the record names it.",
    env: 'FLOCK_DISTRIBUTOR',
    exclusive: ['core'],
  }),
  restart: Flags.boolean({ summary: 'Deploy anew; record and journal are set aside, not deleted.' }),
  host: addressFlag({ summary: 'The model host; by default the signer.', env: 'FLOCK_HOST' }),
  'delegate-signer': addressFlag({
    summary: 'Signer of delegated subscriptions; by default the model host.',
  }),
  owner: addressFlag({
    summary: 'With --core: the owner; by default the signer.',
    dependsOn: ['core'],
  }),
  treasury: addressFlag({
    summary: 'With --core: receives claim fees; by default the owner.',
    dependsOn: ['core'],
  }),
  'payment-token': addressFlag({
    summary: 'With --core: ERC-20 of prices and fees; by default that of the network.',
    dependsOn: ['core'],
  }),
  'stake-token': addressFlag({
    summary: 'With --core: ERC-20 that is staked; by default the payment token.',
    dependsOn: ['core'],
  }),
}

type WishFlags = Readonly<
  Record<
    'host' | 'delegate-signer' | 'owner' | 'treasury' | 'payment-token' | 'stake-token',
    Address | undefined
  >
> & { readonly core: boolean }

/** The flags as the deploy room reads them. */
export function wishesOf(flags: WishFlags): DeployWishes {
  return {
    withCore: flags.core,
    host: flags.host ?? null,
    delegateSigner: flags['delegate-signer'] ?? null,
    owner: flags.owner ?? null,
    treasury: flags.treasury ?? null,
    paymentToken: flags['payment-token'] ?? null,
    stakeToken: flags['stake-token'] ?? null,
  }
}
