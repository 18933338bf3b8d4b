/** What is known of one endpoint: whether it answers, how far it follows the chain, how often it may be asked. */
import { backoffMs } from '../retry.js'
import type { Transport } from './rpc.js'
import type { Throttle } from './throttle.js'

export interface Member {
  readonly transport: Transport
  readonly throttle: Throttle
  /** True once it was seen to serve the right chain. */
  isVerified: boolean
  /** Avoided until then: its last calls failed, or it lags behind. Milliseconds of the pool's clock. */
  avoidUntilMs: number
  failures: number
  /** The newest block that it told of, and when. */
  headNumber: number
  headAtMs: number
}

/** Failures in a row after which an endpoint is avoided for a while. */
const OPEN_AFTER = 2
const AVOID = { delayMs: 1_000, maxDelayMs: 60_000 }
/** Blocks between endpoints that are usual: they hear of a block at different times. */
const USUAL_LAG = 3
const AVOID_LAGGING_MS = 15_000
/** Heads older than this say nothing about how far the chain is. */
const HEAD_COUNTS_MS = 60_000

export function createMember(transport: Transport, throttle: Throttle): Member {
  return {
    transport,
    throttle,
    isVerified: false,
    avoidUntilMs: Number.NEGATIVE_INFINITY,
    failures: 0,
    headNumber: -1,
    headAtMs: Number.NEGATIVE_INFINITY,
  }
}

export function noteAnswer(member: Member): void {
  member.failures = 0
}

export function noteFailure(member: Member, nowMs: number): void {
  member.failures += 1
  if (member.failures < OPEN_AFTER) return
  member.avoidUntilMs = nowMs + backoffMs(member.failures - OPEN_AFTER + 1, AVOID)
  // What comes back may be another node, of another chain.
  member.isVerified = false
}

/** Takes a head that a member told of; true when the member lags behind one of the others. */
export function noteHead(
  member: Member,
  headNumber: number,
  { members, nowMs }: { readonly members: readonly Member[]; readonly nowMs: number },
): boolean {
  member.headNumber = headNumber
  member.headAtMs = nowMs
  const isLagging = members.some(
    (other) =>
      other !== member &&
      nowMs - other.headAtMs < HEAD_COUNTS_MS &&
      other.headNumber > headNumber + USUAL_LAG,
  )
  if (isLagging) member.avoidUntilMs = Math.max(member.avoidUntilMs, nowMs + AVOID_LAGGING_MS)
  return isLagging
}

/**
 * The member to ask next: one that was not asked yet for this call, is not avoided, and may be asked soonest; among
 * equals the first in the list.
 */
export function chooseMember(
  members: readonly Member[],
  asked: readonly Member[],
  nowMs: number,
): Member | undefined {
  let best: Member | undefined
  let bestRank: readonly number[] = []
  for (const member of members) {
    const rank = [
      timesAsked(member, asked),
      member.avoidUntilMs > nowMs ? member.avoidUntilMs : 0,
      member.throttle.delayMs(),
    ]
    if (best === undefined || isBefore(rank, bestRank)) {
      best = member
      bestRank = rank
    }
  }
  return best
}

function timesAsked(member: Member, asked: readonly Member[]): number {
  let times = 0
  for (const one of asked) if (one === member) times += 1
  return times
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, index) => value !== b[index])
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0)
}
