/** What a restarted node makes of its journal. */
import type { Hex } from '../hex.js'
import type { NodeConfig } from '../infernet/node-config.js'
import type { Subscription } from '../infernet/subscription.js'
import { isPast } from './chain-clock.js'
import { fingerprintOf, type CoordinatorView, type Head } from './coordinator.js'
import type { FoundSubscription } from './discover.js'
import type { CloseReason } from './events.js'
import type { JournaledAnswer, JournalState } from './journal.js'

export interface RestorePlan {
  /** Signed answers in the order of their nonces: they may be on the chain, or on their way. */
  readonly resume: readonly {
    readonly answer: JournaledAnswer
    /** The subscription as it was answered; null when another one stands there now. */
    readonly subscription: Subscription | null
  }[]
  /** Answers that were not signed and can no longer be used. Others wait until their interval is begun. */
  readonly close: readonly { readonly answer: JournaledAnswer; readonly reason: CloseReason }[]
}

/** Every id on chain that the journal speaks of, ascending. */
function journaledIds({ accepted, answers }: JournalState): number[] {
  const ids = new Set([...accepted, ...[...answers.values()].map(({ id }) => id)])
  return [...ids].filter((id) => id > 0).sort((a, b) => a - b)
}

/** The id up to which everything was judged by these rules. */
export function lastJudgedId(
  { cursor }: Pick<JournalState, 'cursor'>,
  { config, rulesHash }: { readonly config: NodeConfig; readonly rulesHash: Hex },
): number {
  const start = config.chain.snapshot_sync.starting_sub_id
  return cursor?.rulesHash === rulesHash ? Math.max(start, cursor.lastId) : start
}

/** Sorts journaled answers by what the chain says of their subscriptions now. */
export function planRestore(
  { answers, delegated }: Pick<JournalState, 'answers' | 'delegated'>,
  { found, nowSec }: { readonly found: readonly FoundSubscription[]; readonly nowSec: number },
): RestorePlan {
  const byId = new Map(found.map(({ id, subscription }) => [id, subscription]))
  for (const { id, request } of delegated.values()) byId.set(id, request.subscription)
  const all = [...answers.values()].map((answer) => {
    const now = byId.get(answer.id)
    const subscription = now !== undefined && fingerprintOf(now) === answer.fingerprint ? now : null
    return { answer, subscription }
  })
  return {
    resume: all
      .filter(({ answer }) => answer.signed !== null)
      .sort((a, b) => (a.answer.signed?.nonce ?? 0) - (b.answer.signed?.nonce ?? 0)),
    close: all
      .filter(({ answer }) => answer.signed === null)
      .flatMap(({ answer, subscription }): { answer: JournaledAnswer; reason: CloseReason }[] => {
        if (subscription === null) return [{ answer, reason: 'reorged' }]
        return isPast(subscription, answer.interval, nowSec) ? [{ answer, reason: 'tooLate' }] : []
      }),
  }
}

/** The subscriptions that the journal speaks of, in as few batches as the gaps between ids allow. */
export async function readJournaled(
  state: JournalState,
  {
    view,
    head,
    batchSize,
  }: { readonly view: CoordinatorView; readonly head: Head; readonly batchSize: number },
): Promise<FoundSubscription[]> {
  const ids = journaledIds(state)
  const wanted = new Set(ids)
  const found: FoundSubscription[] = []
  let rest = ids
  for (let fromId = rest[0]; fromId !== undefined; fromId = rest[0]) {
    const firstId = fromId
    const within = rest.filter((id) => id < firstId + batchSize)
    const rows = await view.readSubscriptions(firstId, within.at(-1) ?? firstId, head.number)
    rows.forEach((subscription, offset) => {
      if (wanted.has(firstId + offset)) found.push({ id: firstId + offset, subscription })
    })
    rest = rest.slice(within.length)
  }
  return found
}
