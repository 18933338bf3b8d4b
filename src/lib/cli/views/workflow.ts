import type { Address, Hex } from '../../hex.js'
import type { FlockWorkflow } from '../../service/flock-workflow.js'
import type { ServiceServer } from '../../service/server.js'

/** A running FlockWorkflow service. */
export interface WorkflowServeJson {
  readonly url: string
  readonly port: number
  readonly chainId: number
  readonly usageMeter: Address
  readonly receiptSigner: Address
  readonly models: readonly {
    readonly name: string
    readonly modelId: Hex
    /** Ids of the model's hosts, in the order of flock.yaml. */
    readonly hosts: readonly string[]
  }[]
}

export function workflowServeJson(
  { url, port }: ServiceServer,
  { receiptSigner, models }: FlockWorkflow,
  { chainId, usageMeter }: Pick<WorkflowServeJson, 'chainId' | 'usageMeter'>,
): WorkflowServeJson {
  return {
    url,
    port,
    chainId,
    usageMeter,
    receiptSigner,
    models: models.map(({ name, modelId, route }) => ({
      name,
      modelId,
      hosts: route.hosts.map(({ id }) => id),
    })),
  }
}
