import { HDNodeWallet } from 'ethers/wallet'
import type { Address, Hex } from '../hex.js'
import { LOCAL_ACCOUNT_COUNT } from './chain-process.js'

/** What an account of the devnet stands for. */
export type DevnetRole =
  | 'owner'
  | 'infernet-node'
  | 'infernet-deployer'
  | 'requester'
  | 'model-host'
  | 'receipt-signer'
  | 'attester'
  | 'training-node'
  | 'validator'
  | 'delegator'
  | 'spare'

export interface DevnetAccount {
  readonly index: number
  readonly role: DevnetRole
  readonly address: Address
  /** Derived from a phrase that everybody knows: never use it on a public chain. */
  readonly privateKey: Hex
}

/** The phrase of anvil and Hardhat. Ritual's starter kit uses its first accounts in the same roles. */
const PUBLIC_PHRASE = 'test test test test test test test test test test test junk'
const PUBLIC_PATH = "m/44'/60'/0'/0"

/** By position. The owner also is the treasury. */
const ROLES: readonly DevnetRole[] = [
  'owner',
  'infernet-node',
  'infernet-deployer',
  'requester',
  'model-host',
  'receipt-signer',
  'attester',
  'training-node',
  'training-node',
  'validator',
  'validator',
  'delegator',
  'delegator',
  'delegator',
]

/** The accounts that a local chain funds, in order. */
export function devnetAccounts(): DevnetAccount[] {
  const parent = HDNodeWallet.fromPhrase(PUBLIC_PHRASE, '', PUBLIC_PATH)
  return Array.from({ length: LOCAL_ACCOUNT_COUNT }, (_, index) => {
    const { address, privateKey } = parent.deriveChild(index)
    return {
      index,
      role: ROLES[index] ?? 'spare',
      address: address as Address,
      privateKey: privateKey as Hex,
    }
  })
}
