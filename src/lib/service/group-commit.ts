import { FlockError, isFlockError, messageOf } from '../errors.js'

/** Commits what many callers add together, so that they share what is slow about it. */
export interface GroupCommit<T> {
  /**
   * Settles when the item is committed. What comes while a commit is under way shares the next one.
   * @throws SERVICE_UNREACHABLE when too much waits already; the fault of a commit that failed, also of an earlier one
   */
  add(item: T, bytes: number): Promise<void>
  /** Lets everything that waits, and all that comes later, fail. The first fault stays. */
  fail(error: FlockError): void
  /** Settles when nothing is under way. */
  idle(): Promise<void>
  /** Why nothing can be added any more; null while all is well. */
  readonly fault: FlockError | null
}

export interface GroupCommitOptions<T> {
  /** Does the work. What it throws is final: nobody knows how much of it was done. */
  readonly commit: (batch: readonly T[]) => Promise<void>
  /** A batch ends before the item that would go beyond; an item may be larger. */
  readonly maxBatchBytes: number
  readonly maxWaitingBytes: number
}

interface Waiting<T> {
  readonly item: T
  readonly bytes: number
  readonly done: () => void
  readonly failed: (error: FlockError) => void
}

export function createGroupCommit<T>(options: GroupCommitOptions<T>): GroupCommit<T> {
  const { commit, maxBatchBytes, maxWaitingBytes } = options
  let waiting: Waiting<T>[] = []
  let waitingBytes = 0
  let running: Promise<void> | null = null
  let fault: FlockError | null = null

  function fail(error: FlockError): void {
    fault ??= error
    for (const { failed } of waiting.splice(0)) failed(fault)
    waitingBytes = 0
  }

  function takeBatch(): Waiting<T>[] {
    let bytes = 0
    let count = 0
    for (const item of waiting) {
      if (count > 0 && bytes + item.bytes > maxBatchBytes) break
      bytes += item.bytes
      count += 1
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    waitingBytes -= bytes
    return batch
  }

  async function run(): Promise<void> {
    // All that arrives with one turn of the event loop shares the first batch.
    await new Promise((resolve) => setImmediate(resolve))
    while (waiting.length > 0) {
      const batch = takeBatch()
      try {
        await commit(batch.map(({ item }) => item))
      } catch (error) {
        fail(isFlockError(error) ? error : new FlockError('INTERNAL', messageOf(error), { cause: error }))
      }
      for (const { done, failed } of batch) {
        if (fault === null) done()
        else failed(fault)
      }
    }
    running = null
  }

  return {
    async add(item, bytes) {
      if (fault !== null) throw fault
      if (waitingBytes + bytes > maxWaitingBytes) throw overfull(waitingBytes)
      await new Promise<void>((done, failed) => {
        waiting.push({ item, bytes, done, failed })
        waitingBytes += bytes
        running ??= run()
      })
    },
    fail,
    async idle() {
      await running
    },
    get fault() {
      return fault
    },
  }
}

function overfull(bytes: number): FlockError {
  return new FlockError('SERVICE_UNREACHABLE', `${bytes} bytes wait for the disk; no more are taken.`, {
    details: { bytes },
    hint: 'The disk of the answer journal is too slow for what the service answers.',
  })
}
