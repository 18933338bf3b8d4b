import { access, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parseConfig, readDraft } from '../config/document.js'
import { CONFIG_FILE } from '../config/load.js'
import type { FlockConfig } from '../config/schema.js'
import { FlockError } from '../errors.js'
import { planProject, TEMPLATE_FOLDERS } from './plan.js'
import type { PlannedFile, Templates } from './plan.js'
import { readTargets, TARGET_MARKS } from './targets.js'
import type { Target } from './targets.js'
import { readTemplates } from './template.js'

/** What a project starts from: an answers file, the flock.yaml that is there, or nothing. */
export interface ProjectSource {
  readonly dir: string
  readonly text: string
  /** Named in errors. */
  readonly file: string
  /** The flock.yaml that is there. */
  readonly existing: string | null
  /** Those that the answers file names, else those whose files are there; null when nothing tells. */
  readonly targets: readonly Target[] | null
}

/**
 * Reads the answers file, else the flock.yaml of the folder.
 * @throws CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_INVALID for targets that nobody knows
 */
export async function openProject(dir: string, answersFile: string | undefined): Promise<ProjectSource> {
  const configPath = join(dir, CONFIG_FILE)
  const [existing, present] = await Promise.all([readIfThere(configPath), presentTargets(dir)])
  if (answersFile === undefined)
    return { dir, existing, text: existing ?? '', file: configPath, targets: present }
  const text = await readIfThere(resolve(answersFile))
  if (text === null)
    throw new FlockError('CONFIG_NOT_FOUND', `There is no file ${answersFile}.`, {
      details: { file: answersFile },
    })
  const { targets, faults } = readTargets(readDraft(text, { file: answersFile }))
  if (faults.length > 0)
    throw new FlockError('CONFIG_INVALID', `${answersFile} names targets that nobody knows.`, {
      details: { file: answersFile, faults },
    })
  return { dir, existing, text, file: answersFile, targets: targets ?? present }
}

/** What an earlier run made the project for; null where nothing tells, as in a folder that it never wrote to. */
async function presentTargets(dir: string): Promise<Target[] | null> {
  const found = await Promise.all(
    TARGET_MARKS.map(async ({ target, path }) => ((await isThere(join(dir, path))) ? [target] : [])),
  )
  const targets = found.flat()
  if (targets.length > 0) return targets
  const [isProject, hasContainer] = await Promise.all([
    isThere(join(dir, 'node', 'render-config.mjs')),
    isThere(join(dir, 'Dockerfile')),
  ])
  return isProject && !hasContainer ? ['bare'] : null
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** All files of the project; a flock.yaml that says the same in other words stays as its author wrote it. */
export async function planFiles(
  config: FlockConfig,
  options: {
    readonly source: ProjectSource
    readonly targets: readonly Target[]
    readonly templatesDir: string
    readonly version: string
  },
): Promise<PlannedFile[]> {
  const { source, targets, templatesDir, version } = options
  const folders = await Promise.all(
    TEMPLATE_FOLDERS.map(async (name) => [name, await readTemplates(join(templatesDir, name))] as const),
  )
  const templates = Object.fromEntries(folders) as unknown as Templates
  const files = planProject(config, { templates, targets, version })
  const { existing } = source
  if (existing === null || !saysTheSame(existing, config)) return files
  return files.map((file) => (file.path === CONFIG_FILE ? { ...file, content: existing } : file))
}

function saysTheSame(text: string, config: FlockConfig): boolean {
  try {
    return isDeepStrictEqual(parseConfig(text), config)
  } catch {
    // With an answers file, what is there need not even be valid: it is going to be replaced, or refused as a conflict.
    return false
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new FlockError('CONFIG_UNREADABLE', `${path} cannot be read.`, {
      cause: error,
      details: { file: path },
    })
  }
}
