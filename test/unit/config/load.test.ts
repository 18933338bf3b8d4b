import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { findConfig, loadProject } from '../../../src/lib/config/load.js'
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
