/**
 * The rank of the pair of neighbouring symbols that reach from `start` to `middle` and from there to `end`. Of all
 * pairs, those of the lowest rank are joined first; -1 when the two are never joined.
 */
export type RankOf = (start: number, middle: number, end: number) => number

/** Symbols that a text may have: a rank and a position have to fit into one whole number, below 2^53. */
const MAX_SYMBOLS = 2 ** 26

/**
 * Joins neighbouring symbols as byte-pair encoding does: always the pair of the lowest rank, the leftmost of several,
 * until there is none. Takes n log n steps, whatever the text is; a scan for each pair would take n^2, which is
 * minutes for one long run of a letter.
 * @param starts where each symbol begins, in ascending order, and last where the text ends
 * @returns the same for the joined symbols
 */
export function joinPairs(starts: Int32Array, rankOf: RankOf): number[] {
  const count = starts.length - 1
  if (count >= MAX_SYMBOLS) throw new RangeError(`${count} symbols are too many`)
  // Symbol i is the left one of pair i; `next[i]` is its right neighbour, or `count` at the end.
  const next = new Int32Array(count + 1)
  const previous = new Int32Array(count + 1)
  const ranks = new Int32Array(count + 1).fill(-1)
  const heap: number[] = []

  const at = (symbol: number) => starts[symbol] as number
  const rank = (left: number) => {
    const right = next[left] as number
    const found = right === count ? -1 : rankOf(at(left), at(right), at(next[right] as number))
    ranks[left] = found
    if (found >= 0) push(heap, found * MAX_SYMBOLS + left)
  }

  for (let symbol = 0; symbol <= count; symbol++) {
    next[symbol] = symbol + 1
    previous[symbol] = symbol - 1
  }
  for (let symbol = 0; symbol < count; symbol++) rank(symbol)
  while (heap.length > 0) {
    const lowest = pop(heap)
    const left = lowest % MAX_SYMBOLS
    // A pair that has changed since then stands in the heap with its new rank; no two pairs have the same.
    if (ranks[left] !== (lowest - left) / MAX_SYMBOLS) continue
    const right = next[left] as number
    const after = next[right] as number
    ranks[right] = -1
    next[left] = after
    previous[after] = left
    rank(left)
    if (left > 0) rank(previous[left] as number)
  }
  const joined: number[] = []
  for (let symbol = 0; symbol < count; symbol = next[symbol] as number) joined.push(at(symbol))
  joined.push(at(count))
  return joined
}

/** Adds to a binary heap whose smallest number is the first. */
function push(heap: number[], value: number): void {
  let place = heap.length
  heap.push(value)
  while (place > 0) {
    const parent = (place - 1) >> 1
    const above = heap[parent] as number
    if (above <= value) break
    heap[place] = above
    place = parent
  }
  heap[place] = value
}

/** Takes the smallest number of a heap that is not empty. */
function pop(heap: number[]): number {
  const smallest = heap[0] as number
  const value = heap.pop() as number
  const size = heap.length
  if (size === 0) return smallest
  let place = 0
  for (;;) {
    let child = 2 * place + 1
    if (child >= size) break
    if (child + 1 < size && (heap[child + 1] as number) < (heap[child] as number)) child++
    if ((heap[child] as number) >= value) break
    heap[place] = heap[child] as number
    place = child
  }
  heap[place] = value
  return smallest
}
