import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { FlockError } from '../../src/lib/errors.js'
import { type FolderLock, lockFile, lockFolder } from '../../src/lib/folder-lock.js'
import { caught } from '../helpers/caught.js'
import { createTempDir } from '../helpers/temp-dir.js'

const holder = new URL('../fixtures/programs/hold-folder.mjs', import.meta.url).pathname
const BEAT_MS = 20

let dir: string
let path: string
const children: ChildProcess[] = []
const locks: FolderLock[] = []

beforeEach(async () => {
  dir = await createTempDir()
  path = join(dir, 'lock')
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const lock of locks.splice(0)) await lock.release()
  rmSync(dir, { recursive: true, force: true })
})

async function take(onLost: (error: FlockError) => void = () => undefined): Promise<FolderLock> {
  const lock = await lockFolder(dir, { onLost, beatMs: BEAT_MS })
  locks.push(lock)
  return lock
}

async function takeAndWatch(): Promise<{ lock: FolderLock; lost: Promise<FlockError> }> {
  let tell: (error: FlockError) => void = () => undefined
  const lost = new Promise<FlockError>((resolve) => (tell = resolve))
  return { lock: await take(tell), lost }
}

async function startHolder(): Promise<ChildProcess & { stdout: NodeJS.ReadableStream }> {
  const child = spawn(process.execPath, [holder, dir, BEAT_MS.toString()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

const content = () => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
const pretend = (holder: Record<string, unknown>) =>
  writeFileSync(path, JSON.stringify({ pid: process.pid, begun: '1', ...holder }))

describe('the lock of a folder', () => {
  it('is had by one at a time, and free when it is released', async () => {
    const first = await take()

    const error = await caught(take())
    await first.release()
    await take()

    expect(error).toMatchObject({ code: 'STATE_CONFLICT', details: { dir, pid: process.pid } })
    expect(error.message).toContain(`process ${process.pid}`)
  })

  it('is had by one of many who want it at once', async () => {
    const wishes = await Promise.allSettled(Array.from({ length: 8 }, () => take()))

    expect(wishes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('can be read by its owner alone', async () => {
    await take()

    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('is refused while another process has it, which is named', async () => {
    const child = await startHolder()

    const error = await caught(take())

    expect(error.details).toMatchObject({ pid: child.pid })
    expect(error.message).toContain(`process ${child.pid}`)
  })

  it('is taken from a process that was killed', async () => {
    const child = await startHolder()
    child.kill('SIGKILL')
    await once(child, 'exit')

    await take()

    expect(content()).toMatchObject({ pid: process.pid })
  })

  it('is taken from a process whose number another one has now', async () => {
    const { place } = await holderOfReleasedLock()
    pretend({ token: 'old', place })

    await take()

    expect(content().token).not.toBe('old')
  })

  it('is taken from a holder elsewhere that no longer rewrites it', async () => {
    pretend({ token: 'old', place: 'another-machine' })

    await take()

    expect(content()).toMatchObject({ pid: process.pid })
  })

  it('is taken when a crash left nothing in the file', async () => {
    writeFileSync(path, '')

    await take()

    expect(content()).toMatchObject({ pid: process.pid })
  })

  it('is left to a holder elsewhere that goes on rewriting it, though its number is the own one', async () => {
    let beats = 0
    const beat = () => pretend({ token: 'theirs', place: 'another-machine 1 2', beats: (beats += 1) })
    beat()
    const rewriting = setInterval(beat, BEAT_MS)

    const error = await caught(take()).finally(() => clearInterval(rewriting))

    expect(error.code).toBe('STATE_CONFLICT')
    expect(content().token).toBe('theirs')
  })

  it('tells its holder when somebody else took it, and is then not removed', async () => {
    const { lock, lost } = await takeAndWatch()

    pretend({ pid: 77, token: 'theirs', place: 'another-machine 1 2' })
    const error = await lost
    await lock.release()

    expect(error).toMatchObject({ code: 'STATE_CONFLICT', details: { pid: 77 } })
    expect(error.message).toContain('process 77 of another-machine')
    expect(content().token).toBe('theirs')
  })

  it('tells its holder when the file is gone', async () => {
    const { lost } = await takeAndWatch()

    rmSync(path)

    expect((await lost).code).toBe('STATE_CONFLICT')
  })

  it('says which file cannot be written', async () => {
    dir = join(dir, 'missing')

    expect(await caught(take())).toMatchObject({
      code: 'PATH_UNWRITABLE',
      details: { path: join(dir, 'lock') },
    })
  })
})

describe('the lock of a file', () => {
  const options = { onLost: () => undefined, beatMs: BEAT_MS }

  it('is had by one at a time, and leaves the other files of the folder to others', async () => {
    const file = join(dir, 'journal')
    locks.push(await lockFile(file, options))

    const error = await caught(lockFile(file, options))
    locks.push(await lockFile(join(dir, 'other'), options), await take())

    expect(error).toMatchObject({ code: 'STATE_CONFLICT', details: { path: file, pid: process.pid } })
    expect(error.message).toContain(`The file ${file} is held by process ${process.pid}`)
    expect(error.hint).toContain(`remove ${file}.lock`)
  })
})

async function holderOfReleasedLock(): Promise<Record<string, unknown>> {
  const lock = await take()
  const holder = content()
  await lock.release()
  return holder
}
