import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseConfig } from '../../src/lib/config/document.js'
import type { FlockConfig } from '../../src/lib/config/schema.js'
import { completeDraft } from '../../src/lib/scaffold/answers.js'
import { planProject, TEMPLATE_FOLDERS } from '../../src/lib/scaffold/plan.js'
import type { PlannedFile, Templates } from '../../src/lib/scaffold/plan.js'
import type { Target } from '../../src/lib/scaffold/targets.js'
import { readTemplates } from '../../src/lib/scaffold/template.js'

const templatesDir = fileURLToPath(new URL('../../templates', import.meta.url))

export const VERSION = '1.2.3'

/** A model that FLock hosts, on a public chain. */
export const PLATFORM_ANSWERS = `
name: paris-models
network: base-sepolia
models:
  - name: assistant
    hg_repo_id: flock-io/assistant
    revision: 4f2c1e
    base_model: Qwen2.5-7B
    nodes: [0x70997970C51812dc3A010C7d01b50e0d17dc79C8]
    hosts: [{ baseUrl: https://api.flock.io/v1 }]
`

/** A project with all that its packaging has to know of: keys of hosts and clients, ports, a tokenizer, odd names. */
export const RICH_ANSWERS = `
name: 2-towers
network: base-sepolia
service: { clients: [{ name: web, keyEnv: WEB_KEY }] }
models:
  - name: assistant
    hg_repo_id: flock-io/assistant
    revision: 4f2c1e
    base_model: Qwen2.5-7B
    containers: [flock-workflow, 'odd-"$id"']
    tokenizer: { file: tokenizers/qwen.json }
    hosts:
      - { id: platform, baseUrl: https://api.flock.io/v1, timeoutMs: 3600000 }
      - { id: own, baseUrl: http://10.0.0.7:8000/v1, model: m, auth: bearer, apiKeyEnv: GPU_KEY }
      - { id: spare, baseUrl: http://spare/v1, model: m }
  - name: second
    hg_repo_id: flock-io/second
    revision: 4f2c1e
    base_model: Qwen2.5-7B
    tokenizer: { file: /opt/tokenizers/far.json }
    price: { request: '1', promptPerMillion: '1', completionPerMillion: '1' }
    hosts: [{ id: own, baseUrl: http://10.0.0.8:8000/v1, model: n }]
`

export function configOf(answers: string): FlockConfig {
  return parseConfig(answers, { complete: (draft) => completeDraft(draft, 'my-host') })
}

/** The files that `flock init` would write for these answers. */
export async function planAnswers(
  answers: string,
  targets: readonly Target[] = ['compose'],
): Promise<PlannedFile[]> {
  const folders = await Promise.all(
    TEMPLATE_FOLDERS.map(async (name) => [name, await readTemplates(join(templatesDir, name))] as const),
  )
  const templates = Object.fromEntries(folders) as unknown as Templates
  return planProject(configOf(answers), { templates, targets, version: VERSION })
}

export function contentOf(files: readonly PlannedFile[], path: string): string {
  const file = files.find((item) => item.path === path)
  if (!file) throw new Error(`no ${path} among ${files.map((item) => item.path).join(', ')}`)
  return file.content
}
