import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

/** A program that ends when this process ends, however that happens. */
export interface SupervisedProcess {
  readonly stdout: Readable
  readonly stderr: Readable
  /** Settles when the program is gone: its exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** Asks the program to end, and makes it when it does not. Settles when it is gone. */
  readonly stop: () => Promise<void>
}

/**
 * Runs the program and waits for it. Beside it a watcher reads a pipe that only our process holds open: when we close
 * it or die, even by SIGKILL, the read ends and the watcher stops the program, at first politely so that it can save.
 * Both `sh` and `sleep` of Linux and macOS suffice.
 */
const SUPERVISOR = `
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
(
  while read -r _; do :; done
  kill -TERM "$child"
  left=100
  while [ "$left" -gt 0 ]; do sleep 0.1; kill -0 "$child" || exit; left=$((left - 1)); done
  kill -KILL "$child"
) <&3 >/dev/null 2>&1 &
watcher=$!
exec 3<&- >/dev/null 2>&1
wait "$child"
code=$?
kill -KILL "$watcher"
exit "$code"
`

/** Longer than the watcher waits before it makes the program end. */
const STOP_TIMEOUT_MS = 15_000

/**
 * Starts a program in a process group of its own, out of reach of the terminal's Ctrl-C: who started it decides when
 * it ends.
 */
export function startSupervised(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): SupervisedProcess {
  const supervisor = spawn('/bin/sh', ['-c', SUPERVISOR, 'flock-supervisor', program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    ...options,
  })
  // The pipe breaks when the program ends first; `exited` tells that.
  supervisor.stdin.on('error', () => undefined)
  const exited = new Promise<number | null>((resolve) => {
    supervisor.once('error', () => resolve(null))
    supervisor.once('exit', (code) => resolve(code))
  })
  const stop = async () => {
    supervisor.stdin.end()
    const timer = setTimeout(() => killGroup(supervisor), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }
  return { stdout: supervisor.stdout, stderr: supervisor.stderr, exited, stop }
}

function killGroup(supervisor: ChildProcess): void {
  if (supervisor.pid === undefined) return
  try {
    process.kill(-supervisor.pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}
