import * as v from 'valibot'
import { describeIssue, isUnknownKey } from './faults.js'
import type { Fault } from './faults.js'
import { integer, line, orNull, slug, variable } from './fields.js'
import { modelSchema } from './model-schema.js'
import type { ModelConfig } from './model-schema.js'
import { incompleteNetworks, mergeNetworks, networkEntry } from './network-entries.js'
import { DEFAULT_NETWORK } from './networks.js'
import type { NetworkConfig } from './networks.js'
import { unknownKeys } from './unknown-keys.js'

const NODE_DEFAULTS = { config: 'node/config.json' }

const ANSWER_DEFAULTS = { dir: '.flock/answers', fsync: 'always', keepDays: 30 } as const

/** Where paid answers and their receipts are kept, so that none is made twice. */
const answers = v.optional(
  v.strictObject({
    dir: v.optional(line('a path'), ANSWER_DEFAULTS.dir),
    fsync: v.optional(
      v.picklist(['always', 'interval', 'off'], 'always, interval or off'),
      ANSWER_DEFAULTS.fsync,
    ),
    keepDays: v.optional(integer(1, 3_650), ANSWER_DEFAULTS.keepDays),
  }),
  ANSWER_DEFAULTS,
)

/** Somebody who may use the OpenAI-compatible routes. */
const client = v.strictObject({
  name: slug,
  keyHash: orNull(
    v.pipe(
      v.string('sha256: and 64 hexadecimal digits'),
      v.regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hexadecimal digits in lower case'),
    ),
  ),
  keyEnv: orNull(variable),
  models: orNull(v.array(slug, 'a list of model names')),
  requestsPerMinute: orNull(integer(1, 1_000_000_000)),
  tokensPerMinute: orNull(integer(1, 1_000_000_000)),
  maxConcurrent: orNull(integer(1, 1_000_000)),
})

const SERVICE_DEFAULTS = {
  host: '127.0.0.1',
  port: 3000,
  maxBodyBytes: 1_048_576,
  answers: ANSWER_DEFAULTS,
  stockTasks: true,
  usageDir: '.flock/usage',
}

const service = v.optional(
  v.strictObject({
    host: v.optional(line('a host name or IP address'), SERVICE_DEFAULTS.host),
    port: v.optional(integer(0, 65_535), SERVICE_DEFAULTS.port),
    maxBodyBytes: v.optional(integer(1024, 1_073_741_824), SERVICE_DEFAULTS.maxBodyBytes),
    answers,
    stockTasks: v.optional(v.boolean('true or false'), SERVICE_DEFAULTS.stockTasks),
    usageDir: v.optional(line('a path'), SERVICE_DEFAULTS.usageDir),
    clients: v.optional(v.array(client, 'a list of clients'), () => []),
  }),
  () => ({ ...SERVICE_DEFAULTS, clients: [] }),
)

const node = v.optional(
  v.strictObject({ config: v.optional(line('a path'), NODE_DEFAULTS.config) }),
  NODE_DEFAULTS,
)

/** The one definition of flock.yaml. */
const configFile = v.strictObject({
  name: slug,
  network: v.optional(line('the name of a network'), DEFAULT_NETWORK),
  networks: v.optional(v.record(slug, networkEntry, 'networks by name'), {}),
  models: v.optional(v.array(modelSchema, 'a list of models'), []),
  service,
  node,
})

export type ClientConfig = v.InferOutput<typeof client>
export type ServiceConfig = v.InferOutput<typeof service>
export type NodeSettings = v.InferOutput<typeof node>

/** A project: flock.yaml with defaults filled in and its networks laid over the presets. */
export interface FlockConfig {
  readonly name: string
  readonly network: string
  readonly networks: Readonly<Record<string, NetworkConfig>>
  readonly models: readonly ModelConfig[]
  readonly service: ServiceConfig
  readonly node: NodeSettings
}

export type Validation =
  | { readonly config: FlockConfig; readonly faults: readonly [] }
  | { readonly config: null; readonly faults: readonly Fault[] }

/** Checks the shape of a project, fills in defaults and finds every fault; cross-field rules are in `rules.ts`. */
export function validateConfig(input: unknown): Validation {
  const result = v.safeParse(configFile, input)
  const issues = result.success ? [] : result.issues.filter((issue) => !isUnknownKey(issue))
  const faults = [
    ...issues.map((issue) => describeIssue(issue)),
    ...unknownKeys(configFile, input),
    ...incompleteNetworks(networksOf(input)),
  ]
  if (!result.success || faults.length > 0) return { config: null, faults }
  const { networks, ...rest } = result.output
  return { config: { ...rest, networks: mergeNetworks(networks) }, faults: [] }
}

function networksOf(input: unknown): Record<string, unknown> {
  const networks = input !== null && typeof input === 'object' && 'networks' in input ? input.networks : null
  return networks !== null && typeof networks === 'object' ? { ...networks } : {}
}
