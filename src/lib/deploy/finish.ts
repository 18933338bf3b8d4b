import { getCreateAddress } from 'ethers/address'
import { Transaction } from 'ethers/transaction'
import { broadcast } from '../chain/broadcast.js'
import { quoteFees } from '../chain/fees.js'
import type { Chain } from '../chain/provider.js'
import type { ChainSigner } from '../chain/signer.js'
import { hashOf } from '../chain/signer.js'
import {
  findTransaction,
  waitForTransaction,
  type MinedTransaction,
  type WaitOptions,
} from '../chain/wait.js'
import { isFlockError } from '../errors.js'
import { sameAddress, type Hex } from '../hex.js'
import type { StepHistory } from './journal.js'

export interface SentTransaction {
  readonly hash: Hex
  readonly raw: Hex
}

export interface FinishContext extends WaitOptions {
  readonly chain: Chain
  readonly signer: ChainSigner
  /** Writes down a replacement before it is sent. */
  readonly onSigned: (transaction: SentTransaction) => void
}

/**
 * Brings a step to its end whose transaction was signed by an earlier run, whatever became of it since: mined, waiting,
 * forgotten by the node or never sent. All its transactions have one nonce, so at most one contract comes of them.
 * @returns the mined transaction, or null when it is certain that none of them created the contract or ever will
 */
export async function finishSent(
  history: StepHistory,
  context: FinishContext,
): Promise<MinedTransaction | null> {
  const { chain } = context
  const sent = [...history.sent]
  const mined = await firstMined(chain, sent)
  if (mined !== null) return settle(mined, history, context)
  if ((await nonceOutcome(history, context)) === 'lost') return null
  const current = await repriced(history, context)
  if (!sent.includes(current)) sent.push(current)
  try {
    await broadcast(chain, current, context.signal)
    return await settle(current, history, context)
  } catch (error) {
    if (!isFlockError(error) || error.code !== 'NONCE_CONFLICT') throw error
    const other = await firstMined(chain, sent)
    if (other !== null) return settle(other, history, context)
    if ((await nonceOutcome(history, context)) === 'lost') return null
    throw error
  }
}

async function settle(
  transaction: SentTransaction,
  history: StepHistory,
  context: FinishContext,
): Promise<MinedTransaction | null> {
  try {
    return await waitForTransaction(context.chain, transaction, context)
  } catch (error) {
    const isReverted = isFlockError(error) && error.code === 'TX_REVERTED'
    if (isReverted && (await nonceOutcome(history, context)) === 'lost') return null
    throw error
  }
}

async function firstMined(chain: Chain, sent: readonly SentTransaction[]): Promise<SentTransaction | null> {
  for (const transaction of sent) {
    if ((await findTransaction(chain, transaction.hash)) === 'mined') return transaction
  }
  return null
}

/**
 * Whether the nonce is used up without a contract at the address that belongs to it. Both are read at one block, since
 * the nodes behind an endpoint are not all equally far; and at one that is confirmed.
 */
async function nonceOutcome(
  { deployer, nonce }: StepHistory,
  { chain, confirmations }: FinishContext,
): Promise<'open' | 'created' | 'lost'> {
  const latest = await chain.provider.getBlockNumber()
  const block = Math.max(0, latest - confirmations + 1)
  const [used, code] = await Promise.all([
    chain.provider.getTransactionCount(deployer, block),
    chain.provider.getCode(getCreateAddress({ from: deployer, nonce }), block),
  ])
  if (code !== '0x') return 'created'
  return used > nonce ? 'lost' : 'open'
}

/** The latest transaction, or one with the same nonce and a better fee when no block would take the old one. */
async function repriced(history: StepHistory, context: FinishContext): Promise<SentTransaction> {
  const { chain, signer } = context
  const latest = history.sent.at(-1) as SentTransaction
  const old = Transaction.from(latest.raw)
  const fees = await quoteFees(chain)
  const isStuck = (old.maxFeePerGas ?? 0n) < fees.baseFeePerGas
  if (!isStuck || !sameAddress(signer.address, history.deployer)) return latest
  // Nodes take a replacement when both fees rise by a tenth at least.
  const raised = (fee: bigint | null, wanted: bigint) => {
    const least = ((fee ?? 0n) * 9n) / 8n + 1n
    return least > wanted ? least : wanted
  }
  const raw = (await signer.wallet.signTransaction({
    type: 2,
    chainId: chain.chainId,
    to: null,
    data: old.data,
    nonce: history.nonce,
    gasLimit: old.gasLimit,
    maxFeePerGas: raised(old.maxFeePerGas, fees.maxFeePerGas),
    maxPriorityFeePerGas: raised(old.maxPriorityFeePerGas, fees.maxPriorityFeePerGas),
  })) as Hex
  const replacement = { hash: hashOf(raw), raw }
  context.onSigned(replacement)
  return replacement
}
