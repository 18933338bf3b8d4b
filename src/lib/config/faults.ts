import type { BaseIssue } from 'valibot'

/** One thing that is wrong in a project: where, and what was found against what is allowed. */
export interface Fault {
  /** `models[0].price.request`, or the name of an environment variable. */
  readonly path: string
  readonly message: string
  /** Place in the file, from 1, where known. */
  readonly line?: number
  readonly column?: number
}

export type PathSegment = string | number

/** Says a fault of the schema in words; the message of each schema is what it allows. */
export function describeIssue(issue: BaseIssue<unknown>): Fault {
  const path = formatPath(segmentsOf(issue))
  if (isMissingKey(issue)) return { path, message: 'nothing was found; the key is required' }
  if (issue.kind === 'schema' && /object$/.test(issue.type))
    return { path, message: `${found(issue.input)} was found, allowed is a map of keys and values` }
  return { path, message: `${found(issue.input, segmentsOf(issue))} was found, allowed is ${issue.message}` }
}

export function formatPath(segments: readonly PathSegment[]): string {
  return segments.reduce<string>((path, segment) => {
    if (typeof segment === 'number') return `${path}[${segment}]`
    return path === '' ? segment : `${path}.${segment}`
  }, '')
}

/** `models[0].price` back to its segments. */
export function parsePath(path: string): PathSegment[] {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) =>
    index === undefined ? (key ?? '') : Number(index),
  )
}

/** True for keys that the schema does not know; `unknownKeys` finds all of those. */
export function isUnknownKey(issue: BaseIssue<unknown>): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never'
}

function segmentsOf(issue: BaseIssue<unknown>): PathSegment[] {
  return (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)))
}

function isMissingKey(issue: BaseIssue<unknown>): boolean {
  return issue.input === undefined && issue.received === 'undefined'
}

/** Places of keys: what does not fit there may be the key itself. */
const PLACES_OF_KEYS = new Set<PathSegment>(['apiKeyEnv', 'apiKeyFile', 'keyEnv', 'keyHash', 'headers'])
const URLS = new Set<PathSegment>(['baseUrl', 'rpcUrl', 'explorerUrl'])
/** An address without user, path and query; providers put access keys into all of them. */
const BARE_URL = /^(?:\w+:\/\/)?[\w.-]{0,64}(?::\d{1,5})?\/?$/

/** The value as people wrote it; never one that may be a key. */
function found(value: unknown, path: readonly PathSegment[] = []): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  if (mayBeKey(value, path)) return typeof value === 'string' ? '[redacted]' : 'a number'
  const text = typeof value === 'bigint' ? value.toString() : (JSON.stringify(value) ?? 'nothing')
  if (/(?:0x)?[0-9a-fA-F]{64}/.test(text)) return '[redacted]'
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function mayBeKey(value: unknown, path: readonly PathSegment[]): boolean {
  if (value === '' || typeof value === 'boolean') return false
  if (path.some((segment) => PLACES_OF_KEYS.has(segment))) return true
  return path.some((segment) => URLS.has(segment)) && typeof value === 'string' && !BARE_URL.test(value)
}
