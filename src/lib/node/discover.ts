/** Follows the chain's head and finds new subscriptions, and what others did to known ones. */
import { isRefusal } from '../chain/provider.js'
import { FlockError, toFlockError } from '../errors.js'
import { ZERO_ADDRESS } from '../hex.js'
import type { Subscription } from '../infernet/subscription.js'
import { backoffMs, sleep } from '../retry.js'
import type { CoordinatorEvent } from './coordinator-events.js'
import type { CoordinatorView, Head } from './coordinator.js'
import { watchHeads, type HeadWatch } from './head-watch.js'
import { createQuarantine } from './quarantine.js'

export interface FoundSubscription {
  readonly id: number
  readonly subscription: Subscription
}

export type DiscoveryEvent =
  /** Subscriptions as of `head`, by id. */
  | {
      readonly type: 'found'
      readonly head: Head
      readonly latest: Head
      readonly subscriptions: readonly FoundSubscription[]
    }
  /** What happened between two times of the chain; both are that of its block where that is known. */
  | (CoordinatorEvent & { readonly head: Head; readonly fromSec: number; readonly toSec: number })
  /** The endpoint refuses to read this one, alone, again and again. It is tried again later; others go on. */
  | { readonly type: 'unreadable'; readonly id: number; readonly error: FlockError }
  /** Everything up to `lastId` was found, as of `head`, which may trail the `latest` block. */
  | { readonly type: 'head'; readonly head: Head; readonly latest: Head; readonly lastId: number }
  /** Blocks after `block` were replaced; ids above `lastId` are void until they are found again. */
  | { readonly type: 'reorged'; readonly block: number; readonly from: Head; readonly lastId: number }
  /** Nothing new; time has passed. */
  | { readonly type: 'idle' }
  /** The endpoint failed; the same is asked again after a pause. */
  | { readonly type: 'fault'; readonly error: FlockError; readonly retryInMs: number }

export interface DiscoveryOptions {
  /** Ids up to this one are known. */
  readonly lastId: number
  /** Ids up to this one are never read; 0 by default. */
  readonly floorId?: number
  /** Blocks to stay behind the chain's head. */
  readonly trailBlocks: number
  /** Subscriptions in one call. */
  readonly batchSize: number
  readonly pollMs: number
  readonly signal: AbortSignal
  /** Milliseconds; only differences count. */
  readonly now: () => number
  /** True while it matters what others deliver or cancel; never by default. */
  readonly wantsEvents?: () => boolean
}

/** Deeper reorganisations make everything be read again from where the discovery began. */
const REMEMBERED_HEADS = 256
const RETRY_DELAY_MS = 250
const RETRY_MAX_DELAY_MS = 10_000

/** Ids asked for in a block that follows the last one, which mostly holds none or one. */
const PROBE_SIZE = 4
/** Batches in a row after which a batch that was made smaller grows again. */
const GROW_AFTER = 8
/** Beyond this a gap is not searched for what others did. */
const MAX_EVENT_BLOCKS = 100
/** The Coordinator counts in uint32, and the Reader's end is exclusive. */
const MAX_ID = 2 ** 32 - 2

interface Seen {
  readonly head: Head
  /** Ids up to this one were read at `head` or before. */
  readonly lastId: number
  /** Ids of which events were told. */
  readonly touched: readonly number[]
}

/**
 * Yields what is new on the chain until the signal aborts. It keeps the place where it stands, so that a failed call
 * loses nothing, and blocks that were passed over between two looks cost no more than one.
 *
 * Reads are made at a block's number, after its hash was compared with what was seen before; a replaced block shows
 * in the next one's parent, and whatever was found above the common ancestor is read again. A block that follows the
 * last one costs a single call: the ids after the last one are read, and the first that is missing tells the end.
 */
