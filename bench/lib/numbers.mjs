// What many measurements come to.

/** The value below which `part` (0 to 1) of the sorted values lie; null of none. */
export function percentile(sorted, part) {
  if (sorted.length === 0) return null
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
}

/** The middle value, or the mean of the middle two; null of none. */
export function median(values) {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}
