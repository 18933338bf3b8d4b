import { FlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import type { Host } from '../router/hosts.js'

/** A model that the service answers for. */
export interface ServedModel {
  readonly modelId: Hex
  readonly name: string
  readonly hosts: readonly Host[]
  /** Caps of this service; a request's own caps may be lower, and then count. */
  readonly maxPromptTokens: number
  readonly maxCompletionTokens: number
}

/**
 * Finds a model by its name or id; without either, the only model there is.
 * @throws TASK_NOT_FOUND, TASK_INVALID when it has to be named
 */
export function findModel(models: readonly ServedModel[], wanted: string | null): ServedModel {
  const names = models.map(({ name }) => name).join(', ')
  if (wanted === null) {
    const [only, ...others] = models
    if (only !== undefined && others.length === 0) return only
    throw new FlockError('TASK_INVALID', `The task has to name its model: one of ${names}.`)
  }
  const model = models.find(
    ({ name, modelId }) => name === wanted || modelId.toLowerCase() === wanted.toLowerCase(),
  )
  if (model !== undefined) return model
  throw new FlockError('TASK_NOT_FOUND', `This service does not serve the model ${JSON.stringify(wanted)}.`, {
    details: { model: wanted },
    hint: `It serves ${names === '' ? 'no model' : names}.`,
  })
}
