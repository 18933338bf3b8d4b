/** Sets subscriptions aside that an endpoint refuses to read, so that none of them holds up the others. */
import { isRefusal } from '../chain/provider.js'
import { toFlockError } from '../errors.js'

export interface Quarantine {
  has(id: number): boolean
  /** Takes a failure to read an id alone; true when the id is set aside now, or is still. */
  takes(id: number, error: unknown, blockNumber: number): boolean
  /** Those that are to be tried again at a block, the first of them. */
  due(blockNumber: number): readonly number[]
  /** An id was tried again. */
  release(id: number, isRead: boolean): void
  /** Ids above are void. */
  dropAbove(id: number): void
  /** The lowest id that is set aside, or `otherwise`. */
  firstId(otherwise: number): number
}

/** Refusals of an id alone after which it is set aside. */
const REFUSALS = 3
/** Blocks until the first new try; doubled each time. */
const RETRY_BLOCKS = 16
const MAX_RETRY_BLOCKS = 4_096

interface Entry {
  readonly refusals: number
  readonly retryAt: number
}

export function createQuarantine(): Quarantine {
  const held = new Map<number, Entry>()
  let last: { readonly id: number; readonly refusals: number } | null = null
  return {
    has: (id) => held.has(id),
    takes(id, error, blockNumber) {
      // An endpoint that is away says nothing about what it was asked.
      if (toFlockError(error).kind !== 'rejected' && !isRefusal(error)) return false
      const refusals = (held.get(id)?.refusals ?? (last?.id === id ? last.refusals : 0)) + 1
      last = { id, refusals }
      if (refusals < REFUSALS) return false
      const pause = Math.min(RETRY_BLOCKS * 2 ** (refusals - REFUSALS), MAX_RETRY_BLOCKS)
      held.set(id, { refusals, retryAt: blockNumber + pause })
      return true
    },
    due(blockNumber) {
      for (const [id, { retryAt }] of held) if (retryAt <= blockNumber) return [id]
      return []
    },
    release(id, isRead) {
      if (isRead) held.delete(id)
    },
    dropAbove(id) {
      for (const other of [...held.keys()]) if (other > id) held.delete(other)
    },
    firstId(otherwise) {
      let first = otherwise
      for (const id of held.keys()) first = Math.min(first, id)
      return first
    },
  }
}
