import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import { parseConfig } from '../../../src/lib/config/document.js'
import { ENVIRONMENT, findConfig, loadProject } from '../../../src/lib/config/load.js'
import { withTempDir } from '../../helpers/temp-dir.js'

describe('findConfig', () => {
  it('finds the nearest flock.yaml upwards and passes by folders of that name', async () => {
    await withTempDir(async (dir) => {
      const deep = join(dir, 'a', 'b')
      await mkdir(join(deep, 'flock.yaml'), { recursive: true })
      await writeFile(join(dir, 'flock.yaml'), 'name: outer\n')

      await expect(findConfig(deep)).resolves.toBe(join(dir, 'flock.yaml'))
    })
  })

  it('says where it looked', async () => {
    await withTempDir(async (dir) => {
      await expect(findConfig(dir)).rejects.toMatchObject({ code: 'CONFIG_NOT_FOUND', details: { cwd: dir } })
    })
  })
})

describe('loadProject', () => {
  it('lays the environment over the file', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'flock.yaml'), 'name: host\nservice: { port: 1 }\n')
      const env = {
        FLOCK_SERVICE_PORT: '4321',
        FLOCK_SERVICE_HOST: '0.0.0.0',
        FLOCK_NODE_CONFIG: 'n.json',
        FLOCK_RPC_URL_BASE_SEPOLIA: 'http://10.0.0.1:1',
        FLOCK_SERVICE_MAX_BODY_BYTES: '',
      }

      const { config, path } = await loadProject({ cwd: dir, env, configPath: null })

      expect(path).toBe(join(dir, 'flock.yaml'))
      expect(config.service).toMatchObject({ host: '0.0.0.0', port: 4321, maxBodyBytes: 1_048_576 })
      expect(config.node.config).toBe('n.json')
      expect(config.networks['base-sepolia']?.rpcUrl).toBe('http://10.0.0.1:1')
    })
  })

  it('takes every setting of the service from its variable', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'flock.yaml'), 'name: host\n')
      const env = {
        FLOCK_SERVICE_MAX_BODY_BYTES: '2048',
        FLOCK_SERVICE_ANSWERS_DIR: '/var/lib/flock/answers',
        FLOCK_SERVICE_ANSWERS_FSYNC: 'interval',
        FLOCK_SERVICE_ANSWERS_KEEP_DAYS: '7',
        FLOCK_SERVICE_STOCK_TASKS: 'false',
        FLOCK_SERVICE_USAGE_DIR: '/var/lib/flock/usage',
      }

      const { config } = await loadProject({ cwd: dir, env, configPath: null })

      expect(config.service).toMatchObject({
        maxBodyBytes: 2048,
        answers: { dir: '/var/lib/flock/answers', fsync: 'interval', keepDays: 7 },
        stockTasks: false,
        usageDir: '/var/lib/flock/usage',
      })
    })
  })

  it.each([
    ['FLOCK_SERVICE_PORT', 'tcp://10.0.0.1:3000', 'service.port'],
    ['FLOCK_SERVICE_PORT', '1e3', 'service.port'],
    ['FLOCK_SERVICE_PORT', '-1', 'service.port'],
    ['FLOCK_SERVICE_MAX_BODY_BYTES', '1', 'service.maxBodyBytes'],
    ['FLOCK_SERVICE_ANSWERS_FSYNC', 'sometimes', 'service.answers.fsync'],
    ['FLOCK_SERVICE_ANSWERS_KEEP_DAYS', '0', 'service.answers.keepDays'],
    ['FLOCK_SERVICE_ANSWERS_DIR', ' ', 'service.answers.dir'],
    ['FLOCK_SERVICE_STOCK_TASKS', 'yes', 'service.stockTasks'],
    ['FLOCK_SERVICE_USAGE_DIR', ' ', 'service.usageDir'],
  ])('refuses %s when it is "%s"', async (name, value, path) => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'flock.yaml'), 'name: host\n')

      const loading = loadProject({ cwd: dir, env: { [name]: value }, configPath: null })

      await expect(loading).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        details: { faults: [{ path: `${name} (${path})` }] },
      })
    })
  })

  it('names the variable when its value is not allowed, beside the faults of the file', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'flock.yaml'), 'name: host\nnetwork: nowhere\nmodel: []\n')

      const loading = loadProject({ cwd: dir, env: { FLOCK_SERVICE_PORT: 'http' }, configPath: null })

      await expect(loading).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        details: {
          faults: [{ path: 'FLOCK_SERVICE_PORT (service.port)' }, { path: 'model', line: 3, column: 1 }],
        },
      })
    })
  })

  it('tells a file that is not there from one that cannot be read', async () => {
    await withTempDir(async (dir) => {
      const path = join(dir, 'other.yaml')
      await expect(loadProject({ cwd: dir, env: {}, configPath: 'other.yaml' })).rejects.toMatchObject({
        code: 'CONFIG_NOT_FOUND',
        details: { file: path },
      })
      await expect(loadProject({ cwd: dir, env: {}, configPath: '.' })).rejects.toMatchObject({
        code: 'CONFIG_UNREADABLE',
      })
      if (process.getuid?.() === 0) return
      await writeFile(path, 'name: a\n')
      await chmod(path, 0)
      await expect(loadProject({ cwd: dir, env: {}, configPath: 'other.yaml' })).rejects.toMatchObject({
        code: 'CONFIG_UNREADABLE',
      })
    })
  })
})

describe('the environment of the service', () => {
  const inService = ENVIRONMENT.filter(({ path }) => path[0] === 'service')

  it('has a variable, named after it, for each setting that is one value', () => {
    const leaves = (value: object, path: readonly string[]): string[][] =>
      Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
        if (Array.isArray(inner)) return []
        return inner !== null && typeof inner === 'object' ? leaves(inner, [...path, key]) : [[...path, key]]
      })
    const nameOf = (path: readonly string[]) =>
      ['flock', ...path].map((word) => word.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')

    const expected = leaves(parseConfig('name: host').service, ['service'])

    expect(inService.map(({ name, path }) => ({ name, path: path.join('.') }))).toEqual(
      expect.arrayContaining(expected.map((path) => ({ name: nameOf(path), path: path.join('.') }))),
    )
    expect(inService).toHaveLength(expected.length)
  })

  it.each(['README.md', 'templates/project/README.md.tmpl'])('is listed in %s', async (file) => {
    const text = await readFile(fileURLToPath(new URL(`../../../${file}`, import.meta.url)), 'utf8')

    expect(inService.filter(({ name }) => !text.includes(`\`${name}\``))).toEqual([])
  })
})
