import type { Ora } from 'ora'
import { isTruthy } from './mode.js'
import type { Env } from './mode.js'
import { writeLines } from './output.js'
import type { TerminalStream } from './output.js'

/** Tells on stderr how long work is going: a spinner on a terminal, plain lines elsewhere. */
export interface Progress {
  /** Begins a step; a running one counts as done. */
  start(text: string): void
  /** Changes what the running step says, for instance its count and rate. */
  update(text: string): void
  succeed(text?: string): void
  fail(text?: string): void
  /** Takes the spinner away without a word. */
  stop(): void
}

/** Pause between plain lines for updates of one step, so that logs of long work stay short. */
const PLAIN_UPDATE_MS = 10_000

export function createProgress(
  stream: TerminalStream,
  options: { env: Env; quiet: boolean; now?: () => number },
): Progress {
  if (options.quiet) return silentProgress
  return isInteractive(stream, options.env) ? spinner(stream) : plain(stream, options.now ?? Date.now)
}

/** True where something may move: a terminal that is neither dumb nor a CI log. */
export function isInteractive(stream: TerminalStream, env: Env): boolean {
  return stream.isTTY === true && env.TERM !== 'dumb' && !isTruthy(env.CI)
}

const nothing = () => undefined

export const silentProgress: Progress = {
  start: nothing,
  update: nothing,
  succeed: nothing,
  fail: nothing,
  stop: nothing,
}

function plain(stream: TerminalStream, now: () => number): Progress {
  let text = ''
  let lastLineAt = 0
  const say = (line: string) => {
    lastLineAt = now()
    writeLines(stream, [line])
  }
  return {
    start(next) {
      text = next
      say(`${next} ...`)
    },
    update(next) {
      text = next
      if (now() - lastLineAt >= PLAIN_UPDATE_MS) say(`${next} ...`)
    },
    succeed: (next) => say(`${next ?? text}: done`),
    fail: (next) => say(`${next ?? text}: failed`),
    stop: nothing,
  }
}

/** Loads ora at the first step; until it is there the newest text waits. */
function spinner(stream: TerminalStream): Progress {
  let ora: Ora | undefined
  let text: string | null = null
  let loading: Promise<void> | undefined

  const show = (next: string) => {
    text = next
    if (ora) {
      ora.text = next
      if (!ora.isSpinning) ora.start()
      return
    }
    loading ??= import('ora').then((module) => {
      if (text !== null) ora = module.default({ stream, text, discardStdin: false }).start()
      loading = undefined
    })
  }
  const end = (mark: 'succeed' | 'fail', next?: string) => {
    const final = next ?? text ?? ''
    text = null
    if (ora) ora[mark](final)
    else writeLines(stream, [`${mark === 'succeed' ? '✔' : '✖'} ${final}`])
    ora = undefined
  }
  return {
    start(next) {
      if (ora?.isSpinning) end('succeed')
      show(next)
    },
    update: show,
    succeed: (next) => end('succeed', next),
    fail: (next) => end('fail', next),
    stop() {
      text = null
      ora?.stop()
      ora = undefined
    },
  }
}
