import { readFile, readdir } from 'node:fs/promises'
import { join, posix, sep } from 'node:path'
import { FlockError } from '../errors.js'

const SUFFIX = '.tmpl'
const PLACEHOLDER = /\{\{([a-zA-Z]+)\}\}/g

/** Template text by path inside the folder, without the `.tmpl` at the end; paths have forward slashes. Reads files. */
export async function readTemplates(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(SUFFIX))
  const texts = await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name)
      const name = path.slice(folder.length).split(sep).filter(Boolean).join(posix.sep)
      return [name.slice(0, -SUFFIX.length), await readFile(path, 'utf8')] as const
    }),
  )
  return Object.fromEntries(texts.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Puts values in place of `{{names}}`. A name without a value is a fault of flock, not of its user. */
export function fillTemplate(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(PLACEHOLDER, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new FlockError('INTERNAL', `A template asks for {{${name}}}.`)
    return value
  })
}
