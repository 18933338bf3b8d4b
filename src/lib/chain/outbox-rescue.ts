/** Looks after transactions that are not mined: sent again, replaced, cancelled, or found to be impossible by now. */
import { FlockError, isFlockError } from '../errors.js'
import { chooseFees } from './fee-policy.js'
import type { FeeHead } from './fee-source.js'
import type { OutboxCore } from './outbox-core.js'
import { emptyCall, signAttempt, toSigned, type Entry } from './outbox-entry.js'
import { bid, handOver, offer } from './outbox-hand-over.js'
import { settle } from './outbox-settle.js'
import { readReceipt } from './receipts.js'
import { simulateTransaction, withGasMargin } from './transact.js'
import { findTransaction } from './wait.js'

/** Transactions looked after at a time, from the lowest nonce: those above have to wait for them anyway. */
const WIDTH = 16

/** Has a look at what is under way as of a block; free of cost while blocks bring in what was sent. */
export async function rescue(core: OutboxCore, at: FeeHead): Promise<void> {
  const all = core.entries()
  const waited = ({ sentAtBlock }: Entry) => at.number - (sentAtBlock ?? at.number)
  const isStalled = all.length > 0 && at.number - core.progressBlock() >= core.replaceAfterBlocks
  if (isStalled || all.some(({ goneAtBlock }) => goneAtBlock !== null)) await recount(core, at, all)
  const wanting = all.filter((entry) =>
    isStalled ? waited(entry) >= core.replaceAfterBlocks : waited(entry) > 0 && isOutbid(entry, at),
  )
  for (const entry of wanting.slice(0, WIDTH)) {
    const standing = core.entries()
    if (!standing.includes(entry) || entry.goneAtBlock !== null) continue
    await revive(core, entry, standing.at(-1))
    entry.restsUntilBlock = at.number + core.replaceAfterBlocks - 1
  }
  if (isStalled) core.progress(at.number)
}

/** True when the base fee rose above what it offers: no block takes it until that falls. */
function isOutbid({ attempts, restsUntilBlock }: Entry, { number, baseFeePerGas }: FeeHead): boolean {
  const offered = attempts.at(-1)?.fees.maxFeePerGas ?? 0n
  return baseFeePerGas !== undefined && offered < baseFeePerGas && number > restsUntilBlock
}

/** Compares the nonces with those that the chain has counted: some were used by others, some belong to nobody. */
async function recount(core: OutboxCore, at: FeeHead, all: readonly Entry[]): Promise<void> {
  const { chain, signer } = core
  const mined = await chain.provider.getTransactionCount(signer.address, 'latest')
  for (const entry of all) {
    if (entry.nonce >= mined) entry.goneAtBlock = null
    else await lookForGone(core, at, entry)
  }
  const waiting = all.filter(({ nonce }) => nonce >= mined)
  const highest = waiting.at(-1)?.nonce ?? mined - 1
  const taken = new Set(waiting.map(({ nonce }) => nonce))
  if (taken.size > highest - mined) return
  // What stands in the pool and is not from here is somebody else's with the same key, and is left alone.
  const pending = await chain.provider.getTransactionCount(signer.address, 'pending')
  for (let nonce = Math.max(mined, pending); nonce < highest; nonce += 1)
    if (!taken.has(nonce)) await fill(core, nonce)
}

/** The nonce is used: by this entry in a block that was not looked at, or by another transaction. */
async function lookForGone(core: OutboxCore, at: FeeHead, entry: Entry): Promise<void> {
  for (const { hash } of entry.attempts) {
    const receipt = await readReceipt(core.chain, hash)
    if (receipt !== null) return settle(core, entry, receipt)
  }
  // Endpoints with several nodes behind them may count a block whose receipts another of them has not got yet.
  if (entry.goneAtBlock === null) entry.goneAtBlock = at.number
  else if (at.number > entry.goneAtBlock) {
    core.nonces.resync()
    const { nonce } = entry
    const hash = entry.attempts.at(-1)?.hash
    core.end(entry).reject(
      new FlockError('NONCE_CONFLICT', `Another transaction took nonce ${nonce}.`, {
        details: { nonce, txHash: hash },
      }),
    )
  }
}

/** Uses up a nonce that nobody uses and that holds up the later ones. */
async function fill(core: OutboxCore, nonce: number): Promise<void> {
  const { chain, signer, nonces } = core
  const chosen = chooseFees(await core.quote(), core.policy)
  if (chosen === null) return
  const gas = await simulateTransaction(chain, signer.address, emptyCall(signer.address), [])
  nonces.claim(nonce)
  const attempt = await signAttempt(signer, null, { nonce, gasLimit: withGasMargin(gas), fees: chosen })
  void handOver(core, core.begin(nonce, null, [attempt]), attempt)
}

async function revive(core: OutboxCore, entry: Entry, highest: Entry | undefined): Promise<void> {
  const newest = entry.attempts.at(-1)
  if (newest === undefined) return
  const states = await Promise.all(entry.attempts.map(({ hash }) => findTransaction(core.chain, hash)))
  if (states.includes('mined')) return
  const isUnknown = states.every((state) => state === 'unknown')
  if (!newest.isEmpty) entry.doomed = await tryCall(core, entry)
  const isInTheWay = highest !== undefined && highest.nonce > entry.nonce
  if (entry.doomed !== null && !newest.isEmpty && !isInTheWay) {
    // A failure that nobody waits for: no gas is spent on making it sure.
    if (!isUnknown) return
    core.nonces.release(entry.nonce)
    core.end(entry).reject(entry.doomed)
    return
  }
  const isEmpty = newest.isEmpty || entry.doomed !== null
  const isDropped = isUnknown && isEmpty === newest.isEmpty
  const attempt = isDropped ? newest : await bid(core, entry, isEmpty, isUnknown)
  if (attempt === null) entry.task?.onStalled(toSigned(newest))
  else await offer(core, entry, attempt)
}

/** Why the call would fail by now; null when it would not. */
async function tryCall({ chain, signer }: OutboxCore, { task }: Entry): Promise<FlockError | null> {
  if (task === null) return null
  try {
    await simulateTransaction(chain, signer.address, task.call, task.revertInterfaces)
    return null
  } catch (error) {
    if (isFlockError(error) && error.code === 'TX_REVERTED') return error
    throw error
  }
}
