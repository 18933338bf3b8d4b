/** When to ask an endpoint for its head, so that a block is seen soon and few questions are asked in vain. */
export interface Pace {
  /** Milliseconds until it is worth asking. */
  pauseMs(): number
  /** Takes the number of the head that was just answered. */
  note(headNumber: number): void
}

/** Blocks in a row that have to come at the same distance before the next one is expected at a time. */
const REGULAR_BLOCKS = 4
/** Share of the distance by which they may differ. */
const TOLERANCE = 0.25
/** Faster chains are asked as often as allowed: the next answer brings several blocks. */
const SHORTEST_MS = 400
/** A question that came late by an unknown time makes the next one come earlier by this share of the distance. */
const LEAD = 0.02
/** After a question in vain the next one follows after this share, and each further one after half as much again. */
const FIRST_PAUSE = 0.04
const PAUSE_GROWTH = 1.5

/**
 * @param options.pollMs pause where blocks come irregularly
 * @param options.now milliseconds; only differences count
 */
export function createPace({ pollMs, now }: { readonly pollMs: number; readonly now: () => number }): Pace {
  /** Blocks and when each came, as far as that is known. */
  let sightings: readonly { readonly number: number; readonly atMs: number }[] = []
  let askedAtMs = Number.NEGATIVE_INFINITY
  let missedAtMs: number | null = null
  let misses = 0

  /** Distance of blocks in milliseconds; null while they come irregularly. */
  function distanceMs(): number | null {
    const [first] = sightings
    const last = sightings.at(-1)
    if (first === undefined || last === undefined || sightings.length <= REGULAR_BLOCKS) return null
    const mean = (last.atMs - first.atMs) / (last.number - first.number)
    const isRegular = sightings.every((sighting, at) => {
      const before = sightings[at - 1]
      if (before === undefined) return true
      const expected = (sighting.number - before.number) * mean
      return Math.abs(sighting.atMs - before.atMs - expected) <= TOLERANCE * mean
    })
    return isRegular && mean >= SHORTEST_MS ? mean : null
  }

  return {
    pauseMs() {
      const distance = distanceMs()
      const last = sightings.at(-1)
      if (distance === null || last === undefined) return Math.max(0, askedAtMs + pollMs - now())
      const expectedMs = last.atMs + distance
      if (now() > expectedMs + distance / 2) return Math.max(0, askedAtMs + pollMs - now())
      const pause = Math.min(FIRST_PAUSE * distance * PAUSE_GROWTH ** (misses - 1), pollMs)
      return Math.max(0, (misses === 0 ? expectedMs : askedAtMs + pause) - now())
    },
    note(number) {
      askedAtMs = now()
      const last = sightings.at(-1)
      if (last !== undefined && number === last.number) {
        missedAtMs = askedAtMs
        misses += 1
        return
      }
      const distance = distanceMs()
      const cameAtMs =
        distance === null
          ? askedAtMs
          : missedAtMs === null
            ? askedAtMs - LEAD * distance
            : (missedAtMs + askedAtMs) / 2
      // Another chain, or a jump: what was learnt no longer holds.
      const kept = last !== undefined && number < last.number ? [] : sightings.slice(-REGULAR_BLOCKS)
      sightings = [...kept, { number, atMs: cameAtMs }]
      missedAtMs = null
      misses = 0
    },
  }
}
