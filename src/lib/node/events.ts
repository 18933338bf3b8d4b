import { toFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'

/** Why a subscription is not served, or no longer. */
export type DropReason =
  | 'missing'
  | 'cancelled'
  | 'expired'
  | 'completed'
  | 'containersUnknown'
  | 'containerNotExternal'
  | 'ownerNotAllowed'
  | 'proofNotSupported'
  | 'paymentInvalid'
  | 'paymentNotSupported'
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
  | 'reorged'
  | 'failed'
  | 'stopped'

interface IntervalEvent {
  readonly id: number
  readonly interval: number
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
  | {
      readonly type: 'subscriptionDropped'
      readonly id: number
      readonly reason: DropReason
      readonly message: string
    }
  | ({ readonly type: 'intervalStarted' } & IntervalEvent)
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
  | ({ readonly type: 'deliveryPending'; readonly txHash: Hex } & IntervalEvent)
  | ({
      readonly type: 'delivered'
      readonly txHash: Hex
      readonly blockNumber: number
      readonly gasUsed: bigint
    } & IntervalEvent)
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
