/** A transaction under way: all that was signed for one nonce, one of which will be mined. */
import { Transaction } from 'ethers/transaction'
import type { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import type { ContractArtifact } from './artifact.js'
import type { Fees } from './fee-policy.js'
import { hashOf, type ChainSigner } from './signer.js'

export interface OutboxCall {
  readonly to: Address
  readonly data: Hex
  /** Wei of the native token to send along. */
  readonly value?: bigint
}

export interface SignedAttempt {
  readonly hash: Hex
  readonly raw: Hex
  readonly nonce: number
}

export interface OutboxTask {
  readonly call: OutboxCall
  /** ABIs whose errors the call may raise. */
  readonly revertInterfaces: readonly ContractArtifact[]
  readonly maxGasLimit: bigint
  /**
   * Asked once the cost is known, before a nonce is taken; false ends the task.
   * @param cost gas without margin, and the price that it is likely to have, in wei per gas
   */
  admit(cost: { readonly gas: bigint; readonly gasPriceWei: bigint }): Promise<boolean>
  /** False once it would fail on the chain for good; what nobody holds is then not sent any more. */
  isWanted(): boolean
  /**
   * Awaited before the bytes leave, so that they can be written down; what was signed for the same nonce before, oldest first,
   * may be mined instead.
   */
  onSigned(signed: SignedAttempt, replaced: readonly SignedAttempt[]): Promise<void>
  /** A node took it. */
  onSent(signed: SignedAttempt): void
  /** It is not mined, and its fees cannot be raised. */
  onStalled(signed: SignedAttempt): void
  /** No nonce is taken once it aborts. What was signed is seen through. */
  readonly signal: AbortSignal
}

export interface OutboxMined {
  /** The one that was mined. */
  readonly signed: SignedAttempt
  /** The others of its nonce. */
  readonly replaced: readonly SignedAttempt[]
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly gasUsed: bigint
  /** Wei per gas that was paid. */
  readonly effectiveGasPrice: bigint
}

export interface Attempt extends SignedAttempt {
  readonly gasLimit: bigint
  readonly fees: Fees
  /** True for a transfer of nothing to the account itself, which only uses up the nonce. */
  readonly isEmpty: boolean
}

export interface Entry {
  readonly nonce: number
  /** Null for a transfer that fills a gap between nonces. */
  readonly task: OutboxTask | null
  /** Oldest first; any of them may be mined. */
  attempts: readonly Attempt[]
  /** The latest block when a node took the newest; null until one took any. */
  sentAtBlock: number | null
  /** Up to this block its fees are not raised again, unless nothing of the account is mined. */
  restsUntilBlock: number
  /** Block at which the nonce was found used without a receipt; null while it is not. */
  goneAtBlock: number | null
  /** Why the call would fail by now. */
  doomed: FlockError | null
  readonly done: Promise<OutboxMined | null>
  /** Null when the task was not wanted any more. */
  resolve(mined: OutboxMined | null): void
  reject(error: unknown): void
}

export function createEntry(nonce: number, task: OutboxTask | null, attempts: readonly Attempt[]): Entry {
  let settle: Pick<Entry, 'resolve' | 'reject'> | null = null
  const done = new Promise<OutboxMined | null>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // It may fail before anybody waits for it.
  done.catch(() => undefined)
  const { resolve, reject } = settle as unknown as Pick<Entry, 'resolve' | 'reject'>
  return {
    nonce,
    task,
    attempts,
    sentAtBlock: null,
    restsUntilBlock: 0,
    goneAtBlock: null,
    doomed: null,
    done,
    resolve,
    reject,
  }
}

/** Signs a call, or without one the empty transfer. */
export async function signAttempt(
  signer: ChainSigner,
  call: OutboxCall | null,
  { nonce, gasLimit, fees }: { readonly nonce: number; readonly gasLimit: bigint; readonly fees: Fees },
): Promise<Attempt> {
  const { to, data, value = 0n } = call ?? emptyCall(signer.address)
  const signed = await signer.sign({ to, data, value, nonce, gasLimit, ...fees })
  return { ...signed, nonce, gasLimit, fees, isEmpty: call === null }
}

export function emptyCall(account: Address): OutboxCall {
  return { to: account, data: '0x' }
}

/** Reads back what was signed before. */
export function parseAttempt(raw: Hex): Attempt {
  const { to, from, data, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas } = Transaction.from(raw)
  return {
    hash: hashOf(raw),
    raw,
    nonce,
    gasLimit,
    fees: { maxFeePerGas: maxFeePerGas ?? 0n, maxPriorityFeePerGas: maxPriorityFeePerGas ?? 0n },
    isEmpty: to === from && data === '0x',
  }
}

/** The bytes alone, without what was read from them. */
export function toSigned({ hash, raw, nonce }: SignedAttempt): SignedAttempt {
  return { hash, raw, nonce }
}
