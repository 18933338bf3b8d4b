/** Reads the node's configuration file. */
import { readFile, stat } from 'node:fs/promises'
import { FlockError, messageOf } from '../errors.js'
import type { Environment } from '../infernet/node-config-variables.js'
import { parseNodeConfig, type NodeConfig } from '../infernet/node-config.js'
import { parseJson } from '../json.js'

/** What is to be known of a configuration that was read. `code` is for programs. */
export interface NodeConfigNotice {
  readonly code: 'NODE_CONFIG_KEY_IGNORED' | 'NODE_CONFIG_OPEN' | 'SIMULATION_ERRORS_NOT_ALLOWED'
  readonly message: string
}

export interface NodeConfigOverrides {
  readonly rpcUrl?: string | undefined
  /** Asked when the first endpoint is not well. */
  readonly fallbackRpcUrls?: readonly string[] | undefined
  /** Of the REST face. */
  readonly port?: number | undefined
  /** What "${NAME}" in the file stands for. */
  readonly env?: Environment
}

export interface LoadedNodeConfig {
  readonly config: NodeConfig
  readonly notices: readonly NodeConfigNotice[]
  /** Values that must not be shown. */
  readonly secrets: readonly string[]
}

/**
 * Reads a `config.json` of the reference node, with what the command line says laid over it.
 * @throws NODE_CONFIG_INVALID
 */
export async function loadNodeConfig(
  path: string,
  { rpcUrl, fallbackRpcUrls, port, env = {} }: NodeConfigOverrides = {},
): Promise<LoadedNodeConfig> {
  const written = overlay(parseFile(await readText(path), path), {
    ...(rpcUrl !== undefined && { rpc_url: rpcUrl }),
    ...(fallbackRpcUrls !== undefined && { fallback_rpc_urls: fallbackRpcUrls }),
  })
  const { config: read, warnings } = parseNodeConfig(written, path, env)
  const config = port === undefined ? read : { ...read, server: { ...read.server, port } }
  const ignored = warnings.map(({ path: key, message }) => ({
    code: 'NODE_CONFIG_KEY_IGNORED' as const,
    message: `${path}, ${key}: ${message}`,
  }))
  return {
    config,
    secrets: secretsOf(config),
    notices: [...ignored, ...noticesOf(config, path), ...(await openFileNotice(config, path))],
  }
}

function parseFile(text: string, path: string): unknown {
  try {
    return parseJson(text, path)
  } catch (error) {
    throw new FlockError('NODE_CONFIG_INVALID', messageOf(error), { cause: error, details: { file: path } })
  }
}

function overlay(input: unknown, chain: object): unknown {
  if (Object.keys(chain).length === 0 || !isObject(input)) return input
  return { ...input, chain: { ...(isObject(input.chain) ? input.chain : {}), ...chain } }
}

function secretsOf({ docker, chain, containers }: NodeConfig): string[] {
  const values = [
    docker?.password,
    chain.wallet?.private_key,
    ...containers.flatMap(({ bearer, env }) => [bearer, ...Object.values(env)]),
  ]
  return values.filter((value): value is string => typeof value === 'string' && value !== '')
}

function noticesOf(config: NodeConfig, path: string): NodeConfigNotice[] {
  const notices: NodeConfigNotice[] = []
  if (config.chain.wallet !== null && config.chain.wallet.allowed_sim_errors.length > 0)
    notices.push({
      code: 'SIMULATION_ERRORS_NOT_ALLOWED',
      message: `${path}, chain.wallet.allowed_sim_errors: this node sends nothing that fails in simulation.`,
    })
  return notices
}

async function openFileNotice({ chain }: NodeConfig, path: string): Promise<NodeConfigNotice[]> {
  if (!chain.wallet?.private_key || process.platform === 'win32') return []
  const { mode } = await stat(path)
  if ((mode & 0o077) === 0) return []
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  return [
    {
      code: 'NODE_CONFIG_OPEN',
      message: `${path} holds a private key and can be read by others (mode ${octal}): chmod 600 ${path}`,
    },
  ]
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new FlockError(
      'NODE_CONFIG_INVALID',
      isMissing ? `There is no node configuration ${path}.` : `${path} cannot be read: ${messageOf(error)}.`,
      {
        cause: error,
        details: { file: path },
        hint: 'flock init writes one. Name another with --node-config <file>.',
      },
    )
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
