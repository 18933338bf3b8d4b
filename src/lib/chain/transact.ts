import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { formatAmount } from '../units.js'
import type { ContractArtifact } from './artifact.js'
import { broadcast } from './broadcast.js'
import { quoteFees } from './fees.js'
import type { Chain } from './provider.js'
import { toChainError } from './revert.js'
import type { ChainSigner } from './signer.js'
import { waitForTransaction, type MinedTransaction, type WaitOptions } from './wait.js'

export interface TransactionRequest {
  /** Null creates a contract from `data`. */
  readonly to: Address | null
  readonly data: Hex
  /** Wei of the native token to send along. */
  readonly value?: bigint
  readonly gasLimit?: bigint
  readonly maxFeePerGas?: bigint
  readonly maxPriorityFeePerGas?: bigint
  /** By default the next one after all pending transactions of the account. */
  readonly nonce?: number
}

/** A transaction whose hash is known and that was not sent yet. Sending `raw` any number of times spends once. */
export interface SignedTransaction {
  readonly hash: Hex
  readonly raw: Hex
  readonly from: Address
  readonly nonce: number
  readonly gasLimit: bigint
  readonly maxFeePerGas: bigint
  /** Most wei that it can take from the account, the value sent along included. */
  readonly maxCostWei: bigint
}

export interface PrepareOptions {
  /** ABIs whose errors the called contracts may raise. */
  readonly revertInterfaces: readonly ContractArtifact[]
  /** Refuses a transaction that could cost more. */
  readonly maxCostWei?: bigint
}

export interface SendOptions extends PrepareOptions, WaitOptions {
  /** Awaited before the transaction leaves, so that it can be written down first. */
  readonly onSigned?: (signed: SignedTransaction) => void | Promise<void>
  /** Called as soon as a node took it. */
  readonly onSent?: (hash: Hex, nonce: number) => void | Promise<void>
}

/** Added to an estimate, in percent: state may change between the estimate and the block. */
const GAS_MARGIN_PERCENT = 20n

/**
 * Tries a transaction on the chain's latest state without sending it and without a key.
 * @returns gas that it used there, without margin
 * @throws TX_REVERTED with the decoded error
 */
export async function simulateTransaction(
  chain: Chain,
  from: Address,
  request: TransactionRequest,
  revertInterfaces: readonly ContractArtifact[],
): Promise<bigint> {
  const call = { from, to: request.to, data: request.data, value: request.value ?? 0n }
  try {
    return BigInt((await chain.provider.send('eth_estimateGas', [toRpcCall(call), 'latest'])) as Hex)
  } catch (error) {
    const refused = toChainError(error, revertInterfaces)
    if (refused.code !== 'TX_REVERTED' || 'error' in refused.details) throw refused
  }
  // Some nodes tell the revert data of a call and not of an estimate.
  try {
    await chain.provider.call(call)
  } catch (error) {
    throw toChainError(error, revertInterfaces)
  }
  throw new FlockError('TX_REVERTED', 'The transaction runs out of gas in a whole block.', {
    details: { from, to: request.to },
  })
}

/** Clients differ in the state that they take by default: with what waits in the pool, a call meets its own effects. */
function toRpcCall({
  from,
  to,
  data,
  value,
}: Required<Pick<TransactionRequest, 'to' | 'data' | 'value'>> & { from: Address }) {
  return { from, ...(to === null ? {} : { to }), data, value: `0x${value.toString(16)}` }
}

/** Gas limit for an estimate. */
export function withGasMargin(estimate: bigint): bigint {
  return (estimate * (100n + GAS_MARGIN_PERCENT)) / 100n
}

/**
 * Simulates a transaction, fills in nonce, gas and fees, checks that the account can pay, and signs.
 * @throws TX_REVERTED, FUNDS_INSUFFICIENT, FEE_TOO_HIGH
 */
export async function prepareTransaction(
  chain: Chain,
  signer: Pick<ChainSigner, 'address' | 'sign'>,
  request: TransactionRequest,
  options: PrepareOptions,
): Promise<SignedTransaction> {
  const from = signer.address
  const [estimate, fees, nonce, balanceWei] = await Promise.all([
    simulateTransaction(chain, from, request, options.revertInterfaces),
    quoteFees(chain),
    request.nonce ?? chain.provider.getTransactionCount(from, 'pending'),
    chain.provider.getBalance(from, 'pending'),
  ])
  const gasLimit = request.gasLimit ?? withGasMargin(estimate)
  const maxFeePerGas = request.maxFeePerGas ?? fees.maxFeePerGas
  const tip = request.maxPriorityFeePerGas ?? fees.maxPriorityFeePerGas
  const value = request.value ?? 0n
  const maxCostWei = gasLimit * maxFeePerGas + value
  requireAffordable({ from, maxCostWei, balanceWei }, options.maxCostWei ?? null)
  const { hash, raw } = await signer.sign({
    to: request.to,
    data: request.data,
    value,
    nonce,
    gasLimit,
    maxFeePerGas,
    maxPriorityFeePerGas: tip < maxFeePerGas ? tip : maxFeePerGas,
  })
  return { hash, raw, from, nonce, gasLimit, maxFeePerGas, maxCostWei }
}

/**
 * Simulates, signs, sends and waits. One transaction of a signer is prepared and sent at a time.
 * @throws TX_REVERTED, FUNDS_INSUFFICIENT, FEE_TOO_HIGH, NONCE_CONFLICT, TX_TIMEOUT, INTERRUPTED; once the transaction
 *   left, the error's `details.txHash` names it
 */
export async function sendTransaction(
  chain: Chain,
  signer: ChainSigner,
  request: TransactionRequest,
  options: SendOptions,
): Promise<MinedTransaction> {
  const signed = await signer.inTurn(async () => {
    const prepared = await prepareTransaction(chain, signer, request, options)
    await options.onSigned?.(prepared)
    await broadcast(chain, prepared, options.signal)
    return prepared
  })
  await options.onSent?.(signed.hash, signed.nonce)
  return waitForTransaction(chain, signed, options)
}

/** What something costs at most and who pays it, in wei of the native token. */
export interface Bill {
  readonly from: Address
  readonly maxCostWei: bigint
  readonly balanceWei: bigint
}

/** @throws FEE_TOO_HIGH above the limit, FUNDS_INSUFFICIENT when the account cannot pay */
export function requireAffordable({ from, maxCostWei, balanceWei }: Bill, limitWei: bigint | null): void {
  if (limitWei !== null && maxCostWei > limitWei) {
    const amount = (wei: bigint) => formatAmount(wei, 18)
    throw new FlockError(
      'FEE_TOO_HIGH',
      `Gas could cost ${amount(maxCostWei)} in native token, allowed are ${amount(limitWei)}.`,
      { details: { maxCostWei, limitWei }, hint: 'Raise the limit or wait for lower gas prices.' },
    )
  }
  if (maxCostWei > balanceWei) throw fundsInsufficient(from, maxCostWei, balanceWei)
}

function fundsInsufficient(account: Address, neededWei: bigint, balanceWei: bigint): FlockError {
  return new FlockError(
    'FUNDS_INSUFFICIENT',
    `${account} holds ${formatAmount(balanceWei, 18)} in native token and needs up to ${formatAmount(neededWei, 18)}.`,
    {
      details: { account, neededWei, balanceWei },
      hint: `Send at least ${formatAmount(neededWei - balanceWei, 18)} of native token to the account.`,
    },
  )
}
