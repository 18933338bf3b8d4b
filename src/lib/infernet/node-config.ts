import { isIP } from 'node:net'
import { stringify } from 'lossless-json'
import * as v from 'valibot'
import { FlockError } from '../errors.js'
import { isAddress, parseAddress, type Address, type Hex } from '../hex.js'
import { ruleFaults } from './node-config-rules.js'
import { fillVariables, type Environment } from './node-config-variables.js'
import {
  MILLISECONDS_FROM,
  nodeConfigFault,
  nodeConfigNotes,
  type NodeConfigWarning,
} from './node-config-notes.js'

const MAX_UINT32 = 2 ** 32 - 1
/** Blocks that a transaction may wait: a pool brings one that offers enough into the first or second. */
export const REPLACE_AFTER_BLOCKS = 3

/** A value of the file: what is allowed, and how it is read. `undefined` from `read` is a fault. */
function field<T>(allowed: string, read: (found: unknown) => T | undefined) {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value)
      if (value !== undefined) return value
      addIssue({ message: allowed })
      return NEVER
    }),
  )
}

/** Files in the field write numbers as text as well, and the reference reads both. */
function numberOf(found: unknown): number | undefined {
  if (typeof found === 'number') return found
  return typeof found === 'string' && /^\s*-?\d+(\.\d+)?\s*$/.test(found) ? Number(found) : undefined
}

function integer(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const upTo = max === Number.MAX_SAFE_INTEGER ? 'or more' : `to ${max}`
  return field(`an integer, ${min} ${upTo}`, (found) => {
    const value = numberOf(found)
    return value !== undefined && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : undefined
  })
}

const seconds = field('seconds, 0 or more', (found) => {
  const value = numberOf(found)
  if (value === undefined || value < 0) return undefined
  return value >= MILLISECONDS_FROM ? value / 1000 : value
})

const text = field('a text', (found) => (typeof found === 'string' ? found : undefined))
const required = field('a text that is not empty', (found) =>
  typeof found === 'string' && found !== '' ? found : undefined,
)
const flag = field('true or false', (found) => (typeof found === 'boolean' ? found : undefined))
const address = field('an Ethereum address', (found) =>
  isAddress(found) ? parseAddress(found, 'address') : undefined,
)
/** An empty text stands for "none" wherever the reference tests for truth. */
const addressOrNone = field<Address | null>('an Ethereum address, or nothing', (found) => {
  if (found === null || found === '') return null
  return isAddress(found) ? parseAddress(found, 'address') : undefined
})
const privateKeyOrNone = field<Hex | null>(
  'a private key of 32 bytes in hexadecimal, or nothing',
  (found) => {
    if (found === null || found === '') return null
    const digits = typeof found === 'string' ? /^(?:0x)?([0-9a-fA-F]{64})$/.exec(found)?.[1] : undefined
    return digits === undefined ? undefined : `0x${digits.toLowerCase()}`
  },
)

function isHttpUrl(found: unknown): found is string {
  return typeof found === 'string' && /^https?:\/\//i.test(found) && URL.canParse(found)
}

