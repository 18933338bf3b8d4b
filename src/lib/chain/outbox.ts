/**
 * Sends the transactions of one account: it owns the nonces, so that many are under way at once, and sees each through until
 * it is mined, replaced or found impossible.
 *
 * All that is signed for one nonce is one entry, and at most one of it is ever mined. A call gets another nonce only when
 * the one before is used up by something else, so that it cannot be mined twice.
 */
import { FlockError, toFlockError } from '../errors.js'
import { chooseFees, expectedGasPrice, type FeePolicy } from './fee-policy.js'
import { createFeeSource } from './fee-source.js'
import { createNonces } from './nonces.js'
import type { OutboxCore, OutboxOptions } from './outbox-core.js'
import {
  createEntry,
  parseAttempt,
  signAttempt,
  toSigned,
  type Attempt,
  type Entry,
  type OutboxMined,
  type OutboxTask,
  type SignedAttempt,
} from './outbox-entry.js'
import { createFollower, type OutboxHead } from './outbox-follow.js'
import { handOver } from './outbox-hand-over.js'
import { settle } from './outbox-settle.js'
import { readReceipt } from './receipts.js'
import { interruption } from './rpc.js'
import { simulateTransaction, withGasMargin } from './transact.js'
import { findTransaction } from './wait.js'

export interface Outbox {
  /**
   * Simulates, signs, sends and waits until it is mined in the latest block.
   * @returns null when the task was not wanted any more
   * @throws TX_REVERTED; FEE_TOO_HIGH, whose details hold `maxGasLimit` when the call needs more gas than that; NONCE_CONFLICT when
   *   something else used the nonce; RPC_UNREACHABLE and RPC_FAILED before anything was signed; INTERRUPTED
   */
  send(task: OutboxTask): Promise<OutboxMined | null>
  /**
   * Goes on with what was signed for one nonce before, oldest first: sends it again where nobody has it, and waits.
   * @throws as `send`; after RPC_UNREACHABLE and RPC_FAILED it has to be resumed once more
   */
  resume(task: OutboxTask, signed: readonly SignedAttempt[]): Promise<OutboxMined | null>
  /** Takes the latest block; each is looked through for what is under way. */
  see(head: OutboxHead): void
  /** From now on nobody else tells of blocks. */
  lookAlone(): void
  /** Transactions under way. */
  size(): number
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { chain, signer, policy, stop, limit } = options
  const live = new Set<Entry>()
  const fees = createFeeSource(chain)
  let latestBlock = 0
  let progressBlock = 0
  const core: OutboxCore = {
    chain,
    signer,
    policy,
    replaceAfterBlocks: options.replaceAfterBlocks,
    onFault: options.onFault,
    limit,
    stop,
    nonces: createNonces(
      () => chain.provider.getTransactionCount(signer.address, 'pending'),
      options.reserved,
    ),
    entries: () => [...live].sort((a, b) => a.nonce - b.nonce),
    has: (entry) => live.has(entry),
    begin(nonce, task, attempts) {
      if (live.size === 0) progressBlock = latestBlock
      const entry = createEntry(nonce, task, attempts)
      live.add(entry)
      if (live.size === 1) follower.arm()
      return entry
    },
    end(entry) {
      live.delete(entry)
      if (live.size === 0) follower.disarm()
      return entry
    },
    quote: () => fees.quote(),
    latestBlock: () => latestBlock,
    progressBlock: () => progressBlock,
    progress(block) {
      progressBlock = Math.max(progressBlock, block)
    },
  }
  const follower = createFollower(core, {
    quietMs: options.quietMs,
    onHead(head) {
      // Nothing waited for blocks that nobody told of.
      if (latestBlock === 0) progressBlock = head.number
      latestBlock = head.number
      fees.see(head)
    },
  })
  stop.addEventListener('abort', () => endAll(core), { once: true })

