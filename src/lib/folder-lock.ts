/**
 * Lets one process at a time write into a folder or a file, also where processes cannot see each other: in containers and on
 * machines that share a volume. Who holds the lock rewrites it every second; one that is no longer rewritten is free.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import * as v from 'valibot'
import { FlockError, messageOf } from './errors.js'
import { isProcessAlive } from './process-alive.js'
import { sleep } from './retry.js'

export interface FolderLock {
  release(): Promise<void>
}

export interface FolderLockOptions {
  /** Called once when another process has taken the lock, which happens to one that stood still for long. */
  readonly onLost: (error: FlockError) => void
  readonly beatMs?: number
}

/** What a lock file holds. */
const holderSchema = v.object({
  pid: v.number(),
  /** When the process began, as its system counts; process numbers are used again. Empty where nothing tells it. */
  begun: v.string(),
  /** Machine since its start, and process namespace: in the same one, process numbers mean the same. */
  place: v.string(),
  /** Tells one lock from the next. */
  token: v.string(),
})

type Holder = Readonly<v.InferOutput<typeof holderSchema>>

const BEAT_MS = 1_000
/** Beats that a holder in another place may miss before its lock is taken. Writing to a busy disk can take seconds. */
const MISSED_BEATS = 5
/** A lock that was left behind is taken away and made anew; more often than this somebody else is faster each time. */
const MAX_TRIES = 3
const LOCK_MODE = 0o600

/**
 * Takes the lock of a folder, also from a process that died with it. When that was in another container or machine,
 * it takes the time of some beats to find out.
 * @throws STATE_CONFLICT when another process holds it, PATH_UNWRITABLE
 */
export async function lockFolder(dir: string, options: FolderLockOptions): Promise<FolderLock> {
  return takeLock({ path: join(dir, 'lock'), kind: 'folder', name: dir, details: { dir } }, options)
}

/** The same for one file of a folder that others write into: its lock stands beside it. @throws as `lockFolder` */
export async function lockFile(file: string, options: FolderLockOptions): Promise<FolderLock> {
  return takeLock({ path: `${file}.lock`, kind: 'file', name: file, details: { path: file } }, options)
}

/** What is locked, as errors name it. */
interface Locked {
  /** Of the lock itself. */
  readonly path: string
  readonly kind: 'folder' | 'file'
  readonly name: string
  readonly details: Readonly<Record<string, string>>
}

async function takeLock(locked: Locked, options: FolderLockOptions): Promise<FolderLock> {
  const { onLost, beatMs = BEAT_MS } = options
  const { path } = locked
  const own: Holder = {
    pid: process.pid,
    begun: beginOf(process.pid),
    place: ownPlace(),
    token: randomUUID(),
  }
  await take(locked, own, beatMs)
  let beats = 0
  let beating: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    beats += 1
    beating = beating.then(async () => {
      const error = await beat(locked, own, beats)
      if (error === null) return
      clearInterval(timer)
      onLost(error)
    })
  }, beatMs)
  timer.unref()
  return {
    async release() {
      clearInterval(timer)
      await beating
      if ((await readHolder(path)).holder?.token === own.token) await rm(path, { force: true })
    },
  }
}

async function take(locked: Locked, own: Holder, beatMs: number): Promise<void> {
  const { path } = locked
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    if (await created(path, own)) return
    const { holder, text } = await readHolder(path)
    if (await isHeld(path, { holder, text, own, beatMs })) throw held(locked, holder)
    await removeStale(path, text, own)
  }
  throw held(locked, null)
}

async function created(path: string, own: Holder): Promise<boolean> {
  try {
    await writeFile(path, render(own, 0), { flag: 'wx', mode: LOCK_MODE })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw unwritable(path, error)
  }
}

interface Found {
  readonly holder: Holder | null
  readonly text: string
  readonly own: Holder
  readonly beatMs: number
}

/** Where the process can be looked at, that decides; elsewhere, whether the file goes on changing. */
async function isHeld(path: string, { holder, text, own, beatMs }: Found): Promise<boolean> {
  if (holder !== null && holder.place === own.place) {
    return isProcessAlive(holder.pid) && beginOf(holder.pid) === holder.begun
  }
  for (let beat = 0; beat < MISSED_BEATS; beat += 1) {
    await sleep(beatMs)
    if ((await readHolder(path)).text !== text) return true
  }
  return false
}

/** Of several who find a lock stale at once, one gets to move it away. */
async function removeStale(path: string, text: string, { token }: Holder): Promise<void> {
  const aside = `${path}.${token}`
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw unwritable(path, error)
  }
  // A lock that was made meanwhile goes back to its place.
  if ((await readHolder(aside)).text === text) await rm(aside, { force: true })
  else await rename(aside, path)
}

/** Returns what is wrong when the lock is no longer the own one. A beat that cannot be written is left to the next. */
async function beat(locked: Locked, own: Holder, beats: number): Promise<FlockError | null> {
  let file: FileHandle | null = null
  try {
    file = await open(locked.path, 'r+')
    const holder = parseHolder(await file.readFile('utf8'))
    if (holder?.token !== own.token) return taken(locked, holder)
    await file.write(render(own, beats), 0)
    return null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? taken(locked, null) : null
  } finally {
    await file?.close().catch(() => undefined)
  }
}

/** Of one length, however many beats: it is written over, so that a full disk cannot empty it. */
function render(own: Holder, beats: number): string {
  return `${JSON.stringify({ ...own, beats: beats.toString().padStart(12, '0') })}\n`
}

async function readHolder(path: string): Promise<{ text: string; holder: Holder | null }> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return { text, holder: parseHolder(text) }
}

/** Null when no process that knows this kind of lock wrote it, or it was cut short. */
function parseHolder(text: string): Holder | null {
  try {
    return v.parse(holderSchema, JSON.parse(text))
  } catch {
    return null
  }
}

function ownPlace(): string {
  const since = tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
  return [hostname(), since, tryRead(() => readlinkSync('/proc/self/ns/pid'))].join(' ')
}

/** The 22nd field of a process's state: ticks from the start of the machine to that of the process. */
function beginOf(pid: number): string {
  const state = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The second field is the program's name in parentheses, which may hold anything.
  return state.replace(/^.*\) /s, '').split(' ')[19] ?? ''
}

function tryRead(read: () => string): string {
  try {
    return read()
  } catch {
    // Not on this system.
    return ''
  }
}

function nameOf(holder: Holder | null): string {
  return holder === null ? 'another process' : `process ${holder.pid} of ${holder.place.split(' ')[0]}`
}

function held({ path, kind, name, details }: Locked, holder: Holder | null): FlockError {
  return new FlockError('STATE_CONFLICT', `The ${kind} ${name} is held by ${nameOf(holder)}.`, {
    details: { ...details, pid: holder?.pid ?? null },
    hint: `Give each process a ${kind} of its own. If none runs, remove ${path}.`,
  })
}

function taken({ path, kind }: Locked, holder: Holder | null): FlockError {
  return new FlockError('STATE_CONFLICT', `The lock ${path} was taken by ${nameOf(holder)}.`, {
    details: { path, pid: holder?.pid ?? null },
    hint: `Give each process a ${kind} of its own, and start this one again.`,
  })
}

function unwritable(path: string, cause: unknown): FlockError {
  return new FlockError('PATH_UNWRITABLE', `${path} cannot be written: ${messageOf(cause)}.`, {
    cause,
    details: { path },
  })
}
