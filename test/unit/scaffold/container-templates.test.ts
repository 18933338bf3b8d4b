import { beforeAll, describe, expect, it } from '@jest/globals'
import { parse as parseYaml } from 'yaml'
import type { PlannedFile } from '../../../src/lib/scaffold/plan.js'
import { composeFaults } from '../../helpers/compose.js'
import { parseDockerfile, type Dockerfile } from '../../helpers/dockerfile.js'
import { contentOf, planAnswers, RICH_ANSWERS, VERSION } from '../../helpers/scaffold.js'

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly stop_grace_period?: string
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly [key: string]: unknown
}

let files: readonly PlannedFile[] = []
let dockerfile: Dockerfile
let compose: Compose

beforeAll(async () => {
  files = await planAnswers(RICH_ANSWERS)
  dockerfile = parseDockerfile(contentOf(files, 'Dockerfile'))
  compose = parseYaml(contentOf(files, 'compose.yaml')) as Compose
})

function service(name: string): Service {
  const found = compose.services[name]
  if (found === undefined) throw new Error(`no service ${name}`)
  return found
}

describe('Dockerfile', () => {
  it('is one stage on a tag of Node.js that can be chosen', () => {
    expect(dockerfile.keywords.filter((keyword) => keyword === 'FROM')).toHaveLength(1)
    expect(dockerfile.keywords.slice(0, 2)).toEqual(['ARG', 'FROM'])
    expect(dockerfile.all[0]?.getRawArgumentsContent()).toBe('NODE_TAG=22-bookworm-slim')
    expect(dockerfile.last('FROM')).toBe('node:${NODE_TAG}')
  })

  it('starts the service itself, as a user with a number, and says how it is stopped and looked after', () => {
    expect(dockerfile.command('ENTRYPOINT')).toEqual(['flock'])
    expect(dockerfile.command('CMD')).toEqual(['workflow', 'serve'])
    expect(dockerfile.last('USER')).toBe('1000:1000')
    expect(dockerfile.last('STOPSIGNAL')).toBe('SIGTERM')
    expect(dockerfile.last('EXPOSE')).toBe('3000')
    expect(dockerfile.command('HEALTHCHECK').slice(0, 2)).toEqual(['node', '-e'])
  })

  it('installs the release that made it, without scripts of packages, and makes the folder of the service its own', () => {
    expect(contentOf(files, 'Dockerfile')).toContain(`ARG FLOCK_VERSION=${VERSION}\n`)
    expect(dockerfile.last('RUN')).toContain('--ignore-scripts')
    expect(dockerfile.last('RUN')).toContain('"@flock-io/cli@${FLOCK_VERSION}"')
    expect(dockerfile.last('RUN')).toContain(
      `--owner=1000 --group=1000 --mode=0700 ${dockerfile.last('VOLUME')}`,
    )
  })

  it('keeps answers and usage in the volume, and knows no key', () => {
    const env = dockerfile.properties('ENV')

    expect(env).toEqual({
      NODE_ENV: 'production',
      FLOCK_CONFIG: '/srv/flock/flock.yaml',
      FLOCK_SERVICE_HOST: '0.0.0.0',
      FLOCK_SERVICE_PORT: '3000',
      FLOCK_SERVICE_ANSWERS_DIR: '/var/lib/flock/answers',
      FLOCK_SERVICE_USAGE_DIR: '/var/lib/flock/usage',
    })
    for (const key of ['FLOCK_RECEIPT_KEY', 'FLOCK_API_KEY', 'GPU_KEY', 'WEB_KEY'])
      expect(contentOf(files, 'Dockerfile')).not.toContain(key)
  })

  it('takes flock.yaml and tokenizers of the project into the image, and nothing else gets near it', () => {
    const copied = dockerfile.all
      .filter((item) => item.getKeyword() === 'COPY')
      .map((item) => item.getRawArgumentsContent())

    expect(copied).toEqual(['flock.yaml ./', '["tokenizers/qwen.json","tokenizers/qwen.json"]'])
    expect(contentOf(files, '.dockerignore')).toBe('*\n!flock.yaml\n!tokenizers/qwen.json\n')
  })

  it('has the labels of the OCI, and those by which an Infernet node is configured', () => {
    expect(dockerfile.properties('LABEL')).toEqual({
      'org.opencontainers.image.title': '2-towers-workflow',
      'org.opencontainers.image.description': expect.stringContaining('FlockWorkflow of 2-towers'),
      'org.opencontainers.image.source': '${SOURCE}',
      'org.opencontainers.image.revision': '${REVISION}',
      'org.opencontainers.image.version': '${FLOCK_VERSION}',
      'org.opencontainers.image.licenses': 'MIT',
      'org.opencontainers.image.base.name': 'docker.io/library/node:${NODE_TAG}',
      'io.flock.models': 'assistant,second',
      'io.flock.infernet.container-ids': expect.stringContaining('flock-workflow,odd-'),
      'io.flock.infernet.port': '3000',
    })
    // Quotes and variables in ids stay text.
    expect(contentOf(files, 'Dockerfile')).toContain('container-ids="flock-workflow,odd-\\"\\$id\\""')
  })
})

describe('compose.yaml', () => {
  it('keeps to the schema of Compose', async () => {
    await expect(composeFaults(contentOf(files, 'compose.yaml'))).resolves.toEqual([])
  })

  it('would not pass with a misspelt key or a value of another type', async () => {
    const text = contentOf(files, 'compose.yaml')

    await expect(composeFaults(text.replace('stop_grace_period', 'stop_grace_priod'))).resolves.toEqual([
      expect.stringContaining('must NOT have additional properties'),
    ])
    await expect(composeFaults(text.replace('read_only: true', 'read_only: [true]'))).resolves.not.toEqual([])
  })

  it('gives each container its own secrets only', () => {
    const secretsOf = (name: string) =>
      Object.keys(service(name).environment ?? {}).filter((key) => key.endsWith('_KEY'))

    expect(secretsOf('workflow')).toEqual(['FLOCK_RECEIPT_KEY', 'FLOCK_API_KEY', 'GPU_KEY', 'WEB_KEY'])
    expect(secretsOf('node-config')).toEqual(['FLOCK_NODE_KEY'])
    expect(secretsOf('node')).toEqual([])
    expect(secretsOf('redis')).toEqual([])
  })

  it('runs the reference node with what its makers tested', () => {
    expect(service('node').image).toBe('ritualnetwork/infernet-node:1.4.0')
    expect(service('redis').image).toBe('redis:7.4.0')
    expect(service('workflow').image).toBe(`2-towers-workflow:${VERSION}`)
  })

  it('keeps the state of the service in a volume, on a file system that is else read-only, without rights', () => {
    const { volumes, read_only, cap_drop, security_opt } = service('workflow')

    expect(volumes).toContain(`workflow-state:${dockerfile.last('VOLUME')}`)
    expect(Object.keys(compose.volumes)).toContain('workflow-state')
    expect({ read_only, cap_drop, security_opt }).toEqual({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    const bound = volumes?.filter((volume) => volume.startsWith('./')) ?? []
    expect(bound.filter((volume) => !volume.endsWith(':ro'))).toEqual([])
  })

  it('waits longer for the service to stop than it takes, and looks after it as the image does', () => {
    const { stop_grace_period = '', environment, healthcheck } = service('workflow')

    expect(environment?.FLOCK_DRAIN_TIMEOUT).toBe('180')
    expect(stop_grace_period).toBe('210s')
    expect(healthcheck?.test).toEqual(['CMD', ...dockerfile.command('HEALTHCHECK')])
  })
})
