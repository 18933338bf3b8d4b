import type { BaseIssue, GenericSchema } from 'valibot'

export interface NodeConfigFault {
  readonly path: string
  readonly found: string
  readonly allowed: string
}

/** A key that was read differently from how it is written, or not at all. */
export interface NodeConfigWarning {
  readonly path: string
  readonly message: string
}

/** Keys of other versions and tools (infernet.md 5.3), and what becomes of them. */
const FORMER_KEYS: Readonly<Record<string, string>> = {
  log_path: 'ignored; since 1.1.0 it is log.path',
  snapshot_sync: 'ignored; since 1.0.0 it is chain.snapshot_sync',
  coordinator_address: 'ignored; the coordinator is read from chain.registry_address',
  'chain.coordinator_address': 'ignored; the coordinator is read from chain.registry_address',
  'chain.rpc_ws': 'ignored; chain.rpc_url takes a WebSocket as well',
  'chain.payment_address': 'ignored, so payments are off; it belongs to chain.wallet.payment_address',
  'chain.allowed_sim_errors': 'ignored; it belongs to chain.wallet.allowed_sim_errors',
  'containers[].rate_limit': 'ignored; limits are per server, in server.rate_limit',
}

const SECONDS = ['startup_wait', 'chain.snapshot_sync.sleep', 'chain.snapshot_sync.sync_period'] as const
/** From here on, a number of seconds is taken for milliseconds. */
export const MILLISECONDS_FROM = 100

/** What the reader of a valid configuration should know about it: keys that are ignored, units that were converted. */
export function nodeConfigNotes(schema: GenericSchema, input: unknown): NodeConfigWarning[] {
  const ignored = [...unknownKeys(schema, input, '')].map((path) => ({
    path,
    message: FORMER_KEYS[path.replace(/\[\d+\]/g, '[]')] ?? 'ignored; there is no such key',
  }))
  const converted = SECONDS.flatMap((path) => {
    const found = path
      .split('.')
      .reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), input)
    const value = Number(found ?? 0)
    return value >= MILLISECONDS_FROM
      ? [{ path, message: `${value} is taken for milliseconds, that is ${value / 1000} seconds` }]
      : []
  })
  return [...ignored, ...converted]
}

type AnySchema = GenericSchema & {
  readonly wrapped?: AnySchema
  readonly pipe?: readonly AnySchema[]
  readonly entries?: Readonly<Record<string, AnySchema>>
  readonly item?: AnySchema
}

function* unknownKeys(schema: AnySchema, value: unknown, path: string): Generator<string> {
  const [first, second] = schema.pipe ?? []
  if (first && second && first.type === 'custom') yield* unknownKeys(second, value, path)
  else if (schema.wrapped) yield* unknownKeys(schema.wrapped, value, path)
  else if (schema.entries && isRecord(value)) {
    for (const [key, item] of Object.entries(value)) {
      const at = path === '' ? key : `${path}.${key}`
      const entry = Object.hasOwn(schema.entries, key) ? schema.entries[key] : undefined
      if (entry) yield* unknownKeys(entry, item, at)
      else yield at
    }
  } else if (schema.item && Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* unknownKeys(schema.item, item, `${path}[${index}]`)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const SECRET = /(^|\.)(private_key|password|bearer|rpc_url|url)$|(^|\.)fallback_rpc_urls|\.env(\.|$)/

/** One fault of a configuration that was refused; values of keys that hold secrets are not shown. */
export function nodeConfigFault(issue: BaseIssue<unknown>, input: unknown): NodeConfigFault {
  const items = issue.path ?? []
  const path = items.reduce((before, { key }) => {
    if (typeof key === 'number') return `${before}[${key}]`
    return before === '' ? String(key) : `${before}.${String(key)}`
  }, '')
  const last = items.at(-1)
  const found = last?.origin === 'key' ? last.key : valueAt(input, items)
  const shown = SECRET.test(path) && found !== undefined ? '[redacted]' : describe(found)
  return { path: path === '' ? 'the file' : path, found: shown, allowed: issue.message }
}

function valueAt(input: unknown, items: readonly { key: unknown }[]): unknown {
  return items.reduce<unknown>(
    (value, { key }) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key as string],
    input,
  )
}

/** What was found, short enough for a line; what looks like a key is not shown wherever it stands. */
function describe(found: unknown): string {
  if (found === undefined) return 'nothing'
  if (Array.isArray(found)) return 'a list'
  if (typeof found === 'object' && found !== null) return 'an object'
  const shown = typeof found === 'bigint' ? `${found}` : JSON.stringify(found)
  if (/[0-9a-fA-F]{64}/.test(shown)) return '[redacted]'
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown
}
