/** Reads the ModelRegistry. */
import { modelHostConsumerArtifact } from '../abi/model-host-consumer.js'
import { modelRegistryArtifact } from '../abi/model-registry.js'
import { eventTopic, parseLogs, readContract } from '../chain/contracts.js'
import { getLogsInRanges } from '../chain/logs.js'
import type { Chain } from '../chain/provider.js'
import { FlockError } from '../errors.js'
import { addressWord, isHex, type Address, type Hex } from '../hex.js'
import { nearestName } from '../nearest.js'
import { MODEL_STATUSES, artifactIdOf, chooseModel, modelIdOf, type Artifact, type Model } from './model.js'

/** A registry on a connected chain. */
export interface Registry {
  readonly chain: Chain
  readonly modelRegistry: Address
  /** Block from which logs of the registry can exist. */
  readonly fromBlock: number
}

/** What a project says of its models. */
export interface ProjectModels {
  /** With the names that they have in flock.yaml; the chain knows ids only. */
  readonly models: readonly (Artifact & { readonly name: string })[]
  /** The project's consumer contract; its host is looked at first. */
  readonly consumer: Address | null
}

/** Ids asked for in one call, and models read side by side. */
const ID_PAGE = 200
const MODELS_AT_ONCE = 20
const LOG_RANGE = 10_000

/** A model, or null when none of that id is registered. */
export async function readModel(registry: Registry, modelId: Hex): Promise<Model | null> {
  const raw = await readContract<RawModel>(
    registry.chain,
    modelRegistryArtifact,
    registry.modelRegistry,
    'getModel',
    [modelId],
  )
  const status = MODEL_STATUSES[Number(raw.status)] ?? 'none'
  if (status === 'none') return null
  return { ...raw, modelId, status, previousSignerUntil: Number(raw.previousSignerUntil) }
}

/** Ids of all models in order of registration. */
export async function listModelIds(registry: Registry): Promise<Hex[]> {
  const ids: Hex[] = []
  for (;;) {
    const page = await readContract<Hex[]>(
      registry.chain,
      modelRegistryArtifact,
      registry.modelRegistry,
      'listModels',
      [ids.length, ID_PAGE],
    )
    ids.push(...page)
    if (page.length < ID_PAGE) return ids
  }
}

/** All models in order of registration. */
export async function listModels(registry: Registry): Promise<Model[]> {
  const ids = await listModelIds(registry)
  const models: Model[] = []
  for (let start = 0; start < ids.length; start += MODELS_AT_ONCE) {
    const page = await Promise.all(
      ids.slice(start, start + MODELS_AT_ONCE).map((id) => readModel(registry, id)),
    )
    models.push(...page.filter((model) => model !== null))
  }
  return models
}

/** Ids of the models that registered under a host or an artifact, in order of registration. */
export async function findModelIds(
  registry: Registry,
  by: { readonly host?: Address; readonly artifactId?: Hex },
): Promise<Hex[]> {
  const toBlock = await registry.chain.provider.getBlockNumber()
  const ids: Hex[] = []
  const query = {
    address: registry.modelRegistry,
    topics: [
      eventTopic(modelRegistryArtifact, 'ModelRegistered'),
      null,
      by.host === undefined ? null : addressWord(by.host),
      by.artifactId ?? null,
    ],
    fromBlock: registry.fromBlock,
    toBlock,
    maxRange: LOG_RANGE,
  }
  for await (const logs of getLogsInRanges(registry.chain, query)) {
    ids.push(...parseLogs(modelRegistryArtifact, logs).map((event) => event.args['modelId'] as Hex))
  }
  return ids
}

/**
 * Finds a model by its name in flock.yaml, its id, or the first digits of its id.
 * @param reference null takes the only model of the project
 * @throws MODEL_NOT_FOUND, INPUT_MISSING without a reference, USAGE_INVALID when several models fit
 */
export async function findModel(
  registry: Registry,
  reference: string | null,
  project: ProjectModels,
): Promise<Model> {
  const wanted = reference ?? chooseModel(project.models, null).name
  const named = project.models.find(({ name }) => name === wanted)
  const ids =
    named === undefined
      ? await idsByPrefix(registry, wanted)
      : await idsByArtifact(registry, artifactIdOf(named), project.consumer)
  if (ids.length > 1) {
    throw new FlockError('USAGE_INVALID', `"${wanted}" fits ${ids.length} registered models.`, {
      details: { reference: wanted, modelIds: ids },
      hint: `Give one of these ids: ${ids.join(', ')}.`,
    })
  }
  const model = ids[0] === undefined ? null : await readModel(registry, ids[0])
  if (model !== null) return model
  throw notFound(registry.chain.chainId, wanted, named !== undefined, project)
}

async function idsByPrefix(registry: Registry, reference: string): Promise<Hex[]> {
  const text = reference.toLowerCase()
  if (text.length === 66 && isHex(text)) return [text]
  if (!/^0x[0-9a-f]{1,63}$/.test(text)) return []
  return (await listModelIds(registry)).filter((id) => id.startsWith(text))
}

async function idsByArtifact(registry: Registry, artifactId: Hex, consumer: Address | null): Promise<Hex[]> {
  if (consumer !== null) {
    const host = await readContract<Address>(registry.chain, modelHostConsumerArtifact, consumer, 'HOST')
    const modelId = modelIdOf(host, artifactId)
    if ((await readModel(registry, modelId)) !== null) return [modelId]
  }
  return findModelIds(registry, { artifactId })
}

function notFound(chainId: number, reference: string, isNamed: boolean, project: ProjectModels): FlockError {
  const names = project.models.map(({ name }) => name)
  const near = nearestName(reference, names)
  const known = names.length === 0 ? '' : ` of flock.yaml (${names.join(', ')})`
  const hint = isNamed
    ? `flock register-model ${reference}`
    : near === null
      ? `Give a model id, its first digits, or a name${known}.`
      : `Did you mean ${near}?`
  return new FlockError('MODEL_NOT_FOUND', `No model "${reference}" is registered on chain ${chainId}.`, {
    details: { reference, chainId, names },
    hint,
  })
}

interface RawModel extends Omit<Model, 'modelId' | 'status' | 'previousSignerUntil'> {
  readonly status: bigint
  readonly previousSignerUntil: bigint
}
