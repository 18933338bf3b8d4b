import { FlockError } from '../errors.js'
import type { Address } from '../hex.js'
import { nearestName } from '../nearest.js'

/** A chain and what stands on it. */
export interface NetworkConfig {
  readonly name: string
  readonly chainId: number
  readonly rpcUrl: string
  /** Infernet's address book; null where none is known. */
  readonly infernetRegistry: Address | null
  /** ERC-20 that requests are paid in; null where the deployment brings its own. */
  readonly paymentToken: Address | null
  /** FLock's RewardDistributor, which leads to all of FLock's contracts; null where none is known. */
  readonly rewardDistributor: Address | null
  readonly explorerUrl: string | null
  /** Blocks after which a transaction counts as final for this program. */
  readonly confirmations: number
}

/**
 * Known networks. Registry addresses are those that Ritual's node recipes name for SDK 1.1.0; a second candidate exists
 * for Base, so commands check the getters of the registry before they rely on it.
 */
export const NETWORK_PRESETS: Readonly<Record<string, NetworkConfig>> = {
  local: {
    name: 'local',
    chainId: 31_337,
    rpcUrl: 'http://127.0.0.1:8545',
    infernetRegistry: '0x663F3ad617193148711d28f5334eE4Ed07016602',
    paymentToken: null,
    rewardDistributor: null,
    explorerUrl: null,
    confirmations: 1,
  },
  'base-sepolia': {
    name: 'base-sepolia',
    chainId: 84_532,
    rpcUrl: 'https://base-sepolia-rpc.publicnode.com',
    infernetRegistry: '0xa0113fC5967707bF44d33CF9611D66726c7449B5',
    paymentToken: null,
    rewardDistributor: null,
    explorerUrl: 'https://base-sepolia.blockscout.com',
    confirmations: 2,
  },
  base: {
    name: 'base',
    chainId: 8453,
    rpcUrl: 'https://mainnet.base.org',
    infernetRegistry: '0xe2F36C4E23D67F81fE0B278E80ee85Cf0ccA3c8d',
    paymentToken: '0x5aB3D4c385B400F3aBB49e80DE2fAF6a88A7B691',
    rewardDistributor: null,
    explorerUrl: 'https://base.blockscout.com',
    confirmations: 3,
  },
  ethereum: {
    name: 'ethereum',
    chainId: 1,
    rpcUrl: 'https://ethereum-rpc.publicnode.com',
    infernetRegistry: '0xa0113fC5967707bF44d33CF9611D66726c7449B5',
    paymentToken: null,
    rewardDistributor: null,
    explorerUrl: 'https://eth.blockscout.com',
    confirmations: 3,
  },
}

/** The preset that is used when neither project nor flag names a network. */
export const DEFAULT_NETWORK = 'local'

/**
 * The network that a command works on: chosen by name or chain id, else the project's, else the local chain.
 * @throws NETWORK_UNKNOWN
 */
export function chooseNetwork(
  config: { readonly network: string; readonly networks: Readonly<Record<string, NetworkConfig>> } | null,
  choice: { readonly network: string | null; readonly rpcUrl: string | null },
): NetworkConfig {
  const networks = config?.networks ?? NETWORK_PRESETS
  const wanted = choice.network ?? config?.network ?? DEFAULT_NETWORK
  const found =
    networks[wanted] ??
    Object.values(networks).find(({ chainId }) => /^\d+$/.test(wanted) && chainId === Number(wanted))
  if (found === undefined) throw unknownNetworkError(wanted, Object.keys(networks))
  return choice.rpcUrl === null ? found : { ...found, rpcUrl: choice.rpcUrl }
}

function unknownNetworkError(name: string, known: readonly string[]): FlockError {
  const near = nearestName(name, known)
  return new FlockError('NETWORK_UNKNOWN', `There is no network "${name}"; known are ${known.join(', ')}.`, {
    details: { network: name, known, ...(near === null ? {} : { nearest: near }) },
    hint: near === null ? `Add it under networks in flock.yaml.` : `--network ${near}`,
  })
}
