import * as v from 'valibot'
import {
  UINT32_MAX,
  address,
  amount,
  integer,
  jsonObject,
  line,
  orNull,
  slug,
  url,
  variable,
} from './fields.js'

const PPM = 1_000_000
const HOUR_MS = 3_600_000

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

/** A model of flock.yaml with the hosts that serve it. */
export const modelSchema = v.strictObject({
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

export type ModelConfig = v.InferOutput<typeof modelSchema>
export type HostConfig = v.InferOutput<typeof host>
export type RoutingConfig = v.InferOutput<typeof routing>
export type TokenizerConfig = NonNullable<v.InferOutput<typeof tokenizer>>
