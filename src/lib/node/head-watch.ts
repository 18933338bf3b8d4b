/** Waits for the chain's next head: by what the endpoint pushes, or by asking it. */
import { sleep } from '../retry.js'
import type { CoordinatorView, Head } from './coordinator.js'
import { createPace } from './pace.js'

export interface HeadWatch {
  /**
   * The latest head, which may be one that was told of before; null when a while passed without one. Heads in between
   * may be left out.
   */
  next(): Promise<Head | null>
  /** Makes the next look ask the endpoint, as what came of the last one is lost. */
  askAgain(): void
  /** The head some blocks before one that was pushed, if all between them were pushed as well. */
  before(head: Head, blocks: number): Head | null
  close(): void
}

export interface HeadWatchOptions {
  /** Longest wait, and pause between two questions where blocks come irregularly. */
  readonly pollMs: number
  readonly signal: AbortSignal
  readonly now: () => number
}

/** An endpoint that pushes nothing for so long is asked, as its connection may be dead. */
const SILENCE_MS = 10_000
/** Pushed heads that are remembered. */
const REMEMBERED = 64

export function watchHeads(
  view: Pick<CoordinatorView, 'heads' | 'readHead'>,
  options: HeadWatchOptions,
): HeadWatch {
  const { pollMs, signal, now } = options
  const pace = createPace(options)
  const byHash = new Map<string, Head>()
  let pushed: Head | null = null
  let wake: () => void = () => undefined
  let heardAtMs = now()
  /** Whether the feed has stood since the endpoint was last asked: a head may have come before it did. */
  let isFollowed = false

  const end = view.heads?.listen((head) => {
    pushed = head
    byHash.set(head.hash, head)
    if (byHash.size > REMEMBERED) byHash.delete(byHash.keys().next().value ?? '')
    wake()
  })

  async function ask(): Promise<Head | null> {
    isFollowed = view.heads?.isLive() === true
    heardAtMs = now()
    const head = await view.readHead('latest')
    if (head !== null) pace.note(head.number)
    return head
  }

  async function nextPushed(): Promise<Head | null> {
    if (!isFollowed) return ask()
    if (pushed === null) await pause(pollMs)
    const head = pushed
    if (head === null) return now() - heardAtMs < SILENCE_MS ? null : ask()
    pushed = null
    heardAtMs = now()
    return head
  }

  /** Settles early when a head is pushed. */
  async function pause(ms: number): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done, { once: true })
      function done() {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        wake = () => undefined
        resolve()
      }
      wake = done
    })
    signal.throwIfAborted()
  }

  return {
    async next() {
      if (view.heads?.isLive() === true) return nextPushed()
      isFollowed = false
      const pauseMs = pace.pauseMs()
      if (pauseMs > 0) await sleep(Math.min(pauseMs, pollMs), signal)
      return pauseMs > pollMs ? null : ask()
    },
    askAgain() {
      isFollowed = false
    },
    before(head, blocks) {
      let found: Head | undefined = head
      for (let count = 0; count < blocks && found !== undefined; count += 1)
        found = byHash.get(found.parentHash)
      return found ?? null
    },
    close: () => end?.(),
  }
}
