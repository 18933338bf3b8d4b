import * as v from 'valibot'
import { isAddress, parseAddress } from '../hex.js'
import type { Address } from '../hex.js'
import { isVariableName } from '../variable-name.js'
import { describeIssue, isUnknownKey } from './faults.js'
import type { Fault } from './faults.js'
import { DEFAULT_NETWORK, NETWORK_PRESETS } from './networks.js'
import type { NetworkConfig } from './networks.js'
import { unknownKeys } from './unknown-keys.js'

/** The largest number that the contracts keep for token caps and weights. */
const UINT32_MAX = 4_294_967_295
const PPM = 1_000_000

const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/

// Messages say what is allowed; what was found is added from the value itself.
const slug = v.pipe(
  v.string('a name in lower case, digits and dashes'),
  v.regex(SLUG, 'a name in lower case, digits and dashes'),
  v.maxLength(64, 'a name of at most 64 characters'),
)
const line = (what: string) =>
  v.pipe(
    v.string(what),
    v.check((text) => text.trim() !== '' && !/[\r\n]/.test(text), what),
  )
const url = v.pipe(
  v.string('an http or https URL'),
  v.check((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'an http or https URL'),
)
const address = v.pipe(
  v.custom<Address>(
    (value) => isAddress(value),
    'an address: 0x and 40 hexadecimal digits, its checksum right',
  ),
  v.transform((text): Address => parseAddress(text, 'address')),
)
const integer = (min: number, max: number) => {
  const what = `an integer from ${min} to ${max}`
  return v.pipe(v.number(what), v.integer(what), v.minValue(min, what), v.maxValue(max, what))
}
const amount = v.pipe(
  v.string('a decimal amount in quotes, for instance "0.5"'),
  v.regex(/^\d{1,18}(?:\.\d{1,18})?$/, 'a decimal amount with at most 18 decimals, for instance "0.5"'),
)
const orNull = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema), null)

/** What can stand under `networks.<name>`; for a preset every key is optional. */
const networkEntry = v.strictObject({
  chainId: v.optional(integer(1, Number.MAX_SAFE_INTEGER)),
  rpcUrl: v.optional(url),
  infernetRegistry: v.optional(v.nullable(address)),
  paymentToken: v.optional(v.nullable(address)),
  rewardDistributor: v.optional(v.nullable(address)),
  explorerUrl: v.optional(v.nullable(url)),
  confirmations: v.optional(integer(1, 64)),
})

const price = v.strictObject({ request: amount, promptPerMillion: amount, completionPerMillion: amount })

const LIMIT_DEFAULTS = { maxPromptTokens: 4096, maxCompletionTokens: 1024 }
const SPLIT_DEFAULTS = { trainingPpm: 300_000, validatorPpm: 100_000 }

const limits = v.optional(
  v.strictObject({
    maxPromptTokens: v.optional(integer(1, UINT32_MAX), LIMIT_DEFAULTS.maxPromptTokens),
    maxCompletionTokens: v.optional(integer(1, UINT32_MAX), LIMIT_DEFAULTS.maxCompletionTokens),
  }),
  LIMIT_DEFAULTS,
)

/** What the fee leaves to training nodes and validators; the rest is the host's. */
const split = v.optional(
  v.strictObject({
    trainingPpm: v.optional(integer(0, PPM), SPLIT_DEFAULTS.trainingPpm),
    validatorPpm: v.optional(integer(0, PPM), SPLIT_DEFAULTS.validatorPpm),
  }),
  SPLIT_DEFAULTS,
)

const contributor = v.strictObject({ account: address, weight: integer(1, UINT32_MAX) })

const contributors = v.optional(
  v.strictObject({
    training: v.optional(v.array(contributor, 'a list of account and weight'), []),
    validators: v.optional(v.array(contributor, 'a list of account and weight'), []),
  }),
  { training: [], validators: [] },
)

/** What a host of `flock.yaml` is when it does not say otherwise. */
export const HOST_DEFAULTS = {
  kind: 'openai',
  auth: 'none',
  apiKeyEnv: null,
  apiKeyFile: null,
  weight: 1,
  priority: 0,
  maxConcurrent: 128,
  maxQueued: 512,
  queueTimeoutMs: 10_000,
  connectTimeoutMs: 5_000,
  firstTokenTimeoutMs: 30_000,
  timeoutMs: 120_000,
  maxPromptTokens: null,
  maxCompletionTokens: null,
  headers: {},
  body: {},
  healthPath: '/models',
  healthIntervalMs: 10_000,
} as const

const HOUR_MS = 3_600_000
const jsonObject = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && !Array.isArray(value) && value !== null && isJsonValue(value),
  'fields of the body by name, with values of JSON',
)
const variable = v.pipe(
  v.string('the name of an environment variable'),
  v.check(isVariableName, 'the name of an environment variable, for instance FLOCK_API_KEY'),
)

