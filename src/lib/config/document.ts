import { isMap, isNode, isScalar, isSeq, LineCounter, Pair, parseDocument, Document } from 'yaml'
import type { Node, Tags } from 'yaml'
import { FlockError } from '../errors.js'
import { parsePath } from './faults.js'
import type { Fault, PathSegment } from './faults.js'
import { HOST_DEFAULTS } from './model-schema.js'
import type { HostConfig } from './model-schema.js'
import { NETWORK_PRESETS } from './networks.js'
import type { NetworkConfig } from './networks.js'
import { checkRules } from './rules.js'
import { validateConfig } from './schema.js'
import type { FlockConfig } from './schema.js'

/** A value that stands over one of the file, for instance from the environment or a flag. */
export interface Override {
  readonly path: readonly PathSegment[]
  readonly value: unknown
  /** Named in faults: the environment variable or flag. */
  readonly source: string
}

export interface ParseOptions {
  /** Named in errors. */
  readonly file?: string
  readonly overrides?: readonly Override[]
  /** Fills in what is missing before the project is checked; sees values that nobody has checked. */
  readonly complete?: (value: unknown) => unknown
}

/**
 * Reads a project from YAML text: parse, overrides, completion, defaults, rules.
 * @throws CONFIG_UNREADABLE when it is not YAML, CONFIG_INVALID with every fault in `details.faults`
 */
export function parseConfig(text: string, options: ParseOptions = {}): FlockConfig {
  const { file = 'flock.yaml', overrides = [], complete = (value: unknown) => value } = options
  const source = readYaml(text, file)
  const { config, faults } = validateConfig(complete(withOverrides(source.value, overrides)))
  const all = config === null ? faults : checkRules(config)
  if (config === null || all.length > 0)
    throw invalidError(file, all.map((fault) => place(fault, source, overrides)).sort(byPlace))
  return config
}

/** A project as it is written, with overrides and nothing checked, for those who complete it. @throws CONFIG_UNREADABLE */
export function readDraft(text: string, { file = 'flock.yaml', overrides = [] }: ParseOptions = {}): unknown {
  return withOverrides(readYaml(text, file).value, overrides)
}

interface YamlSource {
  readonly value: unknown
  readonly document: Document.Parsed
  readonly lines: LineCounter
}

function readYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    customTags: withoutHexNumbers,
  })
  if (document.errors.length > 0) throw notYamlError(file, document.errors, lines)
  try {
    return { value: document.toJS() ?? {}, document, lines }
  } catch (error) {
    // Aliases that unfold into more than a project can hold.
    throw new FlockError('CONFIG_UNREADABLE', `${file} cannot be unfolded.`, {
      cause: error,
      details: { file },
    })
  }
}

function withOverrides(written: unknown, overrides: readonly Override[]): unknown {
  return overrides.filter((item) => isMeant(item, written)).reduce(applyOverride, written)
}

/** YAML reads 0x... as a number; here it is an address. */
function withoutHexNumbers(tags: Tags): Tags {
  return tags.filter((tag) => typeof tag === 'string' || tag.format !== 'HEX')
}

function notYamlError(
  file: string,
  errors: readonly { message: string; pos: [number, number] }[],
  lines: LineCounter,
): FlockError {
  const faults = errors.map(({ message, pos }) => {
    const { line, col } = lines.linePos(pos[0])
    return { path: '', message, line, column: col }
  })
  return new FlockError('CONFIG_UNREADABLE', `${file} is not YAML.`, { details: { file, faults } })
}

