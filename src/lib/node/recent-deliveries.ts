import type { Hex } from '../hex.js'
import type { Subscription } from '../infernet/subscription.js'
import type { CoordinatorView, Head } from './coordinator.js'
import type { JournaledAnswer } from './journal.js'

/** A delivery that was mined, and all that is needed to bring it back. */
export interface Delivered {
  readonly answer: JournaledAnswer
  readonly subscription: Subscription
  readonly blockNumber: number
  readonly blockHash: Hex
}

/** Remembers deliveries until their blocks are final, and tells which of them a reorganisation undid. */
export interface RecentDeliveries {
  add(delivered: Delivered): void
  /** Takes out those above a block, all of which were replaced. */
  takeAbove(blockNumber: number): Delivered[]
  /**
   * Takes out those whose block is not part of the chain that ends in `head`: one may be replaced before anybody
   * looked at it. Each is looked up once.
   */
  takeStrayed(head: Head, view: CoordinatorView): Promise<Delivered[]>
}

/** Deliveries in blocks below this depth are taken for final. */
const FINAL_DEPTH = 64

export function createRecentDeliveries(): RecentDeliveries {
  let entries: readonly { readonly delivered: Delivered; readonly isSeen: boolean }[] = []
  return {
    add(delivered) {
      entries = [...entries, { delivered, isSeen: false }]
    },
    takeAbove(blockNumber) {
      const undone = entries.filter(({ delivered }) => delivered.blockNumber > blockNumber)
      entries = entries.filter(({ delivered }) => delivered.blockNumber <= blockNumber)
      return undone.map(({ delivered }) => delivered)
    },
    async takeStrayed(head, view) {
      const numbers = entries
        .filter(({ delivered, isSeen }) => !isSeen && delivered.blockNumber <= head.number)
        .map(({ delivered }) => delivered.blockNumber)
      const hashes = new Map<number, Hex | null>([[head.number, head.hash]])
      for (const number of new Set(numbers)) {
        if (!hashes.has(number)) hashes.set(number, (await view.readHead(number))?.hash ?? null)
      }
      const isStray = ({ blockNumber, blockHash }: Delivered) =>
        hashes.has(blockNumber) && hashes.get(blockNumber) !== blockHash
      const strayed = entries.filter(({ delivered, isSeen }) => !isSeen && isStray(delivered))
      entries = entries
        .filter(
          (entry) => !strayed.includes(entry) && entry.delivered.blockNumber > head.number - FINAL_DEPTH,
        )
        .map(({ delivered, isSeen }) => ({ delivered, isSeen: isSeen || hashes.has(delivered.blockNumber) }))
      return strayed.map(({ delivered }) => delivered)
    },
  }
}
