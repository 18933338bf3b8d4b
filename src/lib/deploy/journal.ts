/** Writes down each step of a deployment before it is taken, so that a killed run can be continued. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { FlockError, messageOf } from '../errors.js'
import { isAddress, isBytes32, isHex, type Address, type Hex } from '../hex.js'
import { isProcessAlive } from '../process-alive.js'
import { CONTRACT_NAMES, recordPath, type ContractName } from './record.js'

const bytes32 = v.custom<Hex>(isBytes32)
const step = v.picklist(CONTRACT_NAMES)

const journalEntry = v.variant('type', [
  v.object({
    type: v.literal('opened'),
    schemaVersion: v.literal(1),
    chainId: v.number(),
    /** Hash of block 0, which tells one local chain from the next. */
    genesis: v.nullable(bytes32),
  }),
  v.object({
    type: v.literal('intent'),
    step,
    deployer: v.custom<Address>(isAddress),
    nonce: v.number(),
    inputHash: bytes32,
  }),
  v.object({ type: v.literal('signed'), step, hash: bytes32, raw: v.custom<Hex>(isHex) }),
  v.object({
    type: v.literal('mined'),
    step,
    hash: bytes32,
    address: v.custom<Address>(isAddress),
    blockNumber: v.number(),
  }),
  v.object({ type: v.literal('failed'), step, hash: bytes32, reason: v.string() }),
])

export type JournalEntry = v.InferOutput<typeof journalEntry>

/** How far a step has come: the transactions of its latest intent, all with one nonce, and what became of them. */
export interface StepHistory {
  readonly deployer: Address
  readonly nonce: number
  readonly inputHash: Hex
  /** Signed and perhaps sent; at most one of them can be mined. */
  readonly sent: readonly { readonly hash: Hex; readonly raw: Hex }[]
  readonly mined: { readonly hash: Hex; readonly address: Address; readonly blockNumber: number } | null
}

export type JournalHistory = ReadonlyMap<ContractName, StepHistory>

/** An open journal: nobody else writes it until it is closed. */
export interface DeployJournal {
  /** Writes an entry and waits until the disk has it. @throws PATH_UNWRITABLE */
  append(entry: JournalEntry): void
  close(): void
}

export function journalPath(recordDir: string, chainId: number): string {
  return join(recordDir, `.journal-${chainId}.ndjson`)
}

/**
 * Reads a journal; none is an empty one. A last line without an end was being written when the run died: nothing was
 * done after it, so it does not count.
 * @throws RECORD_INVALID with the line
 */
export function readJournal(path: string): JournalEntry[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line, index) => parseEntry(line, `${path}, line ${index + 1}`))
}

/** What the entries say of each step. A step that failed or was begun anew has no history of its earlier tries. */
export function journalHistory(entries: readonly JournalEntry[]): JournalHistory {
  const history = new Map<ContractName, StepHistory>()
  for (const entry of entries) {
    if (entry.type === 'opened') continue
    if (entry.type === 'intent') {
      const { deployer, nonce, inputHash } = entry
      history.set(entry.step, { deployer, nonce, inputHash, sent: [], mined: null })
      continue
    }
    const known = history.get(entry.step)
    if (known === undefined) continue
    if (entry.type === 'failed') history.delete(entry.step)
    else if (entry.type === 'signed') {
      history.set(entry.step, { ...known, sent: [...known.sent, { hash: entry.hash, raw: entry.raw }] })
    } else {
      const { hash, address, blockNumber } = entry
      history.set(entry.step, { ...known, mined: { hash, address, blockNumber } })
    }
  }
  return history
}

/** The chain that a journal was begun on; null when it is empty. */
export function journalGenesis(entries: readonly JournalEntry[]): Hex | null {
  const opened = entries.find((entry) => entry.type === 'opened')
  return opened?.type === 'opened' ? opened.genesis : null
}

/**
 * Opens a journal for writing, and begins it when there is none.
 * @throws PATH_UNWRITABLE, STATE_CONFLICT while another deployment writes it
 */
export function openJournal(path: string, chain: { chainId: number; genesis: Hex | null }): DeployJournal {
  const unlock = lock(`${path}.lock`)
  try {
    const file = openForAppend(path)
    const append = (entry: JournalEntry) => appendLine(file, path, JSON.stringify(entry))
    if (readJournal(path).length === 0) append({ type: 'opened', schemaVersion: 1, ...chain })
    const close = () => {
      closeSync(file)
      unlock()
    }
    return { append, close }
  } catch (error) {
    unlock()
    throw error
  }
}

/**
 * Sets journal and record aside under the next free number, as `.journal-<chainId>.<n>.ndjson` and `<chainId>.<n>.json`.
 * @returns the new paths
 */
export function setAside(recordDir: string, chainId: number): string[] {
  const names = (n: number) => [
    [journalPath(recordDir, chainId), join(recordDir, `.journal-${chainId}.${n}.ndjson`)] as const,
    [recordPath(recordDir, chainId), join(recordDir, `${chainId}.${n}.json`)] as const,
  ]
  let n = 1
  while (names(n).some(([, to]) => existsSync(to))) n += 1
  return names(n).flatMap(([from, to]) => {
    if (!existsSync(from)) return []
    renameSync(from, to)
    return [to]
  })
}

function parseEntry(line: string, where: string): JournalEntry {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    value = undefined
  }
  const result = v.safeParse(journalEntry, value)
  if (result.success) return result.output
  throw new FlockError('RECORD_INVALID', `${where} is not an entry of a deployment journal.`, {
    details: { where },
    hint: 'Run the command with --restart to set the journal aside and plan anew.',
  })
}

/** Opens the file and takes off what a killed run left of its last line. */
function openForAppend(path: string): number {
  try {
    const file = openSync(path, 'a+')
    const content = readFileSync(path)
    const whole = content.lastIndexOf('\n') + 1
    if (whole < content.length) ftruncateSync(file, whole)
    return file
  } catch (error) {
    throw unwritable(path, error)
  }
}

function appendLine(file: number, path: string, line: string): void {
  try {
    writeSync(file, `${line}\n`)
    fsyncSync(file)
  } catch (error) {
    throw unwritable(path, error)
  }
}

/** Two runs at once would both deploy. The lock of a run that died is taken over. */
function lock(path: string): () => void {
  makeFolder(path)
  for (let tries = 0; ; tries += 1) {
    try {
      const file = openSync(path, 'wx')
      writeSync(file, String(process.pid))
      closeSync(file)
      return () => rmSync(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, error)
    }
    const holder = Number(readIfThere(path))
    if (tries > 0 || isProcessAlive(holder)) {
      throw new FlockError('STATE_CONFLICT', `Another deployment is running (process ${holder}).`, {
        details: { lockFile: path, pid: holder },
        hint: `Wait for it; when no such process runs, delete ${path}.`,
      })
    }
    rmSync(path, { force: true })
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
  } catch (error) {
    throw unwritable(path, error)
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function unwritable(path: string, error: unknown): FlockError {
  if (error instanceof FlockError) return error
  return new FlockError('PATH_UNWRITABLE', `${path} cannot be written: ${messageOf(error)}.`, {
    cause: error,
    details: { file: path },
  })
}
