/** Looks at other processes of this machine. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * True when a process of that number runs. One that was ended and whose parent has not collected it yet still has a number,
 * but does not run.
 */
export function isProcessAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    // Somebody else's process may be looked at but not signalled.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return !stateOf(pid).startsWith('Z')
}

/** The state letter of a process, empty where nothing tells it. */
function stateOf(pid: number): string {
  const ways = [
    // The second field is the program's name in parentheses, which may hold anything.
    () => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, ''),
    () =>
      execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
  ]
  for (const way of ways) {
    try {
      return way().trim()
    } catch {
      // Not on this system.
    }
  }
  return ''
}
