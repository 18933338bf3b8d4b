import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Hex } from '../../src/lib/hex.js'
import { artifactIdOf, modelIdOf } from '../../src/lib/models/model.js'
import { type RunningCommand, startCommand } from './run-command.js'
import { RECEIPT_KEY, USAGE_METER } from './tasks.js'
import { createTempDir } from './temp-dir.js'

const MODEL_HOST = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const ARTIFACT = { revision: 'main', base_model: 'tiny' }

/** What a project says beside its name and network; a model needs a name and its hosts. */
export interface ProjectSettings {
  readonly models: readonly (Readonly<Record<string, unknown>> & { readonly name: string })[]
  readonly service?: Readonly<Record<string, unknown>>
}

/** `flock workflow serve` as users run it: a process of its own, in a project folder. */
export interface ServedProject {
  readonly dir: string
  readonly url: string
  readonly command: RunningCommand
  /** Writes flock.yaml; the service reads it on SIGHUP. */
  configure(settings: ProjectSettings): Promise<void>
  /** Has the service read flock.yaml again and waits until it says what became of it. */
  reload(): Promise<void>
  /** Kills the service and removes the folder. */
  close(): Promise<void>
}

/** The id that a model of that name has on chain. */
export function servedModelId(name: string): Hex {
  return modelIdOf(MODEL_HOST, artifactIdOf({ ...ARTIFACT, hg_repo_id: `flock-io/${name}` }))
}

export async function startServedProject(
  settings: ProjectSettings,
  { args = [], env = {} }: { readonly args?: readonly string[]; readonly env?: Record<string, string> } = {},
): Promise<ServedProject> {
  const dir = await createTempDir()
  const configure = async ({ models, service = {} }: ProjectSettings) => {
    const price = { request: '0', promptPerMillion: '1', completionPerMillion: '1' }
    const entries = models.map((model) => ({
      ...ARTIFACT,
      hg_repo_id: `flock-io/${model.name}`,
      price,
      ...model,
    }))
    await writeFile(
      join(dir, 'flock.yaml'),
      stringify({ name: 'test', network: 'local', models: entries, service }),
    )
  }
  await configure(settings)
  const contracts = ['--usage-meter', USAGE_METER, '--model-host', MODEL_HOST]
  const command = startCommand(['workflow', 'serve', '--port', '0', ...contracts, ...args], {
    cwd: dir,
    env: { FLOCK_RECEIPT_KEY: RECEIPT_KEY, ...env },
    timeoutMs: 300_000,
  })
  const [url] = await command.waitFor(/http:\/\/127\.0\.0\.1:\d+/)
  let reloads = 0
  return {
    dir,
    url,
    command,
    configure,
    async reload() {
      reloads += 1
      const told = `(?:The configuration was (?:read again|not changed)\\.[^]*?){${reloads}}`
      command.child.kill('SIGHUP')
      await command.waitFor(new RegExp(told))
    },
    async close() {
      command.child.kill('SIGKILL')
      await command.result.catch(() => undefined)
      await rm(dir, { recursive: true, force: true })
    },
  }
}
