import { keccak256 } from 'ethers/crypto'
import { Wallet } from 'ethers/wallet'
import { FlockError } from '../errors.js'
import { isBytes32, type Address, type Hex } from '../hex.js'
import type { Chain } from './provider.js'

/** A transaction of EIP-1559 in full. */
export interface TransactionFields {
  /** Null creates a contract from `data`. */
  readonly to: Address | null
  readonly data: Hex
  readonly value: bigint
  readonly nonce: number
  readonly gasLimit: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** An account that signs, and the turn-taking of its nonces. */
export interface ChainSigner {
  readonly address: Address
  readonly wallet: Wallet
  /** Signs for the signer's chain, and sends nothing. */
  sign(fields: TransactionFields): Promise<{ readonly hash: Hex; readonly raw: Hex }>
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
  const sign = async (fields: TransactionFields) => {
    const raw = (await wallet.signTransaction({ type: 2, chainId: chain.chainId, ...fields })) as Hex
    return { hash: hashOf(raw), raw }
  }
  return { address: wallet.address as Address, wallet, sign, inTurn }
}

/** The hash under which a signed transaction is mined. */
export function hashOf(raw: Hex): Hex {
  return keccak256(raw) as Hex
}

function openWallet(privateKey: Hex, chain: Chain): Wallet {
  try {
    if (isBytes32(privateKey)) return new Wallet(privateKey, chain.provider)
  } catch {
    // Zero and numbers beyond the curve's order. The error of ethers repeats the key.
  }
  throw new FlockError('KEY_INVALID', 'The private key is not 32 bytes of a secp256k1 key.')
}
