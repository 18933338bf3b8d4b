/** Values by key, all of one kind. Values are never changed in place: a change puts another one. */
export interface Cells<V> {
  get(...key: readonly KeyPart[]): V
  put(value: V, ...key: readonly KeyPart[]): void
}

export type KeyPart = string | bigint

/** State that forgets what a refused action did, as a chain does. */
export interface Memory {
  /** @param blank what a key holds before it was put */
  cells<V>(blank: V): Cells<V>
  /** Does the work, or leaves everything as it was when it throws. */
  attempt<T>(work: () => T): T
}

export function createMemory(): Memory {
  let undo: (() => void)[] = []
  return {
    cells<V>(blank: V): Cells<V> {
      const values = new Map<string, V>()
      return {
        get: (...key) => {
          const name = keyOf(key)
          return values.has(name) ? (values.get(name) as V) : blank
        },
        put(value, ...key) {
          const name = keyOf(key)
          const isNew = !values.has(name)
          const before = values.get(name) as V
          undo.push(() => (isNew ? values.delete(name) : values.set(name, before)))
          values.set(name, value)
        },
      }
    },
    attempt(work) {
      undo = []
      try {
        return work()
      } catch (error) {
        for (const step of undo.reverse()) step()
        throw error
      }
    },
  }
}

/** Addresses are the same in any casing. */
function keyOf(key: readonly KeyPart[]): string {
  return key.map((part) => String(part).toLowerCase()).join('/')
}
