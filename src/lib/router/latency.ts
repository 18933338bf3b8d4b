/** A moving picture of how long a host takes. Times are milliseconds of any one clock that does not go backwards. */
export interface Latency {
  record(sampleMs: number, nowMs: number): void
  /** Null before the first sample. */
  valueMs(nowMs: number): number | null
  /** As of the last sample, however long ago that was. */
  heldMs(): number | null
}

/** Time in which a sample loses all but 1/e of its weight. */
const MEMORY_MS = 10_000

/**
 * The exponentially weighted moving average that jumps to each peak and comes down slowly, so that a host that
 * begins to stall is left at once and taken back with care. Without samples it falls towards zero: a host that
 * nobody asks because it was slow gets a chance to show that it no longer is.
 */
export function createPeakEwma(): Latency {
  let value = 0
  let atMs = 0
  let isEmpty = true
  return {
    record(sampleMs, nowMs) {
      if (isEmpty || sampleMs > value) value = sampleMs
      else {
        const kept = Math.exp(-(nowMs - atMs) / MEMORY_MS)
        value = value * kept + sampleMs * (1 - kept)
      }
      atMs = nowMs
      isEmpty = false
    },
    valueMs(nowMs) {
      return isEmpty ? null : value * Math.exp(-(nowMs - atMs) / MEMORY_MS)
    },
    heldMs: () => (isEmpty ? null : value),
  }
}

/** The last samples of a model's hosts, for a quantile of them. */
export interface Samples {
  record(sampleMs: number): void
  /** Null as long as there are too few samples to tell. */
  quantileMs(share: number): number | null
}

const MAX_SAMPLES = 256
const MIN_SAMPLES = 20
/** Sorting at every call would cost more than the calls themselves. */
const SAMPLES_BETWEEN_SORTS = 16

export function createSamples(): Samples {
  const ring = new Float64Array(MAX_SAMPLES)
  let sorted = new Float64Array(0)
  let count = 0
  let sortedAt = 0
  return {
    record(sampleMs) {
      ring[count % MAX_SAMPLES] = sampleMs
      count += 1
    },
    quantileMs(share) {
      if (count < MIN_SAMPLES) return null
      if (sorted.length === 0 || count - sortedAt >= SAMPLES_BETWEEN_SORTS) {
        sorted = ring.slice(0, Math.min(count, MAX_SAMPLES)).sort()
        sortedAt = count
      }
      return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null
    },
  }
}
