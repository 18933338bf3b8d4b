import { readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { FlockError } from '../errors.js'
import { isBytes32 } from '../hex.js'
import type { Hex } from '../hex.js'

export type Env = Readonly<Record<string, string | undefined>>

export interface KeySources {
  readonly env: Env
  /** Variable that holds the key itself, for instance FLOCK_PRIVATE_KEY. */
  readonly envName: string
  /** Name of a keystore in the keystore folder. */
  readonly account?: string | null
  /** A keystore file. */
  readonly keystore?: string | null
  readonly passwordFile?: string | null
  /** Asks a person for the password; null where nobody can be asked. */
  readonly askPassword?: ((what: string) => Promise<string>) | null
}

/** Keys above the order of secp256k1, and zero, are none. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/**
 * Loads a private key: from the keystore that was named, else from the environment.
 * @throws KEY_MISSING, KEY_INVALID, KEYSTORE_INVALID, KEYSTORE_PASSWORD_WRONG, PERMISSION_TOO_OPEN
 */
export async function loadPrivateKey(sources: KeySources): Promise<Hex> {
  const { env, envName, account = null, keystore = null } = sources
  if (keystore !== null) return openKeystore(keystore, keystore, sources)
  if (account !== null) return openKeystore(keystorePath(account, env), `account ${account}`, sources)
  const given = env[envName]
  if (given === undefined || given === '')
    throw new FlockError('KEY_MISSING', `No key to sign with: neither a keystore nor ${envName} is given.`, {
      details: { env: envName, flags: ['--account', '--keystore'] },
      hint: `Set ${envName}, or name a keystore with --account <name>.`,
    })
  return parsePrivateKey(given, envName)
}

/** Reads a private key with or without 0x. The value never appears in the error. @throws KEY_INVALID */
export function parsePrivateKey(text: string, what: string): Hex {
  const trimmed = text.trim()
  const key = trimmed.startsWith('0x') ? trimmed : `0x${trimmed}`
  if (isBytes32(key) && BigInt(key) > 0n && BigInt(key) < CURVE_ORDER) return key.toLowerCase() as Hex
  throw new FlockError('KEY_INVALID', `${what} does not hold a private key.`, {
    details: { source: what },
    hint: 'A private key is 32 bytes: 64 hexadecimal digits, with or without 0x.',
  })
}

/** The folder with keystores: FLOCK_KEYSTORE_DIR, else the one that Foundry uses. */
export function keystoreDir(env: Env): string {
  return env.FLOCK_KEYSTORE_DIR ?? join(homedir(), '.foundry', 'keystores')
}

/** @throws KEYSTORE_INVALID for a name that leads out of the folder */
export function keystorePath(account: string, env: Env): string {
  if (/^[\w.@-]+$/.test(account) && !account.startsWith('.')) return join(keystoreDir(env), account)
  throw new FlockError('KEYSTORE_INVALID', `"${account}" is not a name of a keystore.`, {
    hint: 'Name a file elsewhere with --keystore <file>.',
  })
}

async function openKeystore(path: string, what: string, sources: KeySources): Promise<Hex> {
  const text = await readSecretFile(path, 'KEYSTORE_INVALID')
  // scrypt is node's own, but the schema and the hash are not loaded before a keystore is opened.
  const { decryptKeystore, parseKeystore } = await import('./keystore.js')
  const keystore = parseKeystore(text, path)
  return decryptKeystore(keystore, await passwordFor(what, sources), what)
}

async function passwordFor(what: string, sources: KeySources): Promise<string> {
  const { env, passwordFile, askPassword } = sources
  if (passwordFile !== null && passwordFile !== undefined) {
    const text = await readSecretFile(passwordFile, 'KEY_MISSING')
    return text.split(/\r?\n/, 1)[0] ?? ''
  }
  // An empty password is a password: only an unset variable means that none was given.
  if (env.FLOCK_KEYSTORE_PASSWORD !== undefined) return env.FLOCK_KEYSTORE_PASSWORD
  if (askPassword) return askPassword(what)
  throw new FlockError('KEY_MISSING', `The password of ${what} is missing.`, {
    details: { env: 'FLOCK_KEYSTORE_PASSWORD', flags: ['--password-file'] },
    hint: 'Name a file with --password-file, or set FLOCK_KEYSTORE_PASSWORD.',
  })
}

/** Reads a file with a secret; one that others can read is refused. @throws PERMISSION_TOO_OPEN, or `missingCode` */
async function readSecretFile(
  path: string,
  missingCode: 'KEYSTORE_INVALID' | 'KEY_MISSING',
): Promise<string> {
  try {
    const { mode, uid } = await stat(path)
    // What root hands to a service, as credentials of systemd and secrets of Kubernetes are, its group may read.
    const refused = uid === 0 && process.getuid?.() !== 0 ? 0o037 : 0o077
    if (process.platform !== 'win32' && (mode & refused) !== 0)
      throw new FlockError('PERMISSION_TOO_OPEN', `${path} can be read by others (mode ${octal(mode)}).`, {
        details: { file: path, mode: octal(mode) },
        hint: `chmod 600 ${path}`,
      })
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof FlockError) throw error
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const message = isMissing ? `There is no file ${path}.` : `${path} cannot be read.`
    throw new FlockError(missingCode, message, { cause: error, details: { file: path } })
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}

/** Where the API keys of model hosts are looked up: the environment, and files named from the project's folder. */
export function apiKeySources(
  env: Env,
  dir: string,
): { readonly env: Env; readonly readFile: (path: string) => string } {
  return { env, readFile: (path) => readFileSync(resolve(dir, path), 'utf8') }
}
