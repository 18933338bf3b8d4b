import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { encryptKeystore } from '../../../src/lib/config/keystore.js'
import { apiKeySources, keystorePath, loadPrivateKey } from '../../../src/lib/config/secrets.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const KEY = `0x${'1f'.repeat(32)}` as const
const COST = { n: 1024, r: 8, p: 1 }

async function writeKeystore(path: string, password: string): Promise<void> {
  await writeFile(path, JSON.stringify(await encryptKeystore(KEY, password, COST)), { mode: 0o600 })
}

describe('loadPrivateKey', () => {
  it.each([KEY, KEY.slice(2), ` ${KEY.toUpperCase().replace('0X', '0x')}\n`])(
    'takes the key of the environment in any usual form',
    async (value) => {
      await expect(
        loadPrivateKey({ env: { FLOCK_PRIVATE_KEY: value }, envName: 'FLOCK_PRIVATE_KEY' }),
      ).resolves.toBe(KEY)
    },
  )

  it.each([
    ['too short', '0x12'],
    ['no hexadecimal', 'zz'.repeat(32)],
    ['zero', '00'.repeat(32)],
    ['above the order of the curve', 'ff'.repeat(32)],
  ])('refuses a key that is %s and does not show it', async (_, value) => {
    const refused = loadPrivateKey({ env: { FLOCK_PRIVATE_KEY: value }, envName: 'FLOCK_PRIVATE_KEY' })

    await expect(refused).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: 'FLOCK_PRIVATE_KEY does not hold a private key.',
      details: { source: 'FLOCK_PRIVATE_KEY' },
    })
  })

  it.each([{}, { FLOCK_NODE_KEY: '' }])('says which variable and flags would give a key', async (env) => {
    await expect(loadPrivateKey({ env, envName: 'FLOCK_NODE_KEY' })).rejects.toMatchObject({
      code: 'KEY_MISSING',
      details: { env: 'FLOCK_NODE_KEY' },
    })
  })

  it('opens a named keystore before it looks at the environment', async () => {
    await withTempDir(async (dir) => {
      await writeKeystore(join(dir, 'alice'), 'geheim')
      const env = {
        FLOCK_KEYSTORE_DIR: dir,
        FLOCK_KEYSTORE_PASSWORD: 'geheim',
        FLOCK_PRIVATE_KEY: '22'.repeat(32),
      }

      await expect(loadPrivateKey({ env, envName: 'FLOCK_PRIVATE_KEY', account: 'alice' })).resolves.toBe(KEY)
    })
  })

  it('takes the first line of a password file, and an empty one as an empty password', async () => {
    await withTempDir(async (dir) => {
      await writeKeystore(join(dir, 'alice'), 'geheim')
      await writeKeystore(join(dir, 'bob'), '')
      await writeFile(join(dir, 'password'), 'geheim\r\nsecond line\n', { mode: 0o600 })
      await writeFile(join(dir, 'empty'), '', { mode: 0o600 })
      const load = (keystore: string, passwordFile: string) =>
        loadPrivateKey({
          env: {},
          envName: 'X',
          keystore: join(dir, keystore),
          passwordFile: join(dir, passwordFile),
        })

      await expect(load('alice', 'password')).resolves.toBe(KEY)
      await expect(load('bob', 'empty')).resolves.toBe(KEY)
      await expect(load('alice', 'empty')).rejects.toMatchObject({ code: 'KEYSTORE_PASSWORD_WRONG' })
      await expect(load('alice', 'nowhere')).rejects.toMatchObject({ code: 'KEY_MISSING' })
    })
  })

  it('asks for the password when it can, and says what is missing when it cannot', async () => {
    await withTempDir(async (dir) => {
      await writeKeystore(join(dir, 'alice'), 'geheim')
      const keystore = join(dir, 'alice')
      const askPassword = (what: string) => Promise.resolve(what === keystore ? 'geheim' : 'other')

      await expect(loadPrivateKey({ env: {}, envName: 'X', keystore, askPassword })).resolves.toBe(KEY)
      await expect(loadPrivateKey({ env: {}, envName: 'X', keystore })).rejects.toMatchObject({
        code: 'KEY_MISSING',
        details: { env: 'FLOCK_KEYSTORE_PASSWORD' },
      })
    })
  })

  it.each([0o644, 0o640, 0o604])('refuses a keystore that others can read, mode %s', async (mode) => {
    await withTempDir(async (dir) => {
      const keystore = join(dir, 'alice')
      await writeKeystore(keystore, '')
      await chmod(keystore, mode)

      await expect(loadPrivateKey({ env: {}, envName: 'X', keystore })).rejects.toMatchObject({
        code: 'PERMISSION_TOO_OPEN',
        hint: `chmod 600 ${keystore}`,
      })
    })
  })

  it('says when a keystore is missing, malformed or a folder', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'broken'), '{', { mode: 0o600 })
      await mkdir(join(dir, 'folder'), { mode: 0o700 })
      const load = (name: string) => loadPrivateKey({ env: {}, envName: 'X', keystore: join(dir, name) })

      for (const name of ['nowhere', 'broken', 'folder'])
        await expect(load(name)).rejects.toMatchObject({ code: 'KEYSTORE_INVALID' })
    })
  })
})

describe('keystorePath', () => {
  it('stays in the folder', () => {
    expect(keystorePath('alice', { FLOCK_KEYSTORE_DIR: '/keys' })).toBe(join('/keys', 'alice'))
    for (const name of ['../alice', '..', '.hidden', 'a/b', ''])
      expect(() => keystorePath(name, { FLOCK_KEYSTORE_DIR: '/keys' })).toThrow('is not a name of a keystore')
  })
})

describe('apiKeySources', () => {
  it('reads files from the folder of the project', () =>
    withTempDir(async (dir) => {
      await writeFile(join(dir, 'key'), 'sk-1\n')

      const keys = apiKeySources({ FLOCK_API_KEY: 'sk-2' }, dir)

      expect(keys.readFile('key')).toBe('sk-1\n')
      expect(keys.readFile(join(dir, 'key'))).toBe('sk-1\n')
      expect(keys.env.FLOCK_API_KEY).toBe('sk-2')
      expect(() => keys.readFile('none')).toThrow('ENOENT')
    }))
})
