/** Runs a local chain (anvil) as a child process that never outlives this one. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { interruption } from '../chain/rpc.js'
import { FlockError } from '../errors.js'
import { startSupervised, type SupervisedProcess } from './supervisor.js'

export interface ChainProcessOptions {
  /** 0 takes a free one. */
  readonly port: number
  /** Address to listen on, 127.0.0.1 by default. */
  readonly host?: string
  readonly accounts?: number
  /** Seconds between blocks; without it each transaction is mined at once. */
  readonly blockTimeSec?: number
  /** File that keeps the chain between runs: read at the start when it exists, written at the end. */
  readonly statePath?: string
  /** Program to run; by default the one that npm installed with this package. */
  readonly anvilPath?: string
  readonly signal?: AbortSignal
}

export interface ChainProcess {
  readonly port: number
  /** Where this machine reaches the chain. */
  readonly rpcUrl: string
  /** Settles when the chain is gone, wanted or not. */
  readonly exited: Promise<number | null>
  /** Stops the chain and waits until its state is written. */
  readonly close: () => Promise<void>
}

export const LOCAL_CHAIN_ID = 31_337
export const LOCAL_ACCOUNT_COUNT = 16

const LISTENING = /Listening on \S*:(\d+)\s/
/** anvil listens after 20 ms; a saved chain of many blocks takes seconds to load. */
const START_TIMEOUT_MS = 30_000
/** Output kept to explain a failed start. */
const MAX_OUTPUT_CHARS = 8_000

/**
 * Starts a chain and waits until it answers.
 * @throws ANVIL_MISSING, PORT_IN_USE, CHAIN_START_FAILED, INTERRUPTED
 */
export async function startChainProcess(options: ChainProcessOptions): Promise<ChainProcess> {
  if (options.signal?.aborted) throw interruption(options.signal)
  const anvilPath = options.anvilPath ?? resolveAnvil()
  const host = options.host ?? '127.0.0.1'
  await requirePort(host, options.port)
  const running = startSupervised(anvilPath, chainArgs(options, host))
  const port = await waitUntilListening(running, options)
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  const rpcUrl = `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
  return { port, rpcUrl, exited: running.exited, close: running.stop }
}

/**
 * The path of the real anvil binary, not of the script that npm puts in front of it.
 * @throws ANVIL_MISSING
 */
export function resolveAnvil(): string {
  const require = createRequire(import.meta.url)
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const name = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  const packageName = `@foundry-rs/anvil-${process.platform}-${arch}`
  try {
    // npm may nest the platform's package below the one that chooses it.
    const chooser = require.resolve('@foundry-rs/anvil/package.json')
    const manifest = createRequire(chooser).resolve(`${packageName}/package.json`)
    const path = join(dirname(manifest), 'bin', name)
    if (existsSync(path)) return path
  } catch {
    // Optional packages are left out on platforms that they do not support.
  }
  throw new FlockError('ANVIL_MISSING', 'The local chain program (anvil) is not installed.', {
    details: { package: packageName, platform: process.platform, arch: process.arch },
    hint: 'Run npm install @foundry-rs/anvil, or reinstall without --omit=optional.',
  })
}

function chainArgs(options: ChainProcessOptions, host: string): string[] {
  const args = ['--port', String(options.port), '--host', host, '--chain-id', String(LOCAL_CHAIN_ID)]
  args.push('--accounts', String(options.accounts ?? LOCAL_ACCOUNT_COUNT))
  if (options.blockTimeSec !== undefined) args.push('--block-time', String(options.blockTimeSec))
  if (options.statePath !== undefined) args.push('--state', options.statePath, '--preserve-historical-states')
  return args
}

/** Finds a taken port before anvil does, whose words for it differ from system to system. */
async function requirePort(host: string, port: number): Promise<void> {
  if (port === 0) return
  const server = createServer()
  const fault = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    server.once('error', resolve)
    server.listen(port, host, () => resolve(null))
  })
  if (fault === null) {
    await new Promise((resolve) => server.close(resolve))
    return
  }
  if (fault.code === 'EADDRINUSE') throw portInUse(host, port)
  throw new FlockError(
    'CHAIN_START_FAILED',
    `Cannot listen on ${host}:${port} (${fault.code ?? fault.message}).`,
    {
      cause: fault,
      details: { host, port },
      hint: 'Choose another --host or --port.',
    },
  )
}

function portInUse(host: string, port: number): FlockError {
  return new FlockError('PORT_IN_USE', `Port ${port} on ${host} is taken.`, {
    details: { host, port },
    hint: 'Stop the program that uses it, or choose another port; 0 takes a free one.',
  })
}

async function waitUntilListening(running: SupervisedProcess, options: ChainProcessOptions): Promise<number> {
  let output = ''
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS)
  const stop = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal])
  const outcome = await new Promise<number | 'exited' | 'stopped'>((resolve) => {
    const read = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-MAX_OUTPUT_CHARS)
      const port = LISTENING.exec(output)?.[1]
      if (port !== undefined) resolve(Number(port))
    }
    // Both streams go on being read: a full pipe would halt the chain.
    running.stdout.on('data', read)
    running.stderr.on('data', read)
    void running.exited.then(() => resolve('exited'))
    if (stop.aborted) resolve('stopped')
    stop.addEventListener('abort', () => resolve('stopped'), { once: true })
  })
  if (typeof outcome === 'number') return outcome
  await running.stop()
  if (options.signal?.aborted) throw interruption(options.signal)
  if (/address already in use/i.test(output)) throw portInUse(options.host ?? '127.0.0.1', options.port)
  const why = outcome === 'stopped' ? `did not listen within ${START_TIMEOUT_MS / 1000} s` : lastLine(output)
  throw new FlockError('CHAIN_START_FAILED', `The local chain did not start: ${why}.`, {
    details: { output },
    hint:
      options.statePath === undefined
        ? 'Try again.'
        : 'Check that the state file was written by this version.',
  })
}

function lastLine(output: string): string {
  const lines = output.split('\n').map((line) => line.trim())
  return lines.findLast((line) => line !== '')?.replace(/\.$/, '') ?? 'it ended without a word'
}
