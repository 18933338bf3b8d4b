import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import { parse as parseYaml } from 'yaml'
import { parseConfig } from '../../../src/lib/config/document.js'
import type { FlockConfig } from '../../../src/lib/config/schema.js'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { parseJson } from '../../../src/lib/json.js'
import { completeDraft } from '../../../src/lib/scaffold/answers.js'
import { contractName, planProject } from '../../../src/lib/scaffold/plan.js'
import type { PlannedFile, Templates } from '../../../src/lib/scaffold/plan.js'
import { readTemplates } from '../../../src/lib/scaffold/template.js'
import { expectGolden, joinFiles } from '../../helpers/golden.js'

const templatesDir = fileURLToPath(new URL('../../../templates', import.meta.url))

const PLATFORM_ANSWERS = `
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

async function templates(): Promise<Templates> {
  return {
    project: await readTemplates(join(templatesDir, 'project')),
    consumer: await readTemplates(join(templatesDir, 'consumer')),
  }
}

function configOf(answers: string): FlockConfig {
  return parseConfig(answers, { complete: (draft) => completeDraft(draft, 'my-host') })
}

async function plan(answers: string): Promise<PlannedFile[]> {
  return planProject(configOf(answers), { templates: await templates(), version: '1.2.3' })
}

function contentOf(files: readonly PlannedFile[], path: string): string {
  const file = files.find((item) => item.path === path)
  if (!file) throw new Error(`no ${path} among ${files.map((item) => item.path).join(', ')}`)
  return file.content
}

describe.each([
  ['local', ''],
  ['platform', PLATFORM_ANSWERS],
])('the project "%s"', (name, answers) => {
  it('is what it was when people last read it', async () => {
    await expectGolden(`project/${name}.txt`, joinFiles(await plan(answers)))
  })

  it('has a flock.yaml that reads back as the configuration it came from', async () => {
    expect(parseConfig(contentOf(await plan(answers), 'flock.yaml'))).toEqual(configOf(answers))
  })

  it('has a configuration for the reference node, without its key', async () => {
    const text = contentOf(await plan(answers), 'node/config.json')

    const { config, warnings } = parseNodeConfig(parseJson(text, 'config.json'))

    expect(warnings).toEqual([])
    expect(config).toMatchObject({
      manage_containers: false,
      forward_stats: false,
      chain: { enabled: true, wallet: { private_key: null } },
      containers: [{ id: 'flock-workflow', port: 3000 }],
    })
    expect(text).not.toContain('private_key')
  })

  it('holds no secret', async () => {
    const text = joinFiles(await plan(answers))

    expect(text).not.toMatch(/\b(?:0x)?[0-9a-fA-F]{64}\b/)
    expect(text).not.toMatch(/^\w*(?:KEY|TOKEN|PASSWORD)=(?!\.\.\. ).+$/m)
  })

  it('has a compose file that gives each container its own secrets only', async () => {
    const { services } = parseYaml(contentOf(await plan(answers), 'compose.yaml')) as {
      services: Record<string, { environment?: Record<string, string>; image: string }>
    }
    const secretsOf = (service: string) =>
      Object.keys(services[service]?.environment ?? {}).filter((key) => key.endsWith('_KEY'))

    expect(services.node?.image).toBe('ritualnetwork/infernet-node:1.4.0')
    expect(services.redis?.image).toBe('redis:7.4.0')
    expect(secretsOf('workflow')).toEqual(
      name === 'platform' ? ['FLOCK_RECEIPT_KEY', 'FLOCK_API_KEY'] : ['FLOCK_RECEIPT_KEY'],
    )
    expect(secretsOf('node-config')).toEqual(['FLOCK_NODE_KEY'])
    expect(secretsOf('node')).toEqual([])
  })
})

describe('node/render-config.mjs', () => {
  const key = `0x${'1f'.repeat(32)}`

  async function render(
    config: string,
    env: Record<string, string>,
  ): Promise<{ text: string; mode: number }> {
    const dir = mkdtempSync(join(tmpdir(), 'flock-render-'))
    try {
      writeFileSync(join(dir, 'render.mjs'), contentOf(await plan(''), 'node/render-config.mjs'))
      writeFileSync(join(dir, 'config.json'), config)
      const target = join(dir, 'secret.json')
      const args = [join(dir, 'render.mjs'), join(dir, 'config.json'), target]
      execFileSync(process.execPath, args, { env, stdio: 'pipe' })
      return { text: readFileSync(target, 'utf8'), mode: statSync(target).mode & 0o777 }
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }

  it('makes the file that the reference node starts with, for its owner only', async () => {
    const files = await plan('')

    const { text, mode } = await render(contentOf(files, 'node/config.json'), {
      FLOCK_NODE_KEY: key,
      NODE_WORKFLOW_URL: 'http://workflow:3000',
      NODE_LOG_PATH: '/logs/node.log',
    })

    expect(mode).toBe(0o600)
    expect(parseNodeConfig(parseJson(text, 'secret.json')).config).toMatchObject({
      log: { path: '/logs/node.log' },
      chain: { rpc_url: 'http://host.docker.internal:8545', wallet: { private_key: key } },
      containers: [{ id: 'flock-workflow', url: 'http://workflow:3000' }],
    })
  })

  it('keeps amounts beyond 2^53 exact', async () => {
    const config = contentOf(await plan(''), 'node/config.json').replace(
      '"accepted_payments": {}',
      '"accepted_payments": { "0x5aB3D4c385B400F3aBB49e80DE2fAF6a88A7B691": 1000000000000000001 }',
    )

    const { text } = await render(config, { FLOCK_NODE_KEY: key })

    expect(parseNodeConfig(parseJson(text, 'secret.json')).config.containers[0]?.accepted_payments).toEqual({
      '0x5aB3D4c385B400F3aBB49e80DE2fAF6a88A7B691': 1_000_000_000_000_000_001n,
    })
  })

  it('refuses to write a file without a key', async () => {
    await expect(render('{}', { FLOCK_NODE_KEY: '' })).rejects.toThrow('FLOCK_NODE_KEY is not a private key')
  })
})

describe('contractName', () => {
  it.each([
    ['my-host', 'MyHost'],
    ['paris', 'Paris'],
    ['2-towers', 'Host2Towers'],
  ])('makes a Solidity name of %s', (project, name) => {
    expect(contractName(project)).toBe(name)
  })
})
