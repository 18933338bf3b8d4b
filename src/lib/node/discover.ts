/** Follows the chain's head and finds new subscriptions, over polling. */
import { FlockError, toFlockError } from '../errors.js'
import type { Subscription } from '../infernet/subscription.js'
import { backoffMs, sleep } from '../retry.js'
import type { CoordinatorView, Head } from './coordinator.js'

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
  /** Blocks to stay behind the chain's head. */
  readonly trailBlocks: number
  /** Subscriptions in one call. */
  readonly batchSize: number
  readonly pollMs: number
  readonly signal: AbortSignal
}

/** Deeper reorganisations make everything be read again from where the discovery began. */
const REMEMBERED_HEADS = 256
const RETRY_DELAY_MS = 250
const RETRY_MAX_DELAY_MS = 10_000

interface Seen {
  readonly head: Head
  /** Ids up to this one were read at `head` or before. */
  readonly lastId: number
}

/**
 * Yields what is new on the chain until the signal aborts. It keeps the place where it stands, so that a failed call
 * loses nothing, and blocks that were passed over between two polls cost no more than one.
 *
 * Reads are made at a block's number, after its hash was compared with what was seen before; a replaced block shows
 * in the next one's parent, and whatever was found above the common ancestor is read again.
 */
export async function* discoverSubscriptions(
  view: CoordinatorView,
  options: DiscoveryOptions,
): AsyncGenerator<DiscoveryEvent> {
  const { signal } = options
  let seen: readonly Seen[] = []
  let lastId = options.lastId
  let batchSize = options.batchSize
  /** The block up to which everything was yielded. */
  let completeHash: string | null = null
  let faults = 0
  while (!signal.aborted) {
    try {
      const heads = await readHeads(view, options.trailBlocks)
      if (heads === null || heads.head.hash === completeHash || isBehind(heads.head, seen))
        yield { type: 'idle' }
      else {
        const { latest, head } = heads
        const kept = await dropReplaced(view, seen, head)
        const newest = await view.readLastId(head.number)
        const standing = kept.length === seen.length ? lastId : (kept.at(-1)?.lastId ?? options.lastId)
        const block = kept.at(-1)?.head.number ?? -1
        const from = seen.at(-1)?.head ?? head
        const isReorg = kept.length < seen.length || newest < standing
        seen = kept
        lastId = Math.min(standing, newest)
        if (isReorg) yield { type: 'reorged', block, from, lastId }

        seen = remember(seen, { head, lastId })
        while (lastId < newest && !signal.aborted) {
          const fromId = lastId + 1
          const toId = Math.min(lastId + batchSize, newest)
          const size = batchSize
          // Endpoints bound the work of a call, so a batch that fails is tried again as half of it.
          batchSize = Math.max(1, Math.floor(size / 2))
          const rows = await view.readSubscriptions(fromId, toId, head.number)
          batchSize = size
          lastId = toId
          seen = remember(seen, { head, lastId })
          const subscriptions = rows.map((subscription, index) => ({ id: fromId + index, subscription }))
          yield { type: 'found', head, latest, subscriptions }
        }
        completeHash = head.hash
        yield { type: 'head', head, latest, lastId }
      }
      faults = 0
      await sleep(options.pollMs, signal)
    } catch (error) {
      if (signal.aborted) return
      const fault = toFlockError(error)
      if (fault.kind === 'bug') throw fault
      faults += 1
      const retryInMs = Math.round(
        backoffMs(faults, { delayMs: RETRY_DELAY_MS, maxDelayMs: RETRY_MAX_DELAY_MS }),
      )
      yield { type: 'fault', error: fault, retryInMs }
      await sleep(retryInMs, signal).catch(() => undefined)
    }
  }
}

async function readHeads(
  view: CoordinatorView,
  trailBlocks: number,
): Promise<{ readonly latest: Head; readonly head: Head } | null> {
  const latest = await view.readHead('latest')
  if (latest === null || latest.number < trailBlocks) return null
  const head = trailBlocks === 0 ? latest : await view.readHead(latest.number - trailBlocks)
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
  const before = seen.at(-1)?.head.hash === entry.head.hash ? seen.slice(0, -1) : seen
  return [...before.slice(1 - REMEMBERED_HEADS), entry]
}
