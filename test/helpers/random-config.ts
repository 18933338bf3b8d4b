import { getAddress } from 'ethers/address'
import { NETWORK_PRESETS } from '../../src/lib/config/networks.js'
import type { NetworkConfig } from '../../src/lib/config/networks.js'
import type { FlockConfig, HostConfig, ModelConfig } from '../../src/lib/config/schema.js'
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
  return {
    name: `p${seed}`,
    network: names[random(names.length)] ?? 'local',
    networks,
    models: times(random(4), (index) => model(random, index)),
    service: { host: text(random), port: random(65_536), maxBodyBytes: 1024 + random(1_000_000) },
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
    hosts: times(1 + random(3), (nth) => host(random, nth)),
  }
}

function host(random: Random, nth: number): HostConfig {
  const keyed = random(2) === 0
  return {
    id: `h${nth}`,
    baseUrl: `https://host-${random(100)}.example.org/v1`,
    model: text(random),
    auth: keyed ? (['bearer', 'x-litellm-api-key'] as const)[random(2)]! : 'none',
    apiKeyEnv: keyed ? `KEY_${random(10)}` : null,
    timeoutMs: 100 + random(3_599_900),
  }
}

function text(random: Random): string {
  return AWKWARD[random(AWKWARD.length)] ?? 'text'
}

function amount(random: Random): string {
  return random(2) === 0
    ? String(random(1_000_000))
    : `${random(1000)}.${String(random(1_000_000)).padStart(6, '0')}`
}

function address(random: Random): Address {
  const digits = times(40, () => random(16).toString(16)).join('')
  return getAddress(`0x${digits}`) as Address
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
