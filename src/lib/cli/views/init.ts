/** What `flock init` did, or would do. */
export interface InitView {
  readonly dir: string
  readonly dryRun: boolean
  readonly changed: boolean
  readonly files: readonly { readonly path: string; readonly state: 'new' | 'unchanged' | 'changed' }[]
  /** Copies of replaced files, inside the folder. */
  readonly backups: readonly string[]
}

const WORDS = { new: 'created', unchanged: 'unchanged', changed: 'replaced' } as const
const PLANNED_WORDS = { new: 'create', unchanged: 'keep', changed: 'replace' } as const

/** One line a file: what happened to it, and its path. */
export function initLines({ files, dryRun }: InitView): string[] {
  const words = dryRun ? PLANNED_WORDS : WORDS
  return files.map(({ path, state }) => `${words[state].padEnd(9)}  ${path}`)
}
