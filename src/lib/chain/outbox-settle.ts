import { FlockError } from '../errors.js'
import type { OutboxCore } from './outbox-core.js'
import { toSigned, type Attempt, type Entry } from './outbox-entry.js'
import { hasFailed, minedRevert, toMined, type RpcReceipt } from './receipts.js'

/** Ends an entry by the receipt of one of its attempts. */
export async function settle(core: OutboxCore, entry: Entry, receipt: RpcReceipt): Promise<void> {
  const attempt = entry.attempts.find(({ hash }) => hash === receipt.transactionHash)
  if (attempt === undefined || !core.has(entry)) return
  core.progress(Number(receipt.blockNumber))
  if (attempt.isEmpty) {
    core.end(entry).reject(entry.doomed ?? emptyMined(attempt))
    return
  }
  if (hasFailed(receipt)) {
    const fault = await minedRevert(core.chain, attempt, receipt, entry.task?.revertInterfaces ?? [])
    core.end(entry).reject(fault)
    return
  }
  const { blockNumber, blockHash, gasUsed, effectiveGasPrice } = toMined(receipt)
  core.end(entry).resolve({
    signed: toSigned(attempt),
    replaced: entry.attempts.filter((other) => other !== attempt).map(toSigned),
    blockNumber,
    blockHash,
    gasUsed,
    effectiveGasPrice,
  })
}

function emptyMined({ hash, nonce }: Attempt): FlockError {
  return new FlockError('NONCE_CONFLICT', `Nonce ${nonce} was used up by an empty transfer.`, {
    details: { txHash: hash, nonce },
  })
}
