import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { parseConfig } from '../../../src/lib/config/document.js'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { parseJson } from '../../../src/lib/json.js'
import { TARGETS } from '../../../src/lib/scaffold/targets.js'
import { expectGolden, joinFiles } from '../../helpers/golden.js'
import { configOf, contentOf, planAnswers, PLATFORM_ANSWERS, RICH_ANSWERS } from '../../helpers/scaffold.js'

describe.each([
  ['local', ''],
  ['platform', PLATFORM_ANSWERS],
])('the project "%s"', (name, answers) => {
  it('is what it was when people last read it', async () => {
    await expectGolden(`project/${name}.txt`, joinFiles(await planAnswers(answers)))
  })

  it('has a flock.yaml that reads back as the configuration it came from', async () => {
    expect(parseConfig(contentOf(await planAnswers(answers), 'flock.yaml'))).toEqual(configOf(answers))
  })

  it('has a configuration for the reference node, without its key', async () => {
    const text = contentOf(await planAnswers(answers), 'node/config.json')

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
    const text = joinFiles(await planAnswers(answers))

    expect(text).not.toMatch(/\b(?:0x)?[0-9a-fA-F]{64}\b/)
    expect(text).not.toMatch(/^\w*(?:KEY|TOKEN|PASSWORD)=(?!\.\.\. ).+$/m)
  })
})

describe('the entry of the service in node/config.json', () => {
  it('has the keys of the reference node 1.4.0, each of its type', async () => {
    const text = contentOf(await planAnswers(RICH_ANSWERS), 'node/config.json')

    const { containers } = JSON.parse(text) as { containers: unknown[] }

    expect(containers).toEqual(
      ['flock-workflow', 'odd-"$id"'].map((id) => ({
        id,
        image: '',
        url: '',
        bearer: '',
        port: 3000,
        external: true,
        gpu: false,
        accepted_payments: {},
        allowed_ips: [],
        allowed_addresses: [],
        allowed_delegate_addresses: [],
        description: 'FlockWorkflow of 2-towers',
        command: '',
        env: {},
        generates_proofs: false,
        volumes: [],
      })),
    )
  })

  it('names the port that the service listens on, and that of containers where it takes any', async () => {
    const portFor = async (service: string) => {
      const text = contentOf(await planAnswers(`service: { port: ${service} }`), 'node/config.json')
      return parseNodeConfig(parseJson(text, 'config.json')).config.containers[0]?.port
    }

    await expect(portFor('4321')).resolves.toBe(4321)
    await expect(portFor('0')).resolves.toBe(3000)
  })
})

describe('the targets of a project', () => {
  const CONTAINER = ['.dockerignore', 'Dockerfile']
  const added = {
    compose: [...CONTAINER, 'compose.yaml'],
    kubernetes: [
      ...CONTAINER,
      'kubernetes/autoscaler.yaml',
      'kubernetes/disruption-budget.yaml',
      'kubernetes/network-policy.yaml',
      'kubernetes/secret.example.yaml',
      'kubernetes/service-monitor.yaml',
      'kubernetes/service.yaml',
      'kubernetes/stateful-set.yaml',
      'kustomization.yaml',
    ],
    systemd: ['systemd/flock-workflow.service'],
    bare: [],
  }

  it.each(TARGETS)('add their own files and a part of the README: %s', async (target) => {
    const bare = await planAnswers('', ['bare'])

    const files = await planAnswers('', [target])

    const common = bare.map(({ path }) => path)
    expect(files.map(({ path }) => path).filter((path) => !common.includes(path))).toEqual(added[target])
    const headings = contentOf(files, 'README.md').match(/^## (?:With|On K|Under).*$/gm)
    expect(headings ?? []).toHaveLength(target === 'bare' ? 0 : 1)
  })

  it('go together, in any order', async () => {
    const files = await planAnswers('', ['systemd', 'kubernetes', 'compose', 'bare'])
    const paths = files.map(({ path }) => path)

    expect(new Set(paths).size).toBe(paths.length)
    expect(paths).toEqual(expect.arrayContaining(Object.values(added).flat()))
    expect(contentOf(files, 'README.md').match(/^## (?:With|On K|Under).*$/gm)).toEqual([
      '## Under systemd',
      '## On Kubernetes',
      '## With Docker Compose',
    ])
  })

  it.each(TARGETS)('put no secret anywhere: %s', async (target) => {
    const text = joinFiles(await planAnswers(RICH_ANSWERS, [target]))

    expect(text).not.toMatch(/\b(?:0x)?[0-9a-fA-F]{64}\b/)
    expect(text).not.toMatch(/^\w*(?:KEY|TOKEN|PASSWORD)=(?!\.\.\. ).+$/m)
    expect(text).not.toMatch(/\{\{\w+\}\}/)
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
      writeFileSync(join(dir, 'render.mjs'), contentOf(await planAnswers(''), 'node/render-config.mjs'))
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
    const files = await planAnswers('')

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
    const config = contentOf(await planAnswers(''), 'node/config.json').replace(
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
