import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parseConfig } from '../config/document.js'
import { CONFIG_FILE } from '../config/load.js'
import type { FlockConfig } from '../config/schema.js'
import { FlockError } from '../errors.js'
import { planProject } from './plan.js'
import type { PlannedFile } from './plan.js'
import { readTemplates } from './template.js'

/** What a project starts from: an answers file, the flock.yaml that is there, or nothing. */
export interface ProjectSource {
  readonly dir: string
  readonly text: string
  /** Named in errors. */
  readonly file: string
  /** The flock.yaml that is there. */
  readonly existing: string | null
}

/** Reads the answers file, else the flock.yaml of the folder. @throws CONFIG_NOT_FOUND, CONFIG_UNREADABLE */
export async function openProject(dir: string, answersFile: string | undefined): Promise<ProjectSource> {
  const configPath = join(dir, CONFIG_FILE)
  const existing = await readIfThere(configPath)
  if (answersFile === undefined) return { dir, existing, text: existing ?? '', file: configPath }
  const text = await readIfThere(resolve(answersFile))
  if (text === null)
    throw new FlockError('CONFIG_NOT_FOUND', `There is no file ${answersFile}.`, {
      details: { file: answersFile },
    })
  return { dir, existing, text, file: answersFile }
}

/** All files of the project; a flock.yaml that says the same in other words stays as its author wrote it. */
export async function planFiles(
  config: FlockConfig,
  options: { readonly source: ProjectSource; readonly templatesDir: string; readonly version: string },
): Promise<PlannedFile[]> {
  const { source, templatesDir, version } = options
  const [project, consumer] = await Promise.all([
    readTemplates(join(templatesDir, 'project')),
    readTemplates(join(templatesDir, 'consumer')),
  ])
  const files = planProject(config, { templates: { project, consumer }, version })
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
