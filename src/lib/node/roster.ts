/** Who is served: takes subscriptions into the tracker and the journal and out of them again, and tells of it. */
import type { NodeContainer } from '../infernet/node-config.js'
import type { Subscription } from '../infernet/subscription.js'
import type { ContainerIndex } from './container-index.js'
import { fingerprintOf } from './coordinator.js'
import type { DelegatedWork } from './delegated-work.js'
import type { DropReason, EventSink } from './events.js'
import type { FoundSubscription } from './discover.js'
import type { Journal, JournalRecord } from './journal.js'
import type { Tracked, Tracker } from './tracker.js'

export interface Roster {
  /** @param isFresh false when this node may have answered it before */
  take(found: FoundSubscription, containers: readonly NodeContainer[], isFresh: boolean): void
  /** Serves what came over REST under its own id, until it is on chain. */
  takeDelegated(work: DelegatedWork): void
  drop(id: number, reason: DropReason, message: string): void
}

export interface RosterOptions {
  readonly tracker: Tracker
  readonly journal: Journal
  readonly index: ContainerIndex
  readonly emit: EventSink
  readonly record: (entry: JournalRecord) => void
}

export function createRoster({ tracker, journal, index, emit, record }: RosterOptions): Roster {
  function drop(id: number, reason: DropReason, message: string): void {
    tracker.remove(id)
    if (journal.state.accepted.has(id)) record({ type: 'dropped', id })
    if (journal.state.delegated.get(id)?.isDone === false) record({ type: 'delegatedDone', id })
    emit({ type: 'subscriptionDropped', id, reason, message })
  }

  return {
    take({ id, subscription }, containers, isFresh) {
      tracker.put({ ...newlyTracked(id, subscription, containers), isFresh })
      if (!journal.state.accepted.has(id)) record({ type: 'accepted', id })
      const ids = containers.map((container) => container.id)
      emit({ type: 'subscriptionAccepted', id, owner: subscription.owner, containers: ids })
    },
    takeDelegated({ id, request: { subscription, nonce } }) {
      const containers = index.find(subscription.containerId)
      if (containers === null) return drop(id, 'containersUnknown', 'Container not supported')
      emit({ type: 'delegatedAccepted', id, owner: subscription.owner, nonce })
      tracker.put(newlyTracked(id, subscription, containers))
    },
    drop,
  }
}

function newlyTracked(id: number, subscription: Subscription, containers: readonly NodeContainer[]): Tracked {
  const fingerprint = fingerprintOf(subscription)
  const rest = { isFresh: false, handledInterval: 0, revision: 0, isVoid: false }
  return { id, subscription, fingerprint, containers, ...rest }
}
