// Programs that a bench starts: each on the core it is given, watched for the CPU time it takes, and ended with the bench.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import os from 'node:os'
import { delimiter, join } from 'node:path'

const READY_MS = 30_000
const POLL_MS = 20
const END_MS = 5_000
/** Linux counts CPU time in hundredths of a second for programs, whatever its own clock. */
const TICK_MS = 10

/** The path of a program on the PATH, or null. */
export function findProgram(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return join(folder, name)
    } catch {
      // Not in this folder.
    }
  }
  return null
}

/** Two cores to pin programs to, or null where that is not possible. */
export function twoCores() {
  if (os.platform() !== 'linux' || findProgram('taskset') === null) return null
  const { stdout, status } = spawnSync('taskset', ['-cp', process.pid.toString()], { encoding: 'utf8' })
  if (status !== 0) return null
  const allowed = stdout
    .slice(stdout.lastIndexOf(':') + 1)
    .split(',')
    .flatMap((range) => {
      const [first, last = first] = range.trim().split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
  return allowed.length < 2 ? null : [allowed[0], allowed[1]]
}

/** A port that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** CPU time of a process so far in milliseconds, threads included; null where the system does not tell. */
export function cpuMsOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name stands in brackets and may hold blanks: fields are counted behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return null
  }
}

/** Memory that a process has in use, in bytes; null where the system does not tell. */
export function residentBytesOf(pid) {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return kib === undefined ? null : Number(kib) * 1024
  } catch {
    return null
  }
}

/** Starts programs and ends those that are left when the bench ends. */
export function createProcesses() {
  const folder = mkdtempSync(join(os.tmpdir(), 'flock-bench-'))
  const running = new Set()

  function endAtOnce() {
    for (const child of running) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', endAtOnce)
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(130))

  /**
   * Starts a program, with a channel for messages unless told otherwise.
   * @param {string[]} command
   * @param {{ name: string, core?: number, env?: Record<string, string>, cwd?: string, channel?: boolean }} options
   */
  function start(command, { name, core, env = {}, cwd = folder, channel = true }) {
    const [program, ...args] = core === undefined ? command : ['taskset', '-c', core.toString(), ...command]
    const logFile = join(folder, `${name}.log`)
    const log = openSync(logFile, 'w')
    const stdio = ['ignore', log, log, ...(channel ? ['ipc'] : [])]
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio })
    closeSync(log)
    running.add(child)
    const ended = new Promise((resolve) => {
      child.once('error', resolve)
      child.once('exit', resolve)
    }).then(() => running.delete(child))
    const lastWords = () => readFileSync(logFile, 'utf8').trim().slice(-2_000)

    return {
      pid: child.pid,
      /** Sends a message and resolves to the next one that comes back. */
      ask(message) {
        return new Promise((resolve, reject) => {
          child.once('message', resolve)
          void ended.then(() => reject(new Error(`${name} ended.\n${lastWords()}`)))
          if (message !== undefined) child.send(message)
        })
      },
      /** Resolves once somebody listens on the port. */
      async ready(port) {
        const giveUpAt = performance.now() + READY_MS
        while (!(await listens(port))) {
          if (!running.has(child)) throw new Error(`${name} ended before it was ready.\n${lastWords()}`)
          if (performance.now() > giveUpAt) throw new Error(`${name} was not ready in time.\n${lastWords()}`)
          await new Promise((resolve) => setTimeout(resolve, POLL_MS))
        }
      },
    }
  }

  /** Ends all programs, so that they can write what they have to. */
  async function end() {
    await Promise.all(
      [...running].map((child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve))
        const patience = setTimeout(() => child.kill('SIGKILL'), END_MS)
        child.kill('SIGTERM')
        return ended.then(() => clearTimeout(patience))
      }),
    )
  }

  return { folder, start, end }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
