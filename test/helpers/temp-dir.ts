import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs `use` with a new empty folder and removes the folder afterwards, whatever happened. */
export async function withTempDir<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await createTempDir()
  try {
    return await use(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A new empty folder, for tests that remove it themselves (`afterEach`). */
export async function createTempDir(): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), 'flock-test-')))
}
