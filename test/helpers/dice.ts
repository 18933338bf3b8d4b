/** Random choices that are the same on every run with the same seed. */
export interface Dice {
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number
  /** A number below 2^bits; small ones are as likely as large ones. */
  amount(bits: number): bigint
  /** True once in `times`. */
  once(times: number): boolean
  pick<T>(list: readonly T[]): T
  /** Some of the list, in its order; at least one when it is not empty. */
  some<T>(list: readonly T[]): T[]
}

export function createDice(seed: number): Dice {
  let state = BigInt(seed) * 2_862_933_555_777_941_757n + 3_037_000_493n
  /** 32 bits of a linear congruential generator. */
  const roll = (): bigint => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n
    return state >> 32n
  }
  const between = (low: number, high: number) => low + Number(roll() % BigInt(high - low + 1))
  const pick = <T>(list: readonly T[]): T => list[between(0, list.length - 1)] as T
  return {
    between,
    pick,
    amount(bits) {
      const size = between(0, bits)
      let value = 0n
      for (let have = 0; have < size; have += 32) value = (value << 32n) | roll()
      return value % 2n ** BigInt(size)
    },
    once: (times) => between(1, times) === 1,
    some(list) {
      const chosen = list.filter(() => between(0, 1) === 1)
      return chosen.length === 0 && list.length > 0 ? [pick(list)] : chosen
    },
  }
}
