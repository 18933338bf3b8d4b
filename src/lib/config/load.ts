import { readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { FlockError } from '../errors.js'
import type { Override } from './document.js'
import type { PathSegment } from './faults.js'
import type { FlockConfig } from './schema.js'

export const CONFIG_FILE = 'flock.yaml'

export interface LoadedProject {
  readonly config: FlockConfig
  /** The project file and its folder, absolute. */
  readonly path: string
  readonly dir: string
}

export interface LoadOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** The file that was asked for; null to look for flock.yaml from `cwd` upwards. */
  readonly configPath: string | null
}

/**
 * Finds and reads the project file, lays the environment over it and checks the result.
 * @throws CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_INVALID
 */
export async function loadProject({ cwd, env, configPath }: LoadOptions): Promise<LoadedProject> {
  const path = configPath === null ? await findConfig(cwd) : resolve(cwd, configPath)
  const text = await readText(path)
  // The YAML reader is the heaviest part of this room; commands without a project never load it.
  const { parseConfig } = await import('./document.js')
  return {
    config: parseConfig(text, { file: path, overrides: environmentOverrides(env) }),
    path,
    dir: dirname(path),
  }
}

/** The nearest flock.yaml in a folder or those above it. @throws CONFIG_NOT_FOUND */
export async function findConfig(cwd: string): Promise<string> {
  for (let dir = resolve(cwd); ; dir = dirname(dir)) {
    const path = join(dir, CONFIG_FILE)
    const isFile = await stat(path).then(
      (found) => found.isFile(),
      () => false,
    )
    if (isFile) return path
    if (dirname(dir) === dir) break
  }
  throw new FlockError('CONFIG_NOT_FOUND', `No ${CONFIG_FILE} in ${resolve(cwd)} or a folder above it.`, {
    details: { cwd: resolve(cwd) },
    hint: 'flock init',
  })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (isMissing)
      throw new FlockError('CONFIG_NOT_FOUND', `There is no file ${path}.`, {
        cause: error,
        details: { file: path },
        hint: 'flock init',
      })
    throw new FlockError('CONFIG_UNREADABLE', `${path} cannot be read.`, {
      cause: error,
      details: { file: path },
    })
  }
}

/** A variable of the environment that stands over a key of the project. */
export interface EnvironmentVariable {
  readonly name: string
  readonly path: readonly PathSegment[]
  /** What the text stands for, when it is no text. */
  readonly as?: 'integer' | 'boolean'
}

/** What of a project the environment can say. */
export const ENVIRONMENT: readonly EnvironmentVariable[] = [
  { name: 'FLOCK_SERVICE_HOST', path: ['service', 'host'] },
  { name: 'FLOCK_SERVICE_PORT', path: ['service', 'port'], as: 'integer' },
  { name: 'FLOCK_SERVICE_MAX_BODY_BYTES', path: ['service', 'maxBodyBytes'], as: 'integer' },
  { name: 'FLOCK_SERVICE_ANSWERS_DIR', path: ['service', 'answers', 'dir'] },
  { name: 'FLOCK_SERVICE_ANSWERS_FSYNC', path: ['service', 'answers', 'fsync'] },
  { name: 'FLOCK_SERVICE_ANSWERS_KEEP_DAYS', path: ['service', 'answers', 'keepDays'], as: 'integer' },
  { name: 'FLOCK_SERVICE_STOCK_TASKS', path: ['service', 'stockTasks'], as: 'boolean' },
  { name: 'FLOCK_SERVICE_USAGE_DIR', path: ['service', 'usageDir'] },
  { name: 'FLOCK_NODE_CONFIG', path: ['node', 'config'] },
]

/** `FLOCK_RPC_URL_BASE_SEPOLIA` stands for `networks.base-sepolia.rpcUrl`: RPC URLs often hold an access key. */
const RPC_URL_PREFIX = 'FLOCK_RPC_URL_'

function environmentOverrides(env: LoadOptions['env']): Override[] {
  const given = ENVIRONMENT.flatMap(({ name, path, as }) => {
    const text = env[name]
    return text === undefined || text === '' ? [] : [{ path, source: name, value: valueOf(text, as) }]
  })
  const urls = Object.entries(env).flatMap(([name, value]) => {
    if (!name.startsWith(RPC_URL_PREFIX) || value === undefined || value === '') return []
    const network = name.slice(RPC_URL_PREFIX.length).toLowerCase().replaceAll('_', '-')
    return [{ path: ['networks', network, 'rpcUrl'], source: name, value }]
  })
  return [...given, ...urls]
}

/** What does not read as its kind stays text, which the schema then refuses by the name of the variable. */
function valueOf(text: string, as: EnvironmentVariable['as']): string | number | boolean {
  if (as === 'integer' && /^\d{1,15}$/.test(text)) return Number(text)
  if (as === 'boolean' && /^(?:true|false)$/.test(text)) return text === 'true'
  return text
}
