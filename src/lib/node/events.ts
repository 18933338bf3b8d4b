import { toFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'

/** Why a subscription is not served, or no longer. */
export type DropReason =
  | 'missing'
  | 'unreadable'
  | 'cancelled'
  | 'expired'
  | 'completed'
  | 'containersUnknown'
  | 'containerNotExternal'
  | 'ownerNotAllowed'
  | 'proofNotSupported'
  | 'paymentInvalid'
  | 'reorged'
  | 'gaveUp'

/** Why an interval ends without a delivery of this node. */
export type CloseReason =
  | 'filled'
  | 'answered'
  | 'raceLost'
  | 'tooLate'
  | 'cancelled'
  | 'missing'
  | 'containerFailed'
  | 'containerRefused'
  | 'answerInvalid'
  | 'deliveryRefused'
  | 'gasTooHigh'
  | 'bondRefused'
  | 'signatureExpired'
  | 'paymentInvalid'
  | 'unprofitable'
  | 'reorged'
  | 'failed'
  | 'stopped'

interface IntervalEvent {
  readonly id: number
  readonly interval: number
}

/** What happens to containers that the node manages. */
export type ManagedEvent =
  | { readonly type: 'imagePulling'; readonly image: string }
  | {
      readonly type: 'imageProgress'
      readonly image: string
      /** Of the layers that are known so far. */
      readonly doneBytes: number
      readonly totalBytes: number
    }
  | { readonly type: 'imagePulled'; readonly image: string }
  /** An image could not be pulled, and the local one is used. */
  | { readonly type: 'imageNotPulled'; readonly image: string; readonly message: string }
  | {
      readonly type: 'containerStarted'
      readonly container: string
      readonly image: string
      /** On this machine. */
      readonly port: number
      readonly isNew: boolean
    }
  /** A container of this name was there and is not as the configuration says. */
  | { readonly type: 'containerDiffers'; readonly container: string; readonly message: string }
  | {
      readonly type: 'containerDown'
      readonly container: string
      /** As Docker calls it; `missing` when it was removed. */
      readonly state: string
      readonly exitCode: number | null
    }
  | { readonly type: 'containerStopped'; readonly container: string }
  | {
      readonly type: 'engineFailed'
      readonly container: string
      readonly code: string
      readonly message: string
    }

/** What happens in a node, as plain JSON-safe values. Nothing is given up without one of them. */
export type NodeEvent =
  | {
      readonly type: 'started'
      readonly chainId: number
      readonly address: Address
      readonly coordinator: Address
      readonly containers: readonly string[]
      /** Of the REST face. */
      readonly port: number
    }
  | { readonly type: 'journalSetAside'; readonly path: string; readonly reason: string }
  | {
      readonly type: 'synced'
      readonly blockNumber: number
      readonly lastId: number
      readonly tracked: number
    }
  | { readonly type: 'reorged'; readonly fromBlock: number; readonly toBlock: number }
  | {
      readonly type: 'subscriptionAccepted'
      readonly id: number
      readonly owner: Address
      readonly containers: readonly string[]
    }
  /** A delegated subscription came in; until it is on chain it has an id below zero. */
  | {
      readonly type: 'delegatedAccepted'
      readonly id: number
      readonly owner: Address
      readonly nonce: number
    }
  | {
      readonly type: 'subscriptionDropped'
      readonly id: number
      readonly reason: DropReason
      readonly message: string
    }
  | ({ readonly type: 'intervalStarted' } & IntervalEvent)
  /** The wallet that pays holds or allows too little; the interval goes on once it does. */
  | ({ readonly type: 'paymentAwaited'; readonly message: string } & IntervalEvent)
  | {
      readonly type: 'intervalsMissed'
      readonly id: number
      readonly fromInterval: number
      readonly toInterval: number
    }
  | ({
      readonly type: 'containerFailed'
      readonly container: string
      readonly attempt: number
      readonly message: string
      /** Null when it is not tried again. */
      readonly retryInMs: number | null
    } & IntervalEvent)
  | ({ readonly type: 'computed'; readonly elapsedMs: number } & IntervalEvent)
  | ({ readonly type: 'resumed'; readonly stage: 'computed' | 'signed' } & IntervalEvent)
  | ({
      readonly type: 'deliveryFailed'
      readonly attempt: number
      readonly code: string
      readonly message: string
      readonly retryInMs: number
    } & IntervalEvent)
  | ({ readonly type: 'deliverySent'; readonly txHash: Hex; readonly nonce: number } & IntervalEvent)
  /** Signed once more for the same nonce, at a higher price. */
  | ({ readonly type: 'deliveryReplaced'; readonly txHash: Hex; readonly nonce: number } & IntervalEvent)
  | ({ readonly type: 'deliveryPending'; readonly txHash: Hex } & IntervalEvent)
  | ({
      readonly type: 'delivered'
      readonly txHash: Hex
      readonly blockNumber: number
      readonly gasUsed: bigint
    } & IntervalEvent)
  /** The node's wallet now lets the Coordinator lock this much for answers with proofs. */
  | {
      readonly type: 'bondApproved'
      readonly paymentToken: Address
      /** Base units. */
      readonly amount: bigint
      readonly txHash: Hex
    }
  /** A proof was judged: the node was paid, or its bond was slashed. */
  | ({ readonly type: 'proofSettled'; readonly isPaid: boolean; readonly txHash: Hex } & IntervalEvent)
  /** A verifier let a proof expire, and anybody may finalise it so that this node is paid. */
  | ({ readonly type: 'proofExpired'; readonly expirySec: number } & IntervalEvent)
  | ({
      readonly type: 'intervalClosed'
      readonly reason: CloseReason
      readonly message: string
    } & IntervalEvent)
  | {
      readonly type: 'rpcFailed'
      readonly code: string
      readonly message: string
      readonly retryInMs: number
    }
  | ManagedEvent
  /** Results of REST clients can no longer be written, and are lost with the process. */
  | { readonly type: 'resultsNotKept'; readonly code: string; readonly message: string }
  | { readonly type: 'stopped' }

/** Receives events as they happen. */
export type EventSink = (event: NodeEvent) => void

export interface EventQueue<T> {
  push(event: T): void
  /** Ends the iteration once everything pushed before was taken; with an error it throws there. */
  end(error?: unknown): void
  [Symbol.asyncIterator](): AsyncGenerator<T>
}

/** Turns pushed events into an iteration for one reader. */
export function createEventQueue<T>(): EventQueue<T> {
  const waiting: T[] = []
  let wake: () => void = () => undefined
  let end: { readonly error: unknown } | null = null
  return {
    push(event) {
      waiting.push(event)
      wake()
    },
    end(error) {
      end ??= { error }
      wake()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift() as T
        if (end !== null) {
          if (end.error !== undefined) throw toFlockError(end.error)
          return
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}
