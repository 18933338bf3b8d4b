import { Wallet } from 'ethers/wallet'
import { FlockError } from '../errors.js'
import { isBytes32, type Address, type Hex } from '../hex.js'
import type { Chain } from './provider.js'

/** An account that signs, and the turn-taking of its nonces. */
export interface ChainSigner {
  readonly address: Address
  readonly wallet: Wallet
  /** Runs tasks one after the other, so that two of them never take the same nonce. */
  inTurn<T>(task: () => Promise<T>): Promise<T>
}

/** @throws KEY_INVALID, without the key */
export function createSigner(privateKey: Hex, chain: Chain): ChainSigner {
  const wallet = openWallet(privateKey, chain)
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const turn = last.then(task, task)
    last = turn.catch(() => undefined)
    return turn
  }
  return { address: wallet.address as Address, wallet, inTurn }
}

function openWallet(privateKey: Hex, chain: Chain): Wallet {
  try {
    if (isBytes32(privateKey)) return new Wallet(privateKey, chain.provider)
  } catch {
    // Zero and numbers beyond the curve's order. The error of ethers repeats the key.
  }
  throw new FlockError('KEY_INVALID', 'The private key is not 32 bytes of a secp256k1 key.')
}
