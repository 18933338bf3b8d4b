import type { Hex } from '../hex.js'

/** Where the answers to requests stand in one file. Takes 17 to 34 bytes of memory for each, whatever its size. */
export interface AnswerIndex {
  readonly size: number
  /** @param key 32 bytes, a hash @param offset above 0 and below 2^32 */
  add(key: Hex, offset: number): void
  /**
   * Where the answer to `key` may stand: almost always one place or none. Only half of a key's first 128 bits is
   * kept, so what stands there has to be compared.
   */
  find(key: Hex): readonly number[]
}

const FIRST_CAPACITY = 64
/** Numbers for each place: two of the key, one for the offset. */
const STRIDE = 3
const MAX_LOAD = 0.7

/** A table with open addressing: keys are hashes, so that their own bits spread them. */
export function createAnswerIndex(): AnswerIndex {
  let capacity = FIRST_CAPACITY
  let table = new Uint32Array(capacity * STRIDE)
  let size = 0

  function put(first: number, second: number, offset: number): void {
    let place = first % capacity
    while (table[place * STRIDE + 2] !== 0) place = (place + 1) % capacity
    table[place * STRIDE] = first
    table[place * STRIDE + 1] = second
    table[place * STRIDE + 2] = offset
  }

  function grow(): void {
    const old = table
    capacity *= 2
    table = new Uint32Array(capacity * STRIDE)
    for (let at = 0; at < old.length; at += STRIDE) {
      const offset = old[at + 2] ?? 0
      if (offset !== 0) put(old[at] ?? 0, old[at + 1] ?? 0, offset)
    }
  }

  return {
    get size() {
      return size
    },
    add(key, offset) {
      if (size + 1 > capacity * MAX_LOAD) grow()
      put(partOf(key, 0), partOf(key, 1), offset)
      size += 1
    },
    find(key) {
      const first = partOf(key, 0)
      const second = partOf(key, 1)
      const found: number[] = []
      for (let place = first % capacity; ; place = (place + 1) % capacity) {
        const offset = table[place * STRIDE + 2] ?? 0
        if (offset === 0) return found
        if (table[place * STRIDE] === first && table[place * STRIDE + 1] === second) found.push(offset)
      }
    },
  }
}

/** 32 bits of a key. */
function partOf(key: Hex, part: number): number {
  return Number.parseInt(key.slice(2 + 8 * part, 10 + 8 * part), 16)
}
