import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { FlockError } from '../errors.js'
import { ZERO_ADDRESS, ZERO_BYTES32, sameAddress, type Address, type Hex } from '../hex.js'
import { nearestName } from '../nearest.js'
import { FLOCK_DECIMALS, PPM, parseAmount } from '../units.js'

/** Most nodes a model can list: the meter keeps one bit for each in its record of an interval. */
export const MAX_NODES = 32

/** What names a model trained on FLock, in FLock's field names. */
export interface Artifact {
  readonly hg_repo_id: string
  readonly revision: string
  readonly base_model: string
}

/** A model as its host writes it down; prices are decimal amounts of the payment token. */
export interface ModelSource extends Artifact {
  readonly metadataUri: string
  readonly containers: readonly string[]
  readonly price: {
    readonly request: string
    readonly promptPerMillion: string
    readonly completionPerMillion: string
  }
  readonly limits: { readonly maxPromptTokens: number; readonly maxCompletionTokens: number }
  readonly split: { readonly trainingPpm: number; readonly validatorPpm: number }
  readonly nodes: readonly Address[]
}

/** Price in base units, caps per answer, and the parts of a fee that go to training nodes and validators. */
export interface Terms {
  readonly requestPrice: bigint
  readonly promptPrice: bigint
  readonly completionPrice: bigint
  readonly maxPromptTokens: bigint
  readonly maxCompletionTokens: bigint
  readonly trainingPpm: bigint
  readonly validatorPpm: bigint
}

/** What a host declares on chain; `containers` is Infernet's list of ids joined by commas. */
export interface Listing {
  readonly artifactId: Hex
  readonly metadataHash: Hex
  readonly metadataUri: string
  readonly containers: string
  readonly consumer: Address
  readonly receiptSigner: Address
  readonly nodes: readonly Address[]
  readonly terms: Terms
}

export const MODEL_STATUSES = ['none', 'active', 'paused', 'retired'] as const
export type ModelStatus = (typeof MODEL_STATUSES)[number]

/** A model as registered. `previousSigner` stays valid until `previousSignerUntil`, unix seconds. */
export interface Model extends Listing {
  readonly modelId: Hex
  readonly host: Address
  readonly status: ModelStatus
  readonly previousSigner: Address
  readonly previousSignerUntil: number
  readonly containerId: Hex
}

/** What a listing needs besides the model itself. */
export interface ListingChoices {
  readonly consumer: Address
  readonly receiptSigner: Address
  /** keccak256 of the bytes behind `metadataUri`; zero when the host states none. */
  readonly metadataHash: Hex
}

const MAX_UINT32 = 2 ** 32 - 1

/** Names what is served: keccak256(abi.encode(hg_repo_id, revision, base_model)). */
export function artifactIdOf(artifact: Artifact): Hex {
  return hashOf(['string', 'string', 'string'], [artifact.hg_repo_id, artifact.revision, artifact.base_model])
}

/** Names a host's model: keccak256(abi.encode(host, artifactId)). */
export function modelIdOf(host: Address, artifactId: Hex): Hex {
  return hashOf(['address', 'bytes32'], [host, artifactId])
}

/**
 * The model of a name, or the only one there is.
 * @throws MODEL_NOT_FOUND, INPUT_MISSING when there are several and none is named
 */
export function chooseModel<T extends { readonly name: string }>(
  models: readonly T[],
  name: string | null,
): T {
  const names = models.map((model) => model.name)
  const found = name === null && models.length === 1 ? models[0] : models.find((model) => model.name === name)
  if (found !== undefined) return found
  const known =
    names.length === 0 ? 'flock.yaml names no model.' : `Models of flock.yaml: ${names.join(', ')}.`
  if (name === null) {
    throw new FlockError('INPUT_MISSING', 'Which model? None was named.', {
      details: { missing: [{ name: 'model' }], names },
      hint: known,
    })
  }
  const near = nearestName(name, names)
  throw new FlockError('MODEL_NOT_FOUND', `There is no model "${name}" in flock.yaml.`, {
    details: { name, names },
    hint: near === null ? known : `Did you mean ${near}?`,
  })
}

/**
 * The models of these names, each once; all of them when none is named.
 * @throws MODEL_NOT_FOUND also when there is no model at all
 */
export function chooseModels<T extends { readonly name: string }>(
  models: readonly T[],
  names: readonly string[],
): readonly T[] {
  const chosen = names.length === 0 ? models : [...new Set(names)].map((name) => chooseModel(models, name))
  if (chosen.length > 0) return chosen
  throw new FlockError('MODEL_NOT_FOUND', 'flock.yaml names no model.', { hint: 'Add one under models.' })
}

/**
 * The hash that is registered beside a metadata URI: of the bytes given, of those inside a `data:` URI, else the one
 * registered with the same URI before; zero states none.
 */
export function metadataHashOf(
  metadataUri: string,
  bytes: Uint8Array | null,
  current: Pick<Listing, 'metadataUri' | 'metadataHash'> | null,
): Hex {
  if (bytes !== null) return keccak256(bytes) as Hex
  const inline = dataUriBytes(metadataUri)
  if (inline !== null) return keccak256(inline) as Hex
  return current?.metadataUri === metadataUri ? current.metadataHash : ZERO_BYTES32
}