function invalidError(file: string, faults: readonly Fault[]): FlockError {
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`
  return new FlockError('CONFIG_INVALID', `${file} has ${count}.`, {
    details: { file, faults },
    hint: `Mend ${file} at the places named and run the command again.`,
  })
}

/** An RPC URL for a network that this project does not have is meant for another project. */
function isMeant({ path }: Override, written: unknown): boolean {
  const [head, name] = path
  if (head !== 'networks' || typeof name !== 'string' || name in NETWORK_PRESETS) return true
  const { networks } = (written ?? {}) as { networks?: unknown }
  return networks !== null && typeof networks === 'object' && name in networks
}

function applyOverride(value: unknown, { path, value: given }: Pick<Override, 'path' | 'value'>): unknown {
  const [head, ...rest] = path
  if (head === undefined) return given
  const below = (inner: unknown) => applyOverride(inner, { path: rest, value: given })
  if (typeof head === 'number') {
    const list: unknown[] = Array.isArray(value) ? [...(value as unknown[])] : []
    list[head] = below(list[head])
    return list
  }
  const base = value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
  return { ...base, [head]: below((base as Record<string, unknown>)[head]) }
}

/** Adds line and column, or names the variable that the value came from. */
function place(fault: Fault, { document, lines }: YamlSource, overrides: readonly Override[]): Fault {
  const segments = parsePath(fault.path)
  const override = overrides.find(({ path }) => path.every((segment, index) => segment === segments[index]))
  if (override) return { path: `${override.source} (${fault.path})`, message: fault.message }
  const offset = offsetOf(document.contents, segments)
  if (offset === null) return fault
  const { line, col } = lines.linePos(offset)
  return { ...fault, line, column: col }
}

/** In the order of the file; what is not in the file comes first. */
function byPlace(a: Fault, b: Fault): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}

/** Where the key or element of a path begins; for what is missing, where the nearest thing around it begins. */
function offsetOf(contents: unknown, segments: readonly PathSegment[]): number | null {
  let node: unknown = contents
  let offset = isNode(node) ? startOf(node) : null
  for (const segment of segments) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment))
      if (!pair) return offset
      offset = startOf(pair.key as Node) ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof segment === 'number') {
      node = node.items[segment]
      offset = (isNode(node) ? startOf(node) : null) ?? offset
    } else return offset
  }
  return offset
}

function startOf(node: Node): number | null {
  return node.range?.[0] ?? null
}

/** Writes a project as commented YAML; `parseConfig` of it gives the same project back. Presets are left out. */
export function renderConfig(config: FlockConfig): string {
  const { name, network, networks, models, service, node } = config
  const entries = Object.entries(networks).flatMap(([key, value]) => {
    const entry = networkEntry(key, value)
    return entry === null ? [] : [[key, entry] as const]
  })
  const document = new Document({
    name,
    network,
    ...(entries.length === 0 ? {} : { networks: Object.fromEntries(entries) }),
    models: models.map((model) => ({ ...model, hosts: model.hosts.map(withoutDefaults) })),
    service,
    node,
  })
  document.commentBefore =
    ' A FLock model host. Secrets never stand here: keys come from the environment or a keystore.'
  for (const [key, comment] of Object.entries(COMMENTS)) describe(document, key, comment)
  return document.toString({ lineWidth: 0, defaultStringType: 'PLAIN', defaultKeyType: 'PLAIN' })
}

/** A host has many settings, of which most stay as they are. */
function withoutDefaults(host: HostConfig): Partial<HostConfig> {
  const defaults: Readonly<Record<string, unknown>> = HOST_DEFAULTS
  return Object.fromEntries(
    Object.entries(host).filter(
      ([key, value]) => !(key in defaults) || JSON.stringify(value) !== JSON.stringify(defaults[key]),
    ),
  )
}

const COMMENTS: Readonly<Record<string, string>> = {
  network: ' Used when no --network is given. Presets: local, base-sepolia, base, ethereum.',
  networks: ' Changes to presets, and networks of your own.',
  models: ' Prices are in whole tokens of the payment token; shares in parts per million of the fee.',
  service: ' Where `flock workflow serve` listens.',
  node: ' The configuration of the Infernet node.',
}

function describe(document: Document, key: string, comment: string): void {
  if (!isMap(document.contents)) return
  const pair = document.contents.items.find((item) => item instanceof Pair && keyOf(item) === key)
  if (pair && isNode(pair.key)) {
    pair.key.commentBefore = comment
    pair.key.spaceBefore = true
  }
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key)
}

/** What differs from the preset of that name; null for an unchanged preset. */
function networkEntry(name: string, network: NetworkConfig): Partial<NetworkConfig> | null {
  const preset = NETWORK_PRESETS[name]
  const changed = Object.entries(network).filter(
    ([key, value]) =>
      key !== 'name' && (preset === undefined || preset[key as keyof NetworkConfig] !== value),
  )
  return changed.length === 0 ? null : Object.fromEntries(changed)
}
