/** An append-only file of lines, held by one process, whose appended lines survive the death of that process. */
import { mkdir, open, readFile, rename, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FlockError, isFlockError, messageOf } from '../errors.js'
import { lockFile } from '../folder-lock.js'

export interface LineFile {
  /** All complete lines; what a crash left of an unfinished one is left out. */
  read(): Promise<string[]>
  /** Settles when the line is on the disk. Lines that come meanwhile share one write. */
  append(line: string): Promise<void>
  /** Writes the file anew, whole or not at all, between two appends. */
  replace(lines: () => readonly string[]): Promise<void>
  /** Renames the file so that the next write begins a new one. Returns the new name. */
  setAside(): Promise<string>
  sizeBytes(): number
  /** Its size when it was last replaced. */
  replacedBytes(): number
  close(): Promise<void>
}

/** Only its owner reads a journal: it holds answers. */
const MODE = 0o600

/**
 * Opens the file for this process alone. When another one takes it nevertheless, nothing is written any more.
 * @throws STATE_CONFLICT when another process holds the file, PATH_UNWRITABLE
 */
export async function openLines(path: string): Promise<LineFile> {
  await onDisk(path, () => mkdir(dirname(path), { recursive: true }))
  let lost: FlockError | null = null
  const lock = await lockFile(path, { onLost: (error) => (lost = error) })
  let handle: FileHandle | null = null
  let size = 0
  let replaced = 0
  let waiting: {
    readonly text: string
    readonly done: () => void
    readonly fail: (error: unknown) => void
  }[] = []
  /** The write under way; the next one begins after it. */
  let last: Promise<void> = Promise.resolve()
  const inTurn = (task: () => Promise<void>): Promise<void> => {
    const turn = last.then(() => onDisk(path, task))
    last = turn.catch(() => undefined)
    return turn
  }

  const flush = async () => {
    const batch = waiting
    waiting = []
    if (batch.length === 0) return
    try {
      if (lost !== null) throw lost
      handle ??= await open(path, 'a', MODE)
      const text = batch.map((line) => line.text).join('')
      await handle.writeFile(text)
      await handle.datasync()
      size += Buffer.byteLength(text)
      for (const { done } of batch) done()
    } catch (error) {
      for (const { fail } of batch) fail(error)
    }
  }

  return {
    read: async () => {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return ''
        throw unwritable(path, error)
      })
      return text
        .slice(0, text.lastIndexOf('\n') + 1)
        .split('\n')
        .slice(0, -1)
    },
    append: (line) =>
      new Promise((resolve, reject) => {
        const fail = (error: unknown) => reject(isFlockError(error) ? error : unwritable(path, error))
        waiting.push({ text: `${line}\n`, done: resolve, fail })
        void inTurn(flush)
      }),
    replace: (lines) =>
      inTurn(async () => {
        if (lost !== null) throw lost
        const text = lines()
          .map((line) => `${line}\n`)
          .join('')
        const next = await open(`${path}.next`, 'w', MODE)
        await next.writeFile(text)
        await next.sync()
        await next.close()
        await handle?.close()
        handle = null
        await rename(`${path}.next`, path)
        await syncFolder(dirname(path))
        size = Buffer.byteLength(text)
        replaced = size
      }),
    setAside: async () => {
      const other = await freeName(path)
      await onDisk(path, () => rename(path, other))
      return other
    },
    sizeBytes: () => size,
    replacedBytes: () => replaced,
    close: async () => {
      await inTurn(async () => {
        await flush()
        await handle?.close()
        handle = null
      }).finally(() => lock.release())
    },
  }
}

async function freeName(path: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const name = `${path}.${number}`
    const handle = await open(name, 'wx', MODE).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return null
      throw unwritable(name, error)
    })
    if (handle !== null) {
      await handle.close()
      return name
    }
  }
}

/** A rename is durable once its folder is. Not every platform can sync a folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => null)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}

async function onDisk(path: string, task: () => Promise<unknown>): Promise<void> {
  try {
    await task()
  } catch (error) {
    throw isFlockError(error) ? error : unwritable(path, error)
  }
}

function unwritable(path: string, cause: unknown): FlockError {
  return new FlockError(
    'PATH_UNWRITABLE',
    `The node journal ${path} cannot be written: ${messageOf(cause)}.`,
    {
      cause,
      details: { path },
    },
  )
}
