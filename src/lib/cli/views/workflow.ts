import type { Address, Hex } from '../../hex.js'
import type { NewClientKey } from '../../service/client-keys.js'
import type { ClientMonth } from '../../service/client-usage-months.js'
import type { UsageReport } from '../../service/client-usage-report.js'
import type { FlockWorkflow } from '../../service/flock-workflow.js'
import type { ServiceServer } from '../../service/server.js'
import { tableLines } from './table.js'

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

/** A key that was made for a client. */
export interface WorkflowKeyJson extends NewClientKey {
  readonly client: string
}

/** What is to be put into flock.yaml for a new key. */
export function clientEntryLines(client: string, keyHash: string): string[] {
  // YAML would take some names for something else than text.
  const name = /^(?!(?:true|false|null)$)[a-z]/.test(client) ? client : JSON.stringify(client)
  return ['service:', '  clients:', `    - name: ${name}`, `      keyHash: ${keyHash}`]
}

/** What clients used from one day to another, both included. */
export interface WorkflowUsageJson extends Pick<UsageReport, 'from' | 'to' | 'total'> {
  readonly months: readonly ClientMonth[]
}

/** One line per month and client. */
export function clientUsageLines(months: readonly ClientMonth[], width: number | null): string[] {
  return tableLines(
    months,
    [
      { header: 'Month', value: ({ month }) => month },
      { header: 'Client', value: ({ client }) => client, minWidth: 11 },
      { header: 'Requests', value: ({ requests }) => String(requests), align: 'right' },
      { header: 'Errors', value: ({ errors }) => String(errors), align: 'right' },
      { header: 'Prompt', value: ({ promptTokens }) => String(promptTokens), align: 'right' },
      { header: 'Cached', value: ({ cachedTokens }) => String(cachedTokens), align: 'right' },
      { header: 'Completion', value: ({ completionTokens }) => String(completionTokens), align: 'right' },
      { header: 'Reasoning', value: ({ reasoningTokens }) => String(reasoningTokens), align: 'right' },
    ],
    width,
  )
}
