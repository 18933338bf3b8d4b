/** Units and buckets of metrics: Prometheus counts in seconds, the service in milliseconds. */

/** From refusals, which take a millisecond, to long answers, which take minutes. */
export const ANSWER_BUCKETS = [
  0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
]

export const FIRST_TOKEN_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** From memory, which takes microseconds, to disks that are busy. */
export const COMMIT_BUCKETS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1,
]

/** A duration that is no number, or below zero since its clock was set back, counts as none: a figure breaks no request. */
export function seconds(ms: number): number {
  return ms > 0 && ms < Infinity ? ms / 1_000 : 0
}
