import { lstat, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { compareFiles, refuseConflicts, writeFiles } from '../../../src/lib/scaffold/write.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const FILES = [
  { path: 'a.txt', content: 'a\nb\n' },
  { path: 'deep/er/c.txt', content: 'c\n' },
]
const STAMP = { stamp: 'then' }

describe('writeFiles', () => {
  it('writes everything into a folder that it makes, and nothing the second time', async () => {
    await withTempDir(async (dir) => {
      const target = join(dir, 'new', 'project')

      const first = await writeFiles(target, await compareFiles(target, FILES), STAMP)
      const second = await compareFiles(target, FILES)

      expect(first).toEqual({ changed: true, backups: [] })
      expect(second.map(({ state }) => state)).toEqual(['unchanged', 'unchanged'])
      await expect(writeFiles(target, second, STAMP)).resolves.toEqual({ changed: false, backups: [] })
      expect((await readdir(target)).sort()).toEqual(['a.txt', 'deep'])
    })
  })

  it('keeps a copy of each file that it replaces', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'a.txt'), 'mine\n')

      const result = await writeFiles(dir, await compareFiles(dir, FILES), STAMP)

      expect(result.backups).toEqual(['a.txt.then.bak'])
      await expect(readFile(join(dir, 'a.txt.then.bak'), 'utf8')).resolves.toBe('mine\n')
      await expect(readFile(join(dir, 'a.txt'), 'utf8')).resolves.toBe('a\nb\n')
    })
  })

  it('leaves everything as it was when one file cannot be written', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'a.txt'), 'mine\n')
      const changes = await compareFiles(dir, FILES)
      await writeFile(join(dir, 'deep'), 'a file where a folder is needed')

      await expect(writeFiles(dir, changes, STAMP)).rejects.toMatchObject({ code: 'PATH_UNWRITABLE' })

      expect((await readdir(dir)).sort()).toEqual(['a.txt', 'deep'])
      await expect(readFile(join(dir, 'a.txt'), 'utf8')).resolves.toBe('mine\n')
    })
  })

  it('takes the folders away again that it made in vain', async () => {
    await withTempDir(async (dir) => {
      const target = join(dir, 'project')
      const files = [...FILES, { path: 'a.txt/x', content: 'x' }]
      const changes = files.map((file) => ({ ...file, state: 'new' as const, added: 0, removed: 0 }))

      await expect(writeFiles(target, changes, STAMP)).rejects.toMatchObject({ code: 'PATH_UNWRITABLE' })

      await expect(readdir(dir)).resolves.toEqual([])
    })
  })
})

describe('compareFiles', () => {
  it('counts the lines that would come and go', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'a.txt'), 'a\nx\ny\n')

      const [change] = await compareFiles(dir, FILES)

      expect(change).toMatchObject({ state: 'changed', added: 1, removed: 2 })
    })
  })

  it('does not follow links and does not replace folders', async () => {
    await withTempDir(async (dir) => {
      await mkdir(join(dir, 'folder', 'a.txt'), { recursive: true })
      await mkdir(join(dir, 'link'))
      await symlink('/etc/passwd', join(dir, 'link', 'a.txt'))

      for (const name of ['folder', 'link'])
        await expect(compareFiles(join(dir, name), FILES)).rejects.toMatchObject({ code: 'PATH_CONFLICT' })
      expect((await lstat(join(dir, 'link', 'a.txt'))).isSymbolicLink()).toBe(true)
    })
  })
})

describe('refuseConflicts', () => {
  it('names every file in the way', () => {
    const changes = FILES.map((file) => ({ ...file, state: 'changed' as const, added: 1, removed: 2 }))

    expect(() => refuseConflicts(changes)).toThrow(
      expect.objectContaining({
        code: 'PATH_CONFLICT',
        message: '2 files exist with other content.',
        details: expect.objectContaining({ paths: ['a.txt', 'deep/er/c.txt'] }),
      }),
    )
    expect(() =>
      refuseConflicts(FILES.map((file) => ({ ...file, state: 'new' as const, added: 0, removed: 0 }))),
    ).not.toThrow()
  })
})
