import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { type Artifact, artifactIdOf, modelIdOf } from '../models/model.js'
import { type ApiKeySources, type HostSettings, parseHosts } from '../router/hosts.js'
import type { ModelRoute, RoutingSettings } from '../router/route-table.js'

/** Longest name that is repeated where it names no model: strangers choose it. */
const MAX_SHOWN = 128

/** A model that the service answers for. */
export interface ServedModel {
  readonly modelId: Hex
  readonly name: string
  /** Other names under which it may be asked for. */
  readonly aliases: readonly string[]
  /** Where its requests go. */
  readonly route: ModelRoute
  /** Caps of this service; a request's own caps may be lower, and then count. */
  readonly maxPromptTokens: number
  readonly maxCompletionTokens: number
}

/** A model as the operator describes it; a model of `flock.yaml` fits. */
export interface ServedModelSource extends Artifact {
  readonly name: string
  readonly aliases: readonly string[]
  readonly limits: { readonly maxPromptTokens: number; readonly maxCompletionTokens: number }
  readonly routing: RoutingSettings
  readonly hosts: readonly HostSettings[]
}

/**
 * Turns a description into a model that can be served.
 * @param modelHost account that registers the model: it is part of the model's id
 * @param keys where API keys are looked up
 * @throws CONFIG_INVALID, API_KEY_MISSING
 */
export function buildServedModel(
  source: ServedModelSource,
  { modelHost, keys }: { modelHost: Address; keys: ApiKeySources },
): ServedModel {
  const { name, aliases, routing } = source
  return {
    modelId: modelIdOf(modelHost, artifactIdOf(source)),
    name,
    aliases,
    route: { name, routing, hosts: parseHosts(source.hosts, keys) },
    ...source.limits,
  }
}

/**
 * Finds a model by its name, another name or its id; without either, the only model there is.
 * @throws TASK_NOT_FOUND, TASK_INVALID when it has to be named
 */
export function findModel(models: readonly ServedModel[], wanted: string | null): ServedModel {
  const names = models.map(({ name }) => name).join(', ')
  if (wanted === null) {
    const [only, ...others] = models
    if (only !== undefined && others.length === 0) return only
    throw new FlockError('TASK_INVALID', `The task has to name its model: one of ${names}.`)
  }
  const model = models.find((candidate) => isNamed(candidate, wanted))
  if (model !== undefined) return model
  const shown = wanted.slice(0, MAX_SHOWN)
  throw new FlockError('TASK_NOT_FOUND', `This service does not serve the model ${JSON.stringify(shown)}.`, {
    details: { model: shown },
    hint: `It serves ${names === '' ? 'no model' : names}.`,
  })
}

/** True when the model goes by that name, or has that id. */
export function isNamed({ name, aliases, modelId }: ServedModel, wanted: string): boolean {
  return name === wanted || aliases.includes(wanted) || modelId === wanted.toLowerCase()
}
