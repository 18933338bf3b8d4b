import { getAddress } from 'ethers/address'
import type {
  HostConfig,
  ModelConfig,
  RoutingConfig,
  TokenizerConfig,
} from '../../src/lib/config/model-schema.js'
import { NETWORK_PRESETS } from '../../src/lib/config/networks.js'
import type { NetworkConfig } from '../../src/lib/config/networks.js'
import type { ClientConfig, FlockConfig, ServiceConfig } from '../../src/lib/config/schema.js'
import type { Address } from '../../src/lib/hex.js'

/** Texts that YAML could take for something else. */
const AWKWARD = [
  'true',
  'null',
  '~',
  '1e3',
  '0x10',
  '007',
  'yes',
  '- a',
  'a: b',
  '# x',
  '"q"',
  "it's",
  'é 漢',
  '1.0',
]

/** A valid project that the seed decides, with awkward texts wherever texts are free. */
export function randomConfig(seed: number): FlockConfig {
  const random = generator(seed)
  const networks: Record<string, NetworkConfig> = { ...NETWORK_PRESETS }
  if (random(2) === 0) networks['net-0'] = network(random, 'net-0')
  if (random(2) === 0) networks.base = { ...network(random, 'base'), chainId: 8453 }
  const names = Object.keys(networks)
  const models = times(random(4), (index) => model(random, index))
  return {
    name: `p${seed}`,
    network: names[random(names.length)] ?? 'local',
    networks,
    models,
    service: service(random, models),
    node: { config: text(random) },
  }
}

type Random = (below: number) => number

