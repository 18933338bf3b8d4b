import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { changedLines } from '../../../src/lib/scaffold/diff.js'
import { fillTemplate, readTemplates } from '../../../src/lib/scaffold/template.js'
import { withTempDir } from '../../helpers/temp-dir.js'

describe('fillTemplate', () => {
  it('fills names in and leaves what other tools put in braces', () => {
    const text = 'name: {{name}} ${{ secrets.X }} {{{name}}} {{name}}'

    expect(fillTemplate(text, { name: 'a' })).toBe('name: a ${{ secrets.X }} {a} a')
  })

  it('refuses a name without a value', () => {
    expect(() => fillTemplate('{{nmae}}', { name: 'a' })).toThrow('A template asks for {{nmae}}.')
  })
})

describe('readTemplates', () => {
  it('finds templates in all folders, dot files too, and nothing else', async () => {
    await withTempDir(async (dir) => {
      await mkdir(join(dir, '.github', 'x'), { recursive: true })
      await writeFile(join(dir, '.gitignore.tmpl'), 'i')
      await writeFile(join(dir, '.github', 'x', 'ci.yml.tmpl'), 'c')
      await writeFile(join(dir, 'notes.md'), 'n')

      await expect(readTemplates(dir)).resolves.toEqual({ '.github/x/ci.yml': 'c', '.gitignore': 'i' })
    })
  })
})

describe('changedLines', () => {
  it.each([
    ['a\nb\nc', 'a\nb\nc', 0, 0],
    ['a\nb\nc', 'a\nx\nb\nc', 1, 0],
    ['a\nb\nc', 'c', 0, 2],
    ['', 'a\nb', 2, 1],
  ])('compares %j with %j', (before, after, added, removed) => {
    expect(changedLines(before, after)).toEqual({ added, removed })
  })
})