function dataUriBytes(uri: string): Uint8Array | null {
  const match = /^data:[^,]*?(;base64)?,(.*)$/s.exec(uri)
  if (match === null) return null
  const [, isBase64, body = ''] = match
  try {
    return isBase64 === undefined ? Buffer.from(decodeURIComponent(body)) : Buffer.from(body, 'base64')
  } catch {
    return null
  }
}

/**
 * Turns a host's model into what is registered on chain.
 * @throws CONFIG_INVALID with all faults, each as `path: what was found, what is allowed`
 */
export function buildListing(source: ModelSource, choices: ListingChoices): Listing {
  const faults = [
    ...artifactFaults(source),
    ...containerFaults(source.containers),
    ...limitFaults(source.limits),
    ...splitFaults(source.split),
    ...nodeFaults(source.nodes),
    ...addressFaults(choices),
  ]
  const terms: Terms = {
    // The contract keeps prices in 96 and 80 bits so that the terms of a model fill two storage slots.
    requestPrice: readPrice(source.price.request, 'price.request', 96n, faults),
    promptPrice: readPrice(source.price.promptPerMillion, 'price.promptPerMillion', 80n, faults),
    completionPrice: readPrice(source.price.completionPerMillion, 'price.completionPerMillion', 80n, faults),
    maxPromptTokens: wholeOrZero(source.limits.maxPromptTokens),
    maxCompletionTokens: wholeOrZero(source.limits.maxCompletionTokens),
    trainingPpm: wholeOrZero(source.split.trainingPpm),
    validatorPpm: wholeOrZero(source.split.validatorPpm),
  }
  if (faults.length > 0) {
    throw new FlockError('CONFIG_INVALID', `The model cannot be registered:\n  ${faults.join('\n  ')}`, {
      details: { faults },
      hint: 'Mend the model in flock.yaml.',
    })
  }
  return {
    artifactId: artifactIdOf(source),
    metadataHash: choices.metadataHash,
    metadataUri: source.metadataUri,
    containers: source.containers.join(','),
    consumer: choices.consumer,
    receiptSigner: choices.receiptSigner,
    nodes: [...source.nodes],
    terms,
  }
}

function artifactFaults(source: ModelSource): string[] {
  return (['hg_repo_id', 'revision', 'base_model'] as const)
    .filter((field) => source[field].trim() === '')
    .map((field) => `${field}: found an empty text, a name is needed`)
}

function containerFaults(containers: readonly string[]): string[] {
  if (containers.length === 0) return ['containers: found none, at least one container id is needed']
  return containers
    .filter((id) => id === '' || /[\s,]/.test(id))
    .map((id) => `containers: found ${JSON.stringify(id)}, an id has neither commas nor spaces`)
}

function limitFaults(limits: ModelSource['limits']): string[] {
  const isUint32 = (value: number) => Number.isInteger(value) && value >= 0 && value <= MAX_UINT32
  const faults = (['maxPromptTokens', 'maxCompletionTokens'] as const)
    .filter((field) => !isUint32(limits[field]))
    .map((field) => `limits.${field}: found ${limits[field]}, 0 to ${MAX_UINT32} is allowed`)
  if (limits.maxCompletionTokens === 0)
    faults.push('limits.maxCompletionTokens: found 0, at least 1 is needed')
  return faults
}

function splitFaults(split: ModelSource['split']): string[] {
  const faults = (['trainingPpm', 'validatorPpm'] as const)
    .filter((field) => !Number.isInteger(split[field]) || split[field] < 0)
    .map((field) => `split.${field}: found ${split[field]}, whole parts per million are allowed`)
  const sum = split.trainingPpm + split.validatorPpm
  if (sum > Number(PPM)) faults.push(`split: found ${sum} ppm in all, at most ${PPM} is allowed`)
  return faults
}

function nodeFaults(nodes: readonly Address[]): string[] {
  const faults = nodes
    .filter((node, index) => nodes.findIndex((other) => sameAddress(other, node)) !== index)
    .map((node) => `nodes: found ${node} twice, each node is listed once`)
  if (nodes.some((node) => sameAddress(node, ZERO_ADDRESS))) faults.push('nodes: found the zero address')
  if (nodes.length === 0) faults.push('nodes: found none, at least one Infernet node has to deliver')
  if (nodes.length > MAX_NODES) faults.push(`nodes: found ${nodes.length}, at most ${MAX_NODES} are allowed`)
  return faults
}

function addressFaults(choices: ListingChoices): string[] {
  return (['consumer', 'receiptSigner'] as const)
    .filter((field) => sameAddress(choices[field], ZERO_ADDRESS))
    .map((field) => `${field}: found the zero address`)
}

/** Numbers that are not whole are among the faults already. */
function wholeOrZero(value: number): bigint {
  return Number.isInteger(value) ? BigInt(value) : 0n
}

function readPrice(text: string, path: string, bits: bigint, faults: string[]): bigint {
  try {
    const price = parseAmount(text, FLOCK_DECIMALS, path)
    if (price < 2n ** bits) return price
    faults.push(`${path}: found ${text}, less than 2^${bits} base units is allowed`)
  } catch {
    faults.push(`${path}: found "${text}", an amount with at most ${FLOCK_DECIMALS} decimals is allowed`)
  }
  return 0n
}

function hashOf(types: readonly string[], values: readonly unknown[]): Hex {
  return keccak256(AbiCoder.defaultAbiCoder().encode(types, values)) as Hex
}
