import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from '@jest/globals'

/**
 * Compares text with a file under `test/fixtures/golden`. `FLOCK_UPDATE_GOLDEN=1` writes the file instead: what changed is
 * then reviewed like code.
 */
export async function expectGolden(name: string, text: string): Promise<void> {
  const path = fileURLToPath(new URL(`../fixtures/golden/${name}`, import.meta.url))
  if (process.env.FLOCK_UPDATE_GOLDEN === '1') {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  expect(text).toBe(await readFile(path, 'utf8'))
}

/** Several files as one text, for golden files that hold a whole project. */
export function joinFiles(files: readonly { readonly path: string; readonly content: string }[]): string {
  return files.map(({ path, content }) => `=== ${path}\n${content}`).join('\n')
}
