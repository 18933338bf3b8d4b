/** Jobs of REST clients and their results, in memory and within bounds. */

export type JobStatus = 'running' | 'success' | 'failed'

/** One job as its client sees it. */
export interface StoredJob {
  readonly id: string
  readonly status: JobStatus
  /** JSON text, sorted and compact: what the last container did; `null` when nothing is known. */
  readonly resultJson: string
  /** JSON text of a list: what the containers before it answered. */
  readonly earlierJson: string
}

/** A job, and whose it is. */
export interface JobRecord {
  readonly client: string
  readonly entry: JobEntry
}

export interface JobEntry extends StoredJob {
  /** When it last changed. */
  readonly atMs: number
  readonly isReported: boolean
}

interface ClientJobs {
  readonly pending: Map<string, JobEntry>
  /** In the order they ended. */
  readonly completed: Map<string, JobEntry>
  chars: number
}

export interface OffchainLimits {
  /** Of jobs that ended, as characters. Beyond it the client that holds most loses its oldest. */
  readonly maxChars: number
  /** Jobs under way, of all clients. */
  readonly maxPending: number
  /** Results are given out for so long after the job ended. */
  readonly keepMs: number
  /** A job that a container reported as running is forgotten unless it reports again. */
  readonly keepReportedMs: number
}

/** Documented in docs/node.md. */
export const OFFCHAIN_LIMITS: OffchainLimits = {
  maxChars: 64 * 1024 * 1024,
  maxPending: 4_096,
  keepMs: 7 * 24 * 3_600_000,
  // As the reference node keeps everything that is pending.
  keepReportedMs: 15 * 60_000,
}

/** What one job takes besides its texts. */
const JOB_CHARS = 1_024
const SWEEP_MS = 60_000

export interface OffchainMemoryOptions {
  /** Unix time in ms; it has to go on over a restart. */
  readonly unixMs: () => number
  readonly limits?: Partial<OffchainLimits>
}

export interface OffchainMemory {
  apply(record: JobRecord): void
  get(client: string, id: string): JobEntry | undefined
  ids(client: string, which: 'pending' | 'completed'): string[]
  pendingCount(): number
  hasRoom(): boolean
  failPending(): void
  /** What leads to this state. */
  records(): JobRecord[]
}

export function createOffchainMemory({ unixMs, limits = {} }: OffchainMemoryOptions): OffchainMemory {
  const { maxChars, maxPending, keepMs, keepReportedMs } = { ...OFFCHAIN_LIMITS, ...limits }
  const clients = new Map<string, ClientJobs>()
  let chars = 0
  let pending = 0
  let sweptMs = 0

  const drop = (name: string, jobs: ClientJobs, id: string) => {
    if (jobs.pending.delete(id)) pending -= 1
    const entry = jobs.completed.get(id)
    if (entry !== undefined) {
      jobs.completed.delete(id)
      jobs.chars -= charsOf(entry)
      chars -= charsOf(entry)
    }
    if (jobs.pending.size + jobs.completed.size === 0) clients.delete(name)
  }
  const sweep = (nowMs: number) => {
    // A clock that was set back does not keep things for ever: then the next sweep is due at once.
    if (nowMs >= sweptMs && nowMs - sweptMs < SWEEP_MS) return
    sweptMs = nowMs
    for (const [name, jobs] of clients) {
      for (const { id, atMs } of jobs.completed.values()) {
        if (nowMs - atMs < keepMs) break
        drop(name, jobs, id)
      }
      for (const { id, atMs, isReported } of jobs.pending.values())
        if (isReported && nowMs - atMs >= keepReportedMs) drop(name, jobs, id)
    }
  }
  const evict = () => {
    while (chars > maxChars) {
      let most: [string, ClientJobs] | null = null
      for (const entry of clients) if (most === null || entry[1].chars > most[1].chars) most = entry
      const [name, jobs] = most ?? []
      const [oldest] = jobs?.completed.keys() ?? []
      if (name === undefined || jobs === undefined || oldest === undefined) return
      drop(name, jobs, oldest)
    }
  }

  return {
    apply({ client, entry }) {
      sweep(unixMs())
      const before = clients.get(client)
      if (before !== undefined) drop(client, before, entry.id)
      const jobs = clients.get(client) ?? { pending: new Map(), completed: new Map(), chars: 0 }
      clients.set(client, jobs)
      if (entry.status === 'running') {
        jobs.pending.set(entry.id, entry)
        pending += 1
        return
      }
      jobs.completed.set(entry.id, entry)
      jobs.chars += charsOf(entry)
      chars += charsOf(entry)
      evict()
    },
    get(client, id) {
      sweep(unixMs())
      const jobs = clients.get(client)
      return jobs?.completed.get(id) ?? jobs?.pending.get(id)
    },
    ids(client, which) {
      sweep(unixMs())
      return [...(clients.get(client)?.[which].keys() ?? [])]
    },
    pendingCount: () => pending,
    hasRoom: () => pending < maxPending,
    failPending() {
      for (const [client, jobs] of [...clients])
        for (const entry of [...jobs.pending.values()]) {
          if (!entry.isReported) this.apply({ client, entry: { ...entry, ...stoppedJob(entry.id) } })
        }
    },
    records: () =>
      [...clients].flatMap(([client, jobs]) =>
        [...jobs.completed.values(), ...jobs.pending.values()].map((entry) => ({ client, entry })),
      ),
  }
}

/** A job that the end of the node cut off. */
export function stoppedJob(id: string): StoredJob {
  const result = { container: '', error: 'The node stopped before the job ended.' }
  return { id, status: 'failed', resultJson: JSON.stringify(result), earlierJson: '[]' }
}

function charsOf({ id, resultJson, earlierJson }: JobEntry): number {
  return id.length + resultJson.length + earlierJson.length + JOB_CHARS
}