  async function send(task: OutboxTask): Promise<OutboxMined | null> {
    const { call, revertInterfaces, maxGasLimit } = task
    const [gas, quote] = await limit(() =>
      Promise.all([simulateTransaction(chain, signer.address, call, revertInterfaces), fees.quote()]),
    )
    if (gas > maxGasLimit) throw gasTooHigh(gas, maxGasLimit)
    const chosen = chooseFees(quote, policy)
    if (chosen === null) throw feesTooHigh(quote.baseFeePerGas, policy)
    if (!(await task.admit({ gas, gasPriceWei: expectedGasPrice(chosen, quote) }))) return null
    task.signal.throwIfAborted()
    stop.throwIfAborted()
    const nonce = await core.nonces.take()
    const entry = core.begin(nonce, task, [])
    try {
      const withMargin = withGasMargin(gas)
      const gasLimit = withMargin < maxGasLimit ? withMargin : maxGasLimit
      const attempt = await signAttempt(signer, call, { nonce, gasLimit, fees: chosen })
      entry.attempts = [attempt]
      await task.onSigned(toSigned(attempt), [])
      void handOver(core, entry, attempt)
    } catch (error) {
      core.nonces.release(nonce)
      core.end(entry).reject(error)
    }
    return entry.done
  }

  async function resume(task: OutboxTask, signed: readonly SignedAttempt[]): Promise<OutboxMined | null> {
    stop.throwIfAborted()
    const attempts = signed.map(({ raw }) => parseAttempt(raw))
    const nonce = attempts[0]?.nonce ?? 0
    core.nonces.claim(nonce)
    const entry = core.begin(nonce, task, attempts)
    try {
      const unsent = await limit(() => takeUp(entry))
      if (unsent !== null) void handOver(core, entry, unsent)
    } catch (error) {
      if (toFlockError(error).kind !== 'unavailable') core.nonces.release(nonce)
      core.end(entry).reject(error)
    }
    return entry.done
  }

  /** What of an entry is to be sent, as nobody has any of it; null when it is settled or followed. */
  async function takeUp(entry: Entry): Promise<Attempt | null> {
    const { task, attempts } = entry
    const receipts = await Promise.all(attempts.map(({ hash }) => readReceipt(chain, hash)))
    const mined = receipts.find((receipt) => receipt !== null)
    if (mined !== undefined && mined !== null) {
      await settle(core, entry, mined)
      return null
    }
    const states = await Promise.all(attempts.map(({ hash }) => findTransaction(chain, hash)))
    if (states.some((state) => state !== 'unknown')) {
      entry.sentAtBlock = latestBlock
      return null
    }
    // Nobody has it yet, so that one that would fail by now need not cost its gas.
    if (task === null || !task.isWanted()) {
      core.nonces.release(entry.nonce)
      core.end(entry).resolve(null)
      return null
    }
    await simulateTransaction(chain, signer.address, task.call, task.revertInterfaces)
    return attempts.findLast(({ isEmpty }) => !isEmpty) ?? null
  }

  return {
    send,
    resume,
    see: (head) => follower.see(head),
    lookAlone: () => follower.lookAlone(),
    size: () => live.size,
  }
}

function endAll(core: OutboxCore): void {
  for (const entry of core.entries()) {
    const txHash = entry.attempts.at(-1)?.hash
    core.end(entry).reject(interruption(core.stop, txHash === undefined ? {} : { txHash }))
  }
}

function gasTooHigh(gas: bigint, maxGasLimit: bigint): FlockError {
  return new FlockError('FEE_TOO_HIGH', `The call needs ${gas} gas, the limit is ${maxGasLimit}.`, {
    details: { gas, maxGasLimit },
  })
}

function feesTooHigh(baseFeePerGas: bigint, { maxFeePerGas }: FeePolicy): FlockError {
  return new FlockError(
    'FEE_TOO_HIGH',
    `The base fee is ${baseFeePerGas} wei per gas, allowed are ${maxFeePerGas}.`,
    { details: { baseFeePerGas, maxFeePerGas } },
  )
}