/** Mulberry32: small, fast, the same on every machine. */
function generator(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function network(random: Random, name: string): NetworkConfig {
  return {
    name,
    chainId: 1 + random(1_000_000),
    rpcUrl: `http://127.0.0.1:${1 + random(60_000)}/${random(9)}`,
    infernetRegistry: random(2) === 0 ? null : address(random),
    paymentToken: random(2) === 0 ? null : address(random),
    rewardDistributor: random(2) === 0 ? null : address(random),
    explorerUrl: random(2) === 0 ? null : 'https://explorer.example.org',
    confirmations: 1 + random(64),
  }
}

function model(random: Random, index: number): ModelConfig {
  const training = random(1_000_001)
  return {
    name: `m${index}`,
    aliases: times(random(3), (nth) => `${text(random)} ${index}.${nth}`),
    hg_repo_id: text(random),
    revision: text(random),
    base_model: text(random),
    metadataUri: random(2) === 0 ? '' : text(random),
    containers: times(1 + random(3), (nth) => `c${nth}`),
    price: {
      request: amount(random),
      promptPerMillion: amount(random),
      completionPerMillion: amount(random),
    },
    limits: { maxPromptTokens: 1 + random(4_294_967_295), maxCompletionTokens: 1 + random(4_294_967_295) },
    split: { trainingPpm: training, validatorPpm: random(1_000_001 - training) },
    nodes: times(random(3), () => address(random)),
    receiptSigner: random(2) === 0 ? null : address(random),
    contributors: {
      training: times(random(4), () => ({ account: address(random), weight: 1 + random(4_294_967_295) })),
      validators: times(random(4), () => ({ account: address(random), weight: 1 + random(4_294_967_295) })),
    },
    routing: routing(random),
    tokenizer: tokenizer(random),
    hosts: times(1 + random(3), (nth) => host(random, nth)),
  }
}

const POLICIES = ['latency', 'least-outstanding', 'weighted', 'priority', 'sticky'] as const

function routing(random: Random): RoutingConfig {
  return { policy: pick(random, POLICIES), retryRatio: random(1_001) / 100, hedge: random(2) === 0 }
}

function tokenizer(random: Random): TokenizerConfig | null {
  return pick(random, [
    null,
    { encoding: pick(random, ['o200k_base', 'cl100k_base'] as const) },
    { file: text(random) },
  ])
}

const HOUR_MS = 3_600_000

function host(random: Random, nth: number): HostConfig {
  const place = pick(random, ['nowhere', 'variable', 'file'] as const)
  return {
    id: `h${nth}`,
    kind: pick(random, ['openai', 'infernet'] as const),
    baseUrl: `https://host-${random(100)}.example.org/v1`,
    model: text(random),
    auth: place === 'nowhere' ? 'none' : pick(random, ['bearer', 'x-litellm-api-key'] as const),
    apiKeyEnv: place === 'variable' ? `KEY_${random(10)}` : null,
    apiKeyFile: place === 'file' ? text(random) : null,
    weight: 1 + random(1_000),
    priority: random(1_001),
    maxConcurrent: 1 + random(10_000),
    maxQueued: random(100_001),
    queueTimeoutMs: random(HOUR_MS + 1),
    connectTimeoutMs: 100 + random(HOUR_MS - 99),
    firstTokenTimeoutMs: 100 + random(HOUR_MS - 99),
    timeoutMs: 100 + random(HOUR_MS - 99),
    maxPromptTokens: random(2) === 0 ? null : 1 + random(4_294_967_295),
    maxCompletionTokens: random(2) === 0 ? null : 1 + random(4_294_967_295),
    headers: named(random, 'x-', () => text(random).replace(/[^ -~]/g, 'e')),
    body: named(random, 'field_', () => jsonValue(random, 3)),
    healthPath: pick(random, ['/models', '/health', '/~#?a=%20:']),
    healthIntervalMs: random(HOUR_MS + 1),
  }
}

function service(random: Random, models: readonly ModelConfig[]): ServiceConfig {
  return {
    host: text(random),
    port: random(65_536),
    maxBodyBytes: 1024 + random(1_000_000),
    answers: {
      dir: text(random),
      fsync: pick(random, ['always', 'interval', 'off'] as const),
      keepDays: 1 + random(3_650),
    },
    stockTasks: random(2) === 0,
    usageDir: text(random),
    clients: times(random(4), (nth) => client(random, nth, models)),
  }
}

function client(random: Random, nth: number, models: readonly ModelConfig[]): ClientConfig {
  const keys = 1 + random(3)
  return {
    name: `c${nth}`,
    keyHash: (keys & 1) === 0 ? null : `sha256:${digits(random, 64)}`,
    keyEnv: (keys & 2) === 0 ? null : `CLIENT_${random(10)}`,
    models: random(2) === 0 ? null : models.filter(() => random(2) === 0).map(({ name }) => name),
    requestsPerMinute: random(2) === 0 ? null : 1 + random(1_000_000_000),
    tokensPerMinute: random(2) === 0 ? null : 1 + random(1_000_000_000),
    maxConcurrent: random(2) === 0 ? null : 1 + random(1_000_000),
  }
}

/** Up to three values by name. */
function named<T>(random: Random, prefix: string, make: () => T): Record<string, T> {
  return Object.fromEntries(times(random(4), (nth) => [`${prefix}${nth}`, make()]))
}

const NUMBERS = [0, -1, 0.5, 1e21, 1e-7, 4_294_967_296]

function jsonValue(random: Random, depth: number): unknown {
  switch (random(depth === 0 ? 4 : 6)) {
    case 0:
      return null
    case 1:
      return random(2) === 0
    case 2:
      return pick(random, NUMBERS)
    case 3:
      return text(random)
    case 4:
      return times(random(3), () => jsonValue(random, depth - 1))
    default:
      return named(random, 'y', () => jsonValue(random, depth - 1))
  }
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random(choices.length)] as T
}

function text(random: Random): string {
  return pick(random, AWKWARD)
}

function amount(random: Random): string {
  return random(2) === 0
    ? String(random(1_000_000))
    : `${random(1000)}.${String(random(1_000_000)).padStart(6, '0')}`
}

function address(random: Random): Address {
  return getAddress(`0x${digits(random, 40)}`) as Address
}

function digits(random: Random, count: number): string {
  return times(count, () => random(16).toString(16)).join('')
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