const host = v.strictObject({
  id: slug,
  kind: v.optional(v.picklist(['openai', 'infernet'], 'openai or infernet'), HOST_DEFAULTS.kind),
  baseUrl: url,
  model: line('the name of the model at that host'),
  auth: v.optional(
    v.picklist(['none', 'bearer', 'x-litellm-api-key'], 'none, bearer or x-litellm-api-key'),
    HOST_DEFAULTS.auth,
  ),
  apiKeyEnv: orNull(variable),
  apiKeyFile: orNull(line('a path')),
  weight: v.optional(integer(1, 1_000), HOST_DEFAULTS.weight),
  priority: v.optional(integer(0, 1_000), HOST_DEFAULTS.priority),
  maxConcurrent: v.optional(integer(1, 10_000), HOST_DEFAULTS.maxConcurrent),
  maxQueued: v.optional(integer(0, 100_000), HOST_DEFAULTS.maxQueued),
  queueTimeoutMs: v.optional(integer(0, HOUR_MS), HOST_DEFAULTS.queueTimeoutMs),
  connectTimeoutMs: v.optional(integer(100, HOUR_MS), HOST_DEFAULTS.connectTimeoutMs),
  firstTokenTimeoutMs: v.optional(integer(100, HOUR_MS), HOST_DEFAULTS.firstTokenTimeoutMs),
  timeoutMs: v.optional(integer(100, HOUR_MS), HOST_DEFAULTS.timeoutMs),
  maxPromptTokens: orNull(integer(1, UINT32_MAX)),
  maxCompletionTokens: orNull(integer(1, UINT32_MAX)),
  headers: v.optional(
    v.record(v.string(), v.string('text'), 'headers by name'),
    (): Record<string, string> => ({}),
  ),
  body: v.optional(jsonObject, (): Record<string, unknown> => ({})),
  healthPath: v.optional(
    v.pipe(v.string('a path'), v.regex(/^\/[\x21-\x7e]*$/, 'a path that begins with a slash')),
    HOST_DEFAULTS.healthPath,
  ),
  healthIntervalMs: v.optional(integer(0, HOUR_MS), HOST_DEFAULTS.healthIntervalMs),
})

const ROUTING_DEFAULTS = { policy: 'latency', retryRatio: 0.2, hedge: false } as const

/** How requests are spread over the hosts of a model. */
const routing = v.optional(
  v.strictObject({
    policy: v.optional(
      v.picklist(
        ['latency', 'least-outstanding', 'weighted', 'priority', 'sticky'],
        'latency, least-outstanding, weighted, priority or sticky',
      ),
      ROUTING_DEFAULTS.policy,
    ),
    retryRatio: v.optional(
      v.pipe(
        v.number('a number from 0 to 10'),
        v.minValue(0, 'a number from 0 to 10'),
        v.maxValue(10, 'a number from 0 to 10'),
      ),
      ROUTING_DEFAULTS.retryRatio,
    ),
    hedge: v.optional(v.boolean('true or false'), ROUTING_DEFAULTS.hedge),
  }),
  ROUTING_DEFAULTS,
)

/** What counts tokens where a host reports none: an encoding of OpenAI, or a tokenizer.json of Hugging Face. */
const tokenizer = orNull(
  v.union(
    [
      v.strictObject({ encoding: v.picklist(['o200k_base', 'cl100k_base'], 'o200k_base or cl100k_base') }),
      v.strictObject({ file: line('a path') }),
    ],
    'encoding: o200k_base or cl100k_base, or file: the path of a tokenizer.json',
  ),
)

const model = v.strictObject({
  name: slug,
  aliases: v.optional(v.array(line('another name of the model'), 'a list of names'), () => []),
  hg_repo_id: line('a repository on Hugging Face, user/repo'),
  revision: line('a commit hash or other revision'),
  base_model: line('the name of the base model'),
  metadataUri: v.optional(v.string('a URI, or "" for none'), ''),
  containers: v.optional(v.array(line('a container id'), 'a list of container ids'), ['flock-workflow']),
  price,
  limits,
  split,
  nodes: v.optional(v.array(address, 'a list of addresses'), []),
  receiptSigner: orNull(address),
  contributors,
  routing,
  tokenizer,
  hosts: v.pipe(v.array(host, 'a list of model hosts'), v.minLength(1, 'at least one model host')),
})

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
  models: v.optional(v.array(model, 'a list of models'), []),
  service,
  node,
})

export type ModelConfig = v.InferOutput<typeof model>
export type HostConfig = v.InferOutput<typeof host>
export type RoutingConfig = v.InferOutput<typeof routing>
export type TokenizerConfig = NonNullable<v.InferOutput<typeof tokenizer>>
export type ClientConfig = v.InferOutput<typeof client>
export type ServiceConfig = v.InferOutput<typeof service>
export type NodeSettings = v.InferOutput<typeof node>
export type NetworkEntry = v.InferOutput<typeof networkEntry>

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

/** YAML also has dates and numbers that are none. */
function isJsonValue(value: unknown): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isJsonValue)
  const isPlain = typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype
  return isPlain && Object.values(value).every(isJsonValue)
}

/** A network that is no preset has to say where it is. */
function incompleteNetworks(entries: Record<string, unknown>): Fault[] {
  return Object.entries(entries).flatMap(([name, entry]) => {
    if (name in NETWORK_PRESETS || entry === null || typeof entry !== 'object') return []
    const missing = ['chainId', 'rpcUrl'].filter((key) => !(key in entry))
    return missing.map((key) => ({
      path: `networks.${name}.${key}`,
      message: 'nothing was found; a network that is no preset needs it',
    }))
  })
}

function mergeNetworks(entries: Record<string, NetworkEntry>): Record<string, NetworkConfig> {
  const merged: Record<string, NetworkConfig> = { ...NETWORK_PRESETS }
  for (const [name, entry] of Object.entries(entries)) {
    const given = Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined))
    merged[name] = { ...(merged[name] ?? emptyNetwork(name)), ...given }
  }
  return merged
}

function emptyNetwork(name: string): NetworkConfig {
  return {
    name,
    chainId: 0,
    rpcUrl: '',
    infernetRegistry: null,
    paymentToken: null,
    rewardDistributor: null,
    explorerUrl: null,
    confirmations: 1,
  }
}