export async function* discoverSubscriptions(
  view: CoordinatorView,
  options: DiscoveryOptions,
): AsyncGenerator<DiscoveryEvent> {
  const { signal, floorId = 0 } = options
  const watch = watchHeads(view, options)
  const quarantine = createQuarantine()
  let seen: readonly Seen[] = []
  let lastId = options.lastId
  let batchSize = options.batchSize
  let batchesInARow = 0
  /** The block up to which everything was yielded. */
  let complete: Head | null = null
  /** Ids to be read again, as blocks with events about them were replaced. */
  let undone: readonly number[] = []
  let faults = 0
  try {
    while (!signal.aborted) {
      try {
        const heads = await readHeads(view, watch, options.trailBlocks)
        if (heads === null || heads.head.hash === complete?.hash || isBehind(heads.head, seen)) {
          faults = 0
          yield { type: 'idle' }
          continue
        }
        const { latest, head } = heads
        const kept = await dropReplaced(view, seen, head)
        const isWhole = kept.length === seen.length
        const standing = isWhole ? lastId : (kept.at(-1)?.lastId ?? options.lastId)
        const follows = isWhole && complete !== null && complete.hash === head.parentHash
        const probe = follows ? await readProbe(view, standing, head) : null
        const newest = probe?.newest ?? (await view.readLastId(head.number))
        const block = kept.at(-1)?.head.number ?? -1
        const from = seen.at(-1)?.head ?? head
        const isReorg = !isWhole || (newest < standing && standing > floorId)
        if (!isWhole) {
          const replaced = seen.slice(kept.length).flatMap(({ touched }) => touched)
          undone = [...new Set([...undone, ...replaced])]
        }
        seen = kept
        lastId = Math.max(floorId, Math.min(standing, newest))
        undone = undone.filter((id) => id <= lastId)
        if (isReorg) {
          quarantine.dropAbove(lastId)
          yield { type: 'reorged', block, from, lastId }
        }

        seen = remember(seen, { head, lastId, touched: [] })
        if (probe !== null && probe.found.length > 0) {
          lastId = newest
          seen = remember(seen, { head, lastId, touched: [] })
          yield { type: 'found', head, latest, subscriptions: probe.found }
        }
        while (lastId < newest && !signal.aborted) {
          const fromId = lastId + 1
          const toId = Math.min(lastId + batchSize, newest)
          const size = batchSize
          // Endpoints bound the work of a call, so a batch that fails is tried again as half of it.
          batchSize = Math.max(1, Math.floor((toId - fromId + 1) / 2))
          const batch = await readBatch(view, fromId, toId, head).catch((error: unknown) => {
            if (fromId === toId && quarantine.takes(fromId, error, head.number)) return toFlockError(error)
            throw error
          })
          batchSize = size
          lastId = toId
          seen = remember(seen, { head, lastId, touched: [] })
          if (batch instanceof FlockError) {
            yield { type: 'unreadable', id: fromId, error: batch }
            continue
          }
          batchesInARow = size < options.batchSize ? batchesInARow + 1 : 0
          if (batchesInARow % GROW_AFTER === GROW_AFTER - 1)
            batchSize = Math.min(options.batchSize, 2 * batchSize)
          yield { type: 'found', head, latest, subscriptions: batch }
        }

        const again = [...undone, ...quarantine.due(head.number)]
        for (const id of again) {
          const found = await readBatch(view, id, id, head).catch((error: unknown) => {
            if (quarantine.has(id) && quarantine.takes(id, error, head.number)) return []
            throw error
          })
          quarantine.release(id, found.length > 0)
          undone = undone.filter((other) => other !== id)
          if (found.length > 0) yield { type: 'found', head, latest, subscriptions: found }
        }

        const events = options.wantsEvents?.() === true ? await readEvents(view, complete, head) : []
        if (events.length > 0) seen = remember(seen, { head, lastId, touched: events.map(({ id }) => id) })
        const isOneBlock = complete === null || complete.number + 1 === head.number
        const fromSec = isOneBlock ? head.timestampSec : (complete?.timestampSec ?? head.timestampSec)
        for (const event of events) yield { ...event, head, fromSec, toSec: head.timestampSec }

        complete = head
        faults = 0
        yield { type: 'head', head, latest, lastId: quarantine.firstId(lastId + 1) - 1 }
      } catch (error) {
        if (signal.aborted) return
        const fault = toFlockError(error)
        // Answers of another chain are no reason to wait for better ones.
        if (fault.kind === 'bug' || fault.code === 'CHAIN_MISMATCH') throw fault
        watch.askAgain()
        // A refused batch is asked for in a smaller one, for which nobody has to wait.
        faults = isRefusal(fault) || fault.kind === 'rejected' ? 1 : faults + 1
        const retryInMs = Math.round(
          backoffMs(faults, { delayMs: RETRY_DELAY_MS, maxDelayMs: RETRY_MAX_DELAY_MS }),
        )
        yield { type: 'fault', error: fault, retryInMs }
        await sleep(retryInMs, signal).catch(() => undefined)
      }
    }
  } finally {
    watch.close()
  }
}

