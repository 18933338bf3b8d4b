/** Runs flock's own commands as a person would type them, each in a process of its own. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { ERRORS, FlockError, type ErrorCode } from '../errors.js'
import { startSupervised } from './supervisor.js'

export interface CommandRunnerOptions {
  /** The Node.js program and flock's entry file. */
  readonly program: readonly [node: string, entry: string]
  /** Where the commands run. */
  readonly cwd: string
  /** Environment of every command; what it says about flock itself is left out, so that only the story decides. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/** A command that runs until it is stopped. */
export interface RunningCommand {
  /** What it printed when it was ready. */
  readonly ready: unknown
  readonly stop: () => Promise<void>
}

export interface CommandRunner {
  /** Runs a command to its end. Keys go in `env`, never in `args`. Returns the data of its JSON envelope. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<unknown>
  /** Starts a command that serves, and waits for the JSON line that says it is ready. */
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<RunningCommand>
  /** Stops what was started, the last first. */
  close(): Promise<void>
}

export function createCommandRunner(options: CommandRunnerOptions): CommandRunner {
  const running: RunningCommand[] = []
  const [node, entry] = options.program
  const base = Object.fromEntries(Object.entries(options.env).filter(([name]) => !name.startsWith('FLOCK_')))

  return {
    async run(args, env = {}) {
      options.signal.throwIfAborted()
      const child = spawn(node, [entry, ...args, '--json', '--yes'], {
        cwd: options.cwd,
        env: { ...base, ...env },
        stdio: ['ignore', 'pipe', 'ignore'],
        signal: options.signal,
      })
      const exited = new Promise<void>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', () => resolve())
      })
      const [stdout] = await Promise.all([textOf(child.stdout), exited])
      return dataOf(args, stdout)
    },

    async start(args, env = {}) {
      options.signal.throwIfAborted()
      const started = startSupervised(node, [entry, ...args, '--json'], {
        cwd: options.cwd,
        env: { ...base, ...env },
      })
      started.stderr.resume()
      const line = await firstLine(started.stdout, started.exited)
      if (line === null)
        throw new FlockError('INTERNAL', `flock ${args.join(' ')} ended before it was ready.`)
      const command = { ready: dataOf(args, line), stop: started.stop }
      running.push(command)
      return command
    },

    async close() {
      for (const command of running.splice(0).reverse()) await command.stop()
    },
  }
}

/** The data of a success envelope, or of a line that is data itself. @throws what the command failed with */
function dataOf(args: readonly string[], text: string): unknown {
  const typed = `flock ${args.join(' ')}`
  const parsed = parseObject(text)
  if (parsed === null) throw new FlockError('INTERNAL', `${typed} did not answer in JSON.`)
  if (!('success' in parsed)) return parsed
  if (parsed.success === true) return parsed.data
  const [first] = parsed.errors as { code: string; message: string; next?: string }[]
  const code = first !== undefined && first.code in ERRORS ? (first.code as ErrorCode) : 'INTERNAL'
  throw new FlockError(code, `${typed}: ${first?.message ?? 'failed'}`)
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** The first line, or null when the program ended without one. What comes later is read and dropped. */
async function firstLine(stream: Readable, exited: Promise<unknown>): Promise<string | null> {
  const lines = createInterface({ input: stream })
  return new Promise((resolve) => {
    lines.once('line', resolve)
    void exited.then(() => resolve(null))
  })
}
