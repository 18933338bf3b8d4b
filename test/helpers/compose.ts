import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withTempDir } from './temp-dir.js'

/** Our part of what `dclint` exports; its types leave out the endings of files, which Node.js resolution wants. */
interface LinterModule {
  readonly DCLinter: new (config: {
    readonly rules: Readonly<Record<string, 0 | 1 | 2>>
    readonly quiet: boolean
    readonly debug: boolean
    readonly exclude: readonly string[]
  }) => { lintFiles(paths: readonly string[], deep: boolean): readonly LintedFile[] }
}

interface LintedFile {
  readonly messages: readonly { readonly rule: string; readonly message: string }[]
}

/** Rules that are off: keys and services stand in the order in which they are read, and an image that is built has a name. */
const OFF = [
  'no-build-and-image',
  'service-keys-order',
  'services-alphabetical-order',
  'service-dependencies-alphabetical-order',
]

/** What the schema of Compose, and the rules of a linter for it, have against a file. */
export async function composeFaults(text: string): Promise<string[]> {
  const { DCLinter } = (await import('dclint')) as unknown as LinterModule
  return withTempDir(async (dir) => {
    const path = join(dir, 'compose.yaml')
    await writeFile(path, text)
    const rules = Object.fromEntries(OFF.map((name) => [name, 0] as const))
    const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] })
    return linter
      .lintFiles([path], false)
      .flatMap(({ messages }) => messages.map(({ rule, message }) => `${rule}: ${message}`))
  })
}