function isRpcUrl(found: unknown): found is string {
  return isHttpUrl(found) || (typeof found === 'string' && /^wss?:\/\//i.test(found) && URL.canParse(found))
}

const rpcUrlOrNone = field<string | null>('an http, https, ws or wss URL, or nothing', (found) =>
  found === null || found === '' ? null : isRpcUrl(found) ? found : undefined,
)
const rpcUrl = field('an http, https, ws or wss URL', (found) => (isRpcUrl(found) ? found : undefined))
const serviceUrl = field('an http or https URL, or an empty text', (found) =>
  found === '' || isHttpUrl(found) ? found : undefined,
)
const containerId = field('a text without commas, unique among the containers', (found) =>
  typeof found === 'string' && found !== '' && !found.includes(',') ? found : undefined,
)
const ipRange = field('an IPv4 or IPv6 address or CIDR block', (found) => {
  const [ip = '', prefix, ...rest] = typeof found === 'string' ? found.split('/') : []
  const bits = isIP(ip) === 6 ? 128 : 32
  const isRange = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  return isIP(ip) !== 0 && isRange && rest.length === 0 ? (found as string) : undefined
})
/** Base units; above 2^53 as JSON integers or as text. */
const baseUnits = field('an integer in base units, 0 or more', (found) => {
  if (typeof found === 'bigint') return found >= 0n ? found : undefined
  if (typeof found === 'number') return Number.isSafeInteger(found) && found >= 0 ? BigInt(found) : undefined
  return typeof found === 'string' && /^\d+$/.test(found) ? BigInt(found) : undefined
})
const baseUnitsOrNone = v.nullable(baseUnits)
const scalar = field<string | number | boolean>('a text, number or boolean', (found) => {
  if (typeof found === 'bigint') return found.toString()
  return typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean'
    ? found
    : undefined
})
const addressKey = v.pipe(
  v.string('an Ethereum address'),
  v.check((key: string) => isAddress(key), 'an Ethereum address'),
  v.transform((key) => parseAddress(key, 'address')),
)

/** An object and not a list, which `v.object` would take as well. */
const anyObject = v.custom<Record<string, unknown>>(
  (found) => typeof found === 'object' && found !== null && !Array.isArray(found),
  'an object',
)

function section<const T extends v.ObjectEntries>(entries: T) {
  return v.pipe(anyObject, v.object(entries))
}

const payments = v.pipe(
  anyObject,
  v.check(
    (found) => new Set(Object.keys(found).map((key) => key.toLowerCase())).size === Object.keys(found).length,
    'each payment token once, in whatever casing',
  ),
  v.record(addressKey, baseUnits),
)

const walletSchema = section({
  private_key: v.optional(privateKeyOrNone, null),
  max_gas_limit: v.optional(integer(21_000), 5_000_000),
  payment_address: v.optional(addressOrNone, null),
  allowed_sim_errors: v.optional(v.array(text, 'a list'), []),
  /** Not of the reference node, which ignores it. */
  finalize_expired_proofs: v.optional(flag, false),
  // Keys of this node alone; the reference reads none of them.
  max_fee_per_gas: v.optional(baseUnitsOrNone, null),
  priority_fee_per_gas: v.optional(baseUnitsOrNone, null),
  replace_after_blocks: v.optional(integer(1), REPLACE_AFTER_BLOCKS),
  min_profit: v.optional(baseUnitsOrNone, null),
})

const containerSchema = section({
  id: v.optional(containerId, ''),
  image: v.optional(text, ''),
  url: v.optional(serviceUrl, ''),
  bearer: v.optional(text, ''),
  port: v.optional(integer(1, 65_535), 3000),
  external: v.optional(flag, true),
  gpu: v.optional(flag, false),
  accepted_payments: v.optional(payments, {}),
  allowed_ips: v.optional(v.array(ipRange, 'a list'), []),
  allowed_addresses: v.optional(v.array(address, 'a list'), []),
  allowed_delegate_addresses: v.optional(v.array(address, 'a list'), []),
  description: v.optional(text, ''),
  command: v.optional(text, ''),
  env: v.optional(v.pipe(anyObject, v.record(v.string(), scalar)), {}),
  generates_proofs: v.optional(flag, false),
  volumes: v.optional(v.array(text, 'a list'), []),
})

const schema = section({
  manage_containers: v.optional(flag, true),
  startup_wait: v.optional(seconds, 5),
  forward_stats: v.optional(flag, true),
  log: v.optional(
    section({
      path: v.optional(text, 'infernet_node.log'),
      max_file_size: v.optional(integer(0), 1_073_741_824),
      backup_count: v.optional(integer(0), 2),
    }),
    {},
  ),
  server: v.optional(
    section({
      port: v.optional(integer(0, 65_535), 4000),
      rate_limit: v.optional(
        section({ num_requests: v.optional(integer(1), 60), period: v.optional(integer(1), 60) }),
        {},
      ),
    }),
    {},
  ),
  redis: v.optional(
    section({ host: v.optional(text, 'redis'), port: v.optional(integer(1, 65_535), 6379) }),
    {},
  ),
  docker: v.nullish(
    section({ username: v.optional(required, ''), password: v.optional(required, '') }),
    null,
  ),
  chain: v.optional(
    section({
      enabled: v.optional(flag, false),
      rpc_url: v.optional(rpcUrlOrNone, null),
      // Both are of this node alone: the reference ignores them.
      fallback_rpc_urls: v.optional(v.array(rpcUrl, 'a list'), []),
      max_rpc_requests_per_second: v.nullish(integer(1), null),
      registry_address: v.optional(addressOrNone, null),
      trail_head_blocks: v.optional(integer(0), 1),
      wallet: v.nullish(walletSchema, null),
      snapshot_sync: v.optional(
        section({
          sleep: v.optional(seconds, 1),
          batch_size: v.optional(integer(1), 500),
          starting_sub_id: v.optional(integer(0, MAX_UINT32), 0),
          sync_period: v.optional(seconds, 0.5),
        }),
        {},
      ),
    }),
    {},
  ),
  containers: v.optional(v.array(containerSchema, 'a list'), []),
})

/** The reference node's `config.json`, version 1.4.0. Keys keep the file's spelling. */
export type NodeConfig = v.InferOutput<typeof schema>
export type NodeContainer = NodeConfig['containers'][number]

/**
 * Reads the parsed JSON of a node configuration: defaults, the reference's coercions, then rules across keys.
 *
 * The reference also wants the wallet and its key in the file; here the key may come from elsewhere, so both may be absent.
 * @param written what `parseJson` gave, so that payments above 2^53 are exact
 * @param env what "${NAME}" stands for where a value is secret
 * @throws NODE_CONFIG_INVALID with all faults at once; secrets are not shown
 * @see infernet.md 5.1 and 5.3
 */
export function parseNodeConfig(
  written: unknown,
  source = 'config.json',
  env: Environment = {},
): { config: NodeConfig; warnings: NodeConfigWarning[] } {
  const { input, faults: unset } = fillVariables(written, env)
  const result = v.safeParse(schema, input)
  const faultOf = (issue: v.BaseIssue<unknown>) => nodeConfigFault(issue, input)
  const faults = [
    ...unset,
    // What is not set is no value either.
    ...(result.issues ?? []).map(faultOf).filter(({ path }) => !unset.some((fault) => fault.path === path)),
    ...ruleFaults(result.output),
  ]
  if (faults.length === 0 && result.success)
    return { config: result.output, warnings: nodeConfigNotes(schema, input) }
  const lines = faults.map(({ path, found, allowed }) => `${path}: found ${found}, allowed ${allowed}`)
  throw new FlockError('NODE_CONFIG_INVALID', `${source} is not valid.\n${lines.join('\n')}`, {
    details: { source, faults },
  })
}

/**
 * The file's text, every key written out. `parseNodeConfig` of it gives the same configuration without the private key,
 * which is written only when handed in. Amounts above 2^53 are JSON integers.
 */
export function renderNodeConfig(config: NodeConfig, secrets: { privateKey?: Hex } = {}): string {
  const { docker, chain, ...rest } = config
  const { wallet, rpc_url, fallback_rpc_urls, max_rpc_requests_per_second, registry_address } = chain
  const file = {
    ...rest,
    ...(docker && { docker }),
    chain: {
      enabled: chain.enabled,
      ...(rpc_url !== null && { rpc_url }),
      ...(fallback_rpc_urls.length > 0 && { fallback_rpc_urls }),
      ...(max_rpc_requests_per_second !== null && { max_rpc_requests_per_second }),
      ...(registry_address !== null && { registry_address }),
      trail_head_blocks: chain.trail_head_blocks,
      ...(wallet && { wallet: renderWallet(wallet, secrets.privateKey) }),
      snapshot_sync: chain.snapshot_sync,
    },
    containers: config.containers,
  }
  return `${stringify(file, null, 2)}\n`
}

function renderWallet(wallet: NonNullable<NodeConfig['chain']['wallet']>, privateKey: Hex | undefined) {
  return {
    ...(privateKey !== undefined && { private_key: privateKey }),
    max_gas_limit: wallet.max_gas_limit,
    ...(wallet.payment_address !== null && { payment_address: wallet.payment_address }),
    allowed_sim_errors: wallet.allowed_sim_errors,
    ...(wallet.finalize_expired_proofs && { finalize_expired_proofs: true }),
    ...(wallet.max_fee_per_gas !== null && { max_fee_per_gas: wallet.max_fee_per_gas }),
    ...(wallet.priority_fee_per_gas !== null && { priority_fee_per_gas: wallet.priority_fee_per_gas }),
    ...(wallet.replace_after_blocks !== REPLACE_AFTER_BLOCKS && {
      replace_after_blocks: wallet.replace_after_blocks,
    }),
    ...(wallet.min_profit !== null && { min_profit: wallet.min_profit }),
  }
}