async function readBatch(
  view: CoordinatorView,
  fromId: number,
  toId: number,
  head: Head,
): Promise<FoundSubscription[]> {
  const rows = await view.readSubscriptions(fromId, toId, head.number)
  return rows.map((subscription, index) => ({ id: fromId + index, subscription }))
}

/**
 * The next few ids, as far as they are in use; null when there may be more of them, or when the endpoint refuses: then
 * the Coordinator's own count leads on.
 */
async function readProbe(
  view: CoordinatorView,
  lastId: number,
  head: Head,
): Promise<{ readonly newest: number; readonly found: readonly FoundSubscription[] } | null> {
  const toId = Math.min(lastId + PROBE_SIZE, MAX_ID)
  if (toId <= lastId) return null
  try {
    const rows = await readBatch(view, lastId + 1, toId, head)
    const end = rows.findIndex(({ subscription }) => subscription.owner === ZERO_ADDRESS)
    return end < 0 ? null : { newest: lastId + end, found: rows.slice(0, end) }
  } catch (error) {
    if (isRefusal(error) || toFlockError(error).kind === 'rejected') return null
    throw error
  }
}

/** What others did is good to know and not needed: an endpoint that does not tell stops nothing. */
async function readEvents(
  view: CoordinatorView,
  complete: Head | null,
  head: Head,
): Promise<CoordinatorEvent[]> {
  const isNext = complete === null || complete.number + 1 >= head.number
  if (isNext && !view.logs.mayHold(head)) return []
  if (!isNext && head.number - complete.number > MAX_EVENT_BLOCKS) return []
  try {
    return await view.logs.read({ after: isNext ? null : complete, head })
  } catch (error) {
    if (toFlockError(error).kind === 'bug') throw error
    return []
  }
}

async function readHeads(
  view: CoordinatorView,
  watch: HeadWatch,
  trailBlocks: number,
): Promise<{ readonly latest: Head; readonly head: Head } | null> {
  const latest = await watch.next()
  if (latest === null || latest.number < trailBlocks) return null
  const head = watch.before(latest, trailBlocks) ?? (await view.readHead(latest.number - trailBlocks))
  return head === null ? null : { latest, head }
}

/**
 * True for a head that says nothing new: endpoints with several nodes behind them answer with older heads at times.
 * A chain that was really shortened shows as soon as it has another block at a height that was seen.
 */
function isBehind(head: Head, seen: readonly Seen[]): boolean {
  const last = seen.at(-1)
  if (last === undefined || head.number >= last.head.number) return false
  const same = seen.find((entry) => entry.head.number === head.number)
  return same === undefined || same.head.hash === head.hash
}

/** The heads seen before that `head` still builds on. */
async function dropReplaced(
  view: CoordinatorView,
  seen: readonly Seen[],
  head: Head,
): Promise<readonly Seen[]> {
  let kept = seen
  for (let last = kept.at(-1); last !== undefined; last = kept.at(-1)) {
    if (last.head.hash === head.hash || last.head.hash === head.parentHash) break
    if (last.head.number < head.number) {
      // Blocks between the two were not looked at, so the chain is asked what stands there now.
      const current = await view.readHead(last.head.number)
      if (current === null)
        throw new FlockError(
          'RPC_FAILED',
          `The RPC endpoint knows block ${head.number} and not ${last.head.number}.`,
        )
      if (current.hash === last.head.hash) break
    }
    kept = kept.slice(0, -1)
  }
  return kept
}

function remember(seen: readonly Seen[], entry: Seen): readonly Seen[] {
  const last = seen.at(-1)
  if (last?.head.hash !== entry.head.hash) return [...seen.slice(1 - REMEMBERED_HEADS), entry]
  return [...seen.slice(0, -1), { ...entry, touched: [...last.touched, ...entry.touched] }]
}
