/** Brings what was signed to a node, and signs again at a higher price where that is needed. */
import { toFlockError, type FlockError } from '../errors.js'
import { sleep } from '../retry.js'
import { broadcast } from './broadcast.js'
import { chooseFees, raiseFees } from './fee-policy.js'
import type { OutboxCore } from './outbox-core.js'
import { emptyCall, signAttempt, toSigned, type Attempt, type Entry } from './outbox-entry.js'
import { simulateTransaction, withGasMargin } from './transact.js'

/** Tries until a node takes it: whether an unanswered try arrived is unknown, so the bytes stay the same. */
export async function handOver(core: OutboxCore, entry: Entry, first: Attempt): Promise<void> {
  const { nonces, stop } = core
  let attempt = first
  /** True once a try had no answer, after which somebody may have it. */
  let isUncertain = entry.attempts.length > 1
  let bidAtBlock: number | null = null
  try {
    for (let tries = 1; core.has(entry); tries += 1) {
      const fault = await tryBroadcast(core, attempt)
      if (fault === null) {
        markSent(core, entry, attempt)
        return
      }
      if (stop.aborted || !core.has(entry)) return
      if (isTooCheap(fault) && bidAtBlock !== core.latestBlock()) {
        // Once a block: the fees of the next one are not known before.
        bidAtBlock = core.latestBlock()
        attempt = (await bid(core, entry, attempt.isEmpty)) ?? attempt
        continue
      }
      isUncertain ||= fault.kind === 'unavailable'
      const isPoor = isTooCheap(fault) || (fault.code === 'FUNDS_INSUFFICIENT' && isUncertain)
      if (fault.kind !== 'unavailable' && !isPoor) {
        if (fault.code === 'NONCE_CONFLICT') nonces.resync()
        else nonces.release(entry.nonce)
        core.end(entry).reject(fault)
        return
      }
      if (isPoor && entry.task?.isWanted() !== true) {
        nonces.release(entry.nonce)
        core.end(entry).resolve(null)
        return
      }
      await sleep(isTooCheap(fault) ? core.chain.pollIntervalMs : core.onFault(fault, tries), stop)
    }
  } catch (error) {
    // Its nonce may be used by what was handed over before: the chain tells.
    nonces.resync()
    if (!stop.aborted) core.end(entry).reject(error)
  }
}

/** Sends without insisting. What is refused stands in the journal all the same; the next look decides anew. */
export async function offer(core: OutboxCore, entry: Entry, attempt: Attempt): Promise<void> {
  const fault = await tryBroadcast(core, attempt)
  if (fault === null) return markSent(core, entry, attempt)
  if (core.stop.aborted) throw fault
  // A nonce that is used up by now shows as a receipt, or as gone.
  if (fault.code === 'NONCE_CONFLICT' && !isTooCheap(fault)) return
  if (!isTooCheap(fault)) return void core.onFault(fault, 1)
  const raised = await bid(core, entry, attempt.isEmpty)
  if (raised === null) entry.task?.onStalled(toSigned(attempt))
  else if ((await tryBroadcast(core, raised)) === null) markSent(core, entry, raised)
}

/**
 * Signs once more for the same nonce, at a higher price; null when there is no room for a raise.
 * @param isGone whether no node has what was signed before: then today's price will do where a raise would be too much
 */
export async function bid(
  core: OutboxCore,
  entry: Entry,
  isEmpty: boolean,
  isGone = false,
): Promise<Attempt | null> {
  const { chain, signer } = core
  const before = entry.attempts.at(-1)
  if (before === undefined) return null
  const quote = await core.quote()
  const fees = raiseFees(before.fees, quote, core.policy) ?? (isGone ? chooseFees(quote, core.policy) : null)
  if (fees === null) return null
  const call = isEmpty || entry.task === null ? null : entry.task.call
  const gasLimit =
    call === null && !before.isEmpty
      ? withGasMargin(await simulateTransaction(chain, signer.address, emptyCall(signer.address), []))
      : before.gasLimit
  const attempt = await signAttempt(signer, call, { nonce: entry.nonce, gasLimit, fees })
  await entry.task?.onSigned(toSigned(attempt), entry.attempts.map(toSigned))
  entry.attempts = [...entry.attempts, attempt]
  return attempt
}

function markSent(core: OutboxCore, entry: Entry, attempt: Attempt): void {
  entry.sentAtBlock = core.latestBlock()
  entry.restsUntilBlock = entry.sentAtBlock
  entry.task?.onSent(toSigned(attempt))
}

async function tryBroadcast(
  { chain, limit, stop }: OutboxCore,
  attempt: Attempt,
): Promise<FlockError | null> {
  try {
    await limit(() => broadcast(chain, attempt, stop))
    return null
  } catch (error) {
    return toFlockError(error)
  }
}

/**
 * True for a refusal that more fees lift. A pool that wants more for a replacement of what it holds is not meant: at a first
 * try that is somebody else's transaction.
 */
function isTooCheap({ details }: FlockError): boolean {
  const said = details['rpcMessage']
  if (typeof said !== 'string' || /replac/i.test(said)) return false
  return details['reason'] === 'underpriced' || /less than (?:the )?block base fee|fee ?too ?low/i.test(said)
}
