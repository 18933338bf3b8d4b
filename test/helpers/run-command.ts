import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The built program, as users start it. */
export const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

export interface RunOptions {
  readonly cwd?: string
  /** Added to a small clean environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly stdin?: string
  /** The child is killed when it takes longer; the run then fails. */
  readonly timeoutMs?: number
}

export interface CommandResult {
  /** The exit status; null when a signal ended the process. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** stdout as one JSON document; undefined when it is not one. */
  readonly json: JsonEnvelope | undefined
}

export interface JsonNotice {
  readonly level: string
  readonly code: string
  readonly message: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into results of every command
  readonly details?: any
  readonly next?: string
}

export interface JsonEnvelope {
  readonly schema_version: number
  readonly command: string
  readonly success: boolean
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into results of every command
  readonly data: any
  readonly errors: readonly JsonNotice[]
  readonly warnings: readonly JsonNotice[]
}

/** A running command whose output can be waited for. */
export interface RunningCommand {
  readonly child: ChildProcess
  /** Resolves to the first match in stdout and stderr so far or to come; rejects when the command ends without one. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>
  readonly result: Promise<CommandResult>
}

/** Runs the built program to its end. */
export async function runCommand(args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  return startCommand(args, options).result
}

/** Starts the built program. */
export function startCommand(args: readonly string[], options: RunOptions = {}): RunningCommand {
  const { cwd = process.cwd(), env = {}, stdin, timeoutMs = 60_000 } = options
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  const collect = (name: 'stdout' | 'stderr') => (chunk: string) => {
    output[name] += chunk
    for (const watch of watchers) watch()
  }
  child.stdout.setEncoding('utf8').on('data', collect('stdout'))
  child.stderr.setEncoding('utf8').on('data', collect('stderr'))
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin ?? '')

  const result = new Promise<CommandResult>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(
        new Error(`flock ${args.join(' ')} took over ${timeoutMs} ms\n${output.stdout}\n${output.stderr}`),
      )
    }, timeoutMs)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, ...output, json: parseEnvelope(output.stdout) })
    })
  })
  // A test that only waits for output must not fail on the unobserved result.
  result.catch(() => undefined)

  const waitFor = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(output.stdout) ?? pattern.exec(output.stderr)
        if (!match) return false
        watchers.delete(look)
        resolve(match)
        return true
      }
      if (look()) return
      watchers.add(look)
      const ended = () => {
        if (!look()) reject(new Error(`${String(pattern)} did not come\n${output.stdout}\n${output.stderr}`))
      }
      result.then(ended, ended)
    })

  return { child, waitFor, result }
}

/** The PATH and the home of the tests, none of their flock settings, and no NODE_ENV=test. */
function environment(extra: RunOptions['env']): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, SystemRoot } = process.env
  const merged = { PATH, HOME, TMPDIR, SystemRoot, CI: '1', ...extra }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined))
}

function parseEnvelope(text: string): JsonEnvelope | undefined {
  try {
    return JSON.parse(text) as JsonEnvelope
  } catch {
    return undefined
  }
}
