import type { Answerer } from './answer.js'
import type { IntervalKey } from './coordinator.js'
import type { CloseReason } from './events.js'
import { closeWith, type IntervalOutcome, type IntervalTask } from './interval-task.js'
import { keyOf } from './journal.js'

/** Intervals under way, each by one job. */
export interface Jobs {
  readonly size: number
  has(key: IntervalKey): boolean
  /** Settles when all jobs of that kind that are under way have let go. */
  done(isWanted: (key: IntervalKey) => boolean): Promise<void>
  keys(): readonly IntervalKey[]
  /** Begins an interval unless it is under way; after a job that was ended, when that one has let go. */
  begin(task: Omit<IntervalTask, 'signal'>, onEnd: (outcome: IntervalOutcome) => void): void
  /** Ends the jobs of a subscription; transactions that were sent are seen through. */
  end(id: number, reason: CloseReason, message: string, options?: { readonly exceptInterval: number }): void
  /** Ends all jobs for good and settles when the last one has let go. */
  stop(): Promise<void>
}

interface Job extends IntervalKey {
  readonly controller: AbortController
  readonly done: Promise<void>
}

export function createJobs(answerer: Answerer): Jobs {
  const jobs = new Map<string, Job>()
  let isStopped = false

  function begin(task: Omit<IntervalTask, 'signal'>, onEnd: (outcome: IntervalOutcome) => void): void {
    if (isStopped) return
    const key = keyOf(task)
    const before = jobs.get(key)
    if (before !== undefined) {
      if (before.controller.signal.aborted) void before.done.then(() => begin(task, onEnd))
      return
    }
    const controller = new AbortController()
    const done = answerer.answer({ ...task, signal: controller.signal }).then((outcome) => {
      jobs.delete(key)
      onEnd(outcome)
    })
    jobs.set(key, { id: task.id, interval: task.interval, controller, done })
  }

  return {
    get size() {
      return jobs.size
    },
    keys: () => [...jobs.values()],
    has: (key) => jobs.has(keyOf(key)),
    async done(isWanted) {
      await Promise.all([...jobs.values()].filter(isWanted).map((job) => job.done))
    },
    begin,
    end(id, reason, message, { exceptInterval } = { exceptInterval: -1 }) {
      for (const job of jobs.values()) {
        if (job.id === id && job.interval !== exceptInterval) job.controller.abort(closeWith(reason, message))
      }
    },
    async stop() {
      isStopped = true
      for (const { controller } of jobs.values()) {
        controller.abort(closeWith('stopped', 'The node is stopping.'))
      }
      await Promise.all([...jobs.values()].map(({ done }) => done))
    },
  }
}
