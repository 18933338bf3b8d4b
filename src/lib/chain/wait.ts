import { FlockError, isFlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import { sleep } from '../retry.js'
import type { ContractArtifact } from './artifact.js'
import { broadcast } from './broadcast.js'
import type { Chain } from './provider.js'
import {
  hasFailed,
  minedRevert,
  readReceipt,
  toMined,
  type MinedTransaction,
  type RpcReceipt,
} from './receipts.js'
import { interruption } from './rpc.js'

export type { MinedTransaction }

export interface WaitOptions {
  /** Blocks that must hold the transaction, its own included. */
  readonly confirmations: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly revertInterfaces: readonly ContractArtifact[]
}

/** Looks without a receipt after which the node is asked whether it still holds the transaction. */
const LOOKS_BEFORE_CHECK = 20

/**
 * Waits until a transaction is mined and confirmed.
 * @param transaction with `raw` it is sent again when the node has dropped it
 * @throws TX_REVERTED when it was mined and failed, TX_TIMEOUT, NONCE_CONFLICT when another one took its nonce,
 *   INTERRUPTED; `details.txHash` is set in all
 */
export async function waitForTransaction(
  chain: Chain,
  transaction: { readonly hash: Hex; readonly raw?: Hex },
  options: WaitOptions,
): Promise<MinedTransaction> {
  const deadline = AbortSignal.timeout(options.timeoutMs)
  const stop = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal])
  let lastFault: unknown
  try {
    for (let looks = 1; ; looks += 1) {
      stop.throwIfAborted()
      try {
        const receipt = await readConfirmed(chain, transaction.hash, options.confirmations)
        if (receipt !== null) return await settle(chain, transaction, receipt, options)
        if (looks % LOOKS_BEFORE_CHECK === 0) await keepAlive(chain, transaction, options.signal)
      } catch (error) {
        // An endpoint that is away for a moment does not end a wait that has time left.
        if (!isFlockError(error) || error.kind !== 'unavailable') throw error
        lastFault = error
      }
      await sleep(chain.pollIntervalMs, stop)
    }
  } catch (error) {
    if (options.signal?.aborted) throw interruption(options.signal, { txHash: transaction.hash })
    if (!deadline.aborted) throw error
    throw new FlockError(
      'TX_TIMEOUT',
      `Transaction ${transaction.hash} was sent and not confirmed in ${options.timeoutMs / 1000} s.`,
      {
        cause: lastFault,
        details: { txHash: transaction.hash, timeoutMs: options.timeoutMs },
        hint: 'It may still be mined. Run the command again to go on waiting.',
      },
    )
  }
}

/** What the chain says of a transaction by now: mined, waiting in the pool, or not known. */
export async function findTransaction(chain: Chain, hash: Hex): Promise<'mined' | 'pending' | 'unknown'> {
  const found = (await chain.provider.send('eth_getTransactionByHash', [hash])) as {
    blockNumber: string | null
  } | null
  if (found === null) return 'unknown'
  return found.blockNumber === null ? 'pending' : 'mined'
}

async function readConfirmed(chain: Chain, hash: Hex, confirmations: number): Promise<RpcReceipt | null> {
  const receipt = await readReceipt(chain, hash)
  if (receipt === null || confirmations <= 1) return receipt
  const latest = await chain.provider.getBlockNumber()
  return latest - Number(receipt.blockNumber) + 1 >= confirmations ? receipt : null
}

async function settle(
  chain: Chain,
  transaction: { readonly hash: Hex; readonly raw?: Hex },
  receipt: RpcReceipt,
  options: WaitOptions,
): Promise<MinedTransaction> {
  if (hasFailed(receipt)) throw await minedRevert(chain, transaction, receipt, options.revertInterfaces)
  return toMined(receipt)
}

/** Sends a dropped transaction again, unless its nonce is gone. */
async function keepAlive(
  chain: Chain,
  { hash, raw }: { readonly hash: Hex; readonly raw?: Hex },
  signal?: AbortSignal,
): Promise<void> {
  if (raw === undefined || (await findTransaction(chain, hash)) !== 'unknown') return
  await broadcast(chain, { hash, raw }, signal)
}
