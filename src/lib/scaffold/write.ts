import { lstat, mkdir, mkdtemp, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FlockError, messageOf } from '../errors.js'
import { changedLines } from './diff.js'
import type { PlannedFile } from './plan.js'

export type FileState = 'new' | 'unchanged' | 'changed'

export interface FileChange {
  readonly path: string
  readonly state: FileState
  readonly content: string
  /** Lines that the new text adds and removes; both 0 unless the file has changed. */
  readonly added: number
  readonly removed: number
}

export interface WriteResult {
  readonly changed: boolean
  /** Copies of the files that were replaced, inside the project. */
  readonly backups: readonly string[]
}

/** Compares planned files with what is there. Reads files. @throws PATH_CONFLICT where a folder is in the way */
export async function compareFiles(dir: string, files: readonly PlannedFile[]): Promise<FileChange[]> {
  return Promise.all(files.map((file) => compare(dir, file)))
}

async function compare(dir: string, { path, content }: PlannedFile): Promise<FileChange> {
  const current = await currentText(join(dir, path))
  if (current === null) return { path, content, state: 'new', added: 0, removed: 0 }
  if (current === content) return { path, content, state: 'unchanged', added: 0, removed: 0 }
  return { path, content, state: 'changed', ...changedLines(current, content) }
}

/** Null when nothing is there. A link is not followed: what it points to is not part of the project. */
async function currentText(path: string): Promise<string | null> {
  try {
    const found = await lstat(path)
    if (found.isFile()) return await readFile(path, 'utf8')
    throw new FlockError('PATH_CONFLICT', `${path} is in the way: it is not a file.`, {
      details: { paths: [path] },
      hint: 'Move it away or choose another folder.',
    })
  } catch (error) {
    if (error instanceof FlockError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw unwritable(path, error)
  }
}

/** @throws PATH_CONFLICT naming every file that holds something else */
export function refuseConflicts(changes: readonly FileChange[]): void {
  const conflicts = changes.filter(({ state }) => state === 'changed')
  if (conflicts.length === 0) return
  const count = conflicts.length === 1 ? '1 file exists' : `${conflicts.length} files exist`
  throw new FlockError('PATH_CONFLICT', `${count} with other content.`, {
    details: {
      paths: conflicts.map(({ path }) => path),
      faults: conflicts.map(({ path, added, removed }) => ({
        path,
        message: `${added} lines would be added, ${removed} removed`,
      })),
    },
    hint: 'Look at the plan with --dry-run; --force replaces the files and keeps copies of the old ones.',
  })
}

/**
 * Writes new and changed files: all of them or, when one fails, none. Each is written beside its place first and then
 * renamed, so that no reader ever sees half a file; replaced files are kept as `<file>.<stamp>.bak`.
 * @throws PATH_UNWRITABLE
 */
export async function writeFiles(
  dir: string,
  changes: readonly FileChange[],
  { stamp }: { readonly stamp: string },
): Promise<WriteResult> {
  const due = changes.filter(({ state }) => state !== 'unchanged')
  if (due.length === 0) return { changed: false, backups: [] }
  const undo: (() => Promise<void>)[] = []
  try {
    await makeFolder(dir, undo)
    const staging = await mkdtemp(join(dir, '.flock-init-'))
    undo.push(() => rm(staging, { recursive: true, force: true }))
    for (const [index, { content }] of due.entries()) await writeFile(join(staging, String(index)), content)
    const backups: string[] = []
    for (const [index, { path, state }] of due.entries()) {
      const target = join(dir, path)
      await makeFolder(dirname(target), undo)
      if (state === 'changed') {
        const backup = `${path}.${stamp}.bak`
        await rename(target, join(dir, backup))
        undo.push(() => rename(join(dir, backup), target))
        backups.push(backup)
      } else undo.push(() => rm(target, { force: true }))
      await rename(join(staging, String(index)), target)
    }
    await rm(staging, { recursive: true, force: true })
    return { changed: true, backups }
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => undefined)
    throw unwritable(dir, error)
  }
}

/**
 * Makes a folder and those above it; undone, those that were made go again. One by one: `recursive` never returns where a
 * file system answers ENOENT for a folder that cannot be made, as /proc does.
 */
async function makeFolder(folder: string, undo: (() => Promise<void>)[]): Promise<void> {
  const missing: string[] = []
  for (let path = folder; !(await isFolder(path)); path = dirname(path)) missing.unshift(path)
  for (const path of missing) {
    await mkdir(path)
    undo.push(() => rmdir(path))
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function unwritable(path: string, error: unknown): FlockError {
  return new FlockError('PATH_UNWRITABLE', `${path} cannot be written: ${messageOf(error)}`, {
    cause: error,
    details: { path },
  })
}
