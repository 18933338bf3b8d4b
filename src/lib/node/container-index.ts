import type { NodeContainer } from '../infernet/node-config.js'
import { hashContainerList } from '../infernet/container-id.js'
import type { Hex } from '../hex.js'

/**
 * Lists that are hashed at most, which takes a tenth of a second: all orders of up to 6 containers, all triples of up to
 * 13, all pairs of up to 45.
 */
const MAX_LISTS = 2_000

/** Finds the containers behind a hash of the chain. */
export interface ContainerIndex {
  /** The containers in the order they run; null when no list that this node can serve has the hash. */
  find(containerId: Hex): readonly NodeContainer[] | null
}

/**
 * Indexes ordered lists of distinct containers by hash: single ones first, then pairs, and so on.
 *
 * Lists are hashed as far as a question needs, once, and never more than `maxLists`, so that many containers cost no
 * more than few; what lies beyond is not served.
 */
export function createContainerIndex(
  containers: readonly NodeContainer[],
  { maxLists = MAX_LISTS }: { readonly maxLists?: number } = {},
): ContainerIndex {
  const known = new Map<Hex, readonly NodeContainer[]>()
  const lists = arrangements(containers, maxLists)
  return {
    find(containerId) {
      const wanted = containerId.toLowerCase() as Hex
      const found = known.get(wanted)
      if (found !== undefined) return found
      for (let next = lists.next(); !next.done; next = lists.next()) {
        const hash = hashContainerList(next.value.map(({ id }) => id).join(','))
        known.set(hash, next.value)
        if (hash === wanted) return next.value
      }
      return null
    },
  }
}

function* arrangements<T>(items: readonly T[], max: number): Generator<readonly T[], undefined> {
  let shorter: (readonly T[])[] = [[]]
  let count = 0
  for (let length = 1; length <= items.length; length += 1) {
    const current: (readonly T[])[] = []
    for (const head of shorter) {
      for (const item of items) {
        if (head.includes(item)) continue
        if (count === max) return
        count += 1
        const list = [...head, item]
        current.push(list)
        yield list
      }
    }
    shorter = current
  }
}
