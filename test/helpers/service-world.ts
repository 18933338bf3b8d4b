import { rm } from 'node:fs/promises'
import { type Logger, silentLogger } from '../../src/lib/log.js'
import { type Forward, createForward } from '../../src/lib/router/forward.js'
import type { HostSettings } from '../../src/lib/router/hosts.js'
import type { AnswerJournal } from '../../src/lib/service/answer-journal.js'
import { openClientUsage } from '../../src/lib/service/client-usage.js'
import { type ClientSettings, createClients } from '../../src/lib/service/clients.js'
import { createFlockWorkflow } from '../../src/lib/service/flock-workflow.js'
import { createMetering } from '../../src/lib/service/metering.js'
import { type ServiceMetrics, createServiceMetrics } from '../../src/lib/service/metrics.js'
import type { ServedModel } from '../../src/lib/service/models.js'
import { createOpenAiFace } from '../../src/lib/service/openai-face.js'
import { ROUTE_NAMES, type Service } from '../../src/lib/service/routes.js'
import type { TokenCounter } from '../../src/lib/service/token-count.js'
import { type ReceiptKey, createReceiptKey } from '../../src/lib/usage/receipt-key.js'
import { hostOf, routeOf } from './hosts.js'
import { CHAIN_ID, MODEL_ID, RECEIPT_KEY, USAGE_METER } from './tasks.js'
import { createTempDir } from './temp-dir.js'

export interface ServiceParts {
  readonly models: readonly ServedModel[]
  readonly log?: Logger
  readonly clients?: readonly ClientSettings[]
  readonly env?: Readonly<Record<string, string>>
  readonly isClosed?: boolean
  readonly isLocal?: boolean
  readonly takesStockTasks?: boolean
  readonly journal?: AnswerJournal
  readonly receiptKey?: ReceiptKey
  readonly counters?: ReadonlyMap<string, Pick<TokenCounter, 'count'>>
}

/** A service whose clock stands still, with everything real behind it. */
export interface ServiceWorld {
  readonly service: Service
  readonly forward: Forward
  readonly metrics: ServiceMetrics
  close(): Promise<void>
}

/** A model called `tiny` at one host. */
export function tinyModel(host: Partial<HostSettings>, model: Partial<ServedModel> = {}): ServedModel {
  return {
    modelId: MODEL_ID,
    name: 'tiny',
    aliases: [],
    route: { ...routeOf([hostOf(host)]), name: 'tiny' },
    maxPromptTokens: 1000,
    maxCompletionTokens: 100,
    ...model,
  }
}

export async function createServiceWorld(parts: ServiceParts): Promise<ServiceWorld> {
  const { models, log = silentLogger, takesStockTasks = true } = parts
  const nowMs = () => 0
  const dir = await createTempDir()
  const clients = createClients(parts.clients ?? [], { env: parts.env ?? {}, nowMs })
  const names = {
    models: models.map(({ name, route }) => ({ name, hostIds: route.hosts.map(({ id }) => id) })),
    clients: clients.names,
  }
  const usage = await openClientUsage({ dir, nowMs: () => Date.UTC(2026, 0, 2), log })
  const forward = createForward({
    nowMs,
    random: () => 0,
    log,
    onCall: (call) => metrics.hostCallEnded(call),
  })
  const metrics = createServiceMetrics({
    ...names,
    version: '1.2.3',
    routes: ROUTE_NAMES,
    collectHosts: () => forward.report(),
  })
  const metering = createMetering(parts.counters ?? new Map())
  forward.use(models.map(({ route }) => route))
  const service: Service = {
    workflow: createFlockWorkflow({
      chainId: CHAIN_ID,
      usageMeter: USAGE_METER,
      models,
      takesStockTasks,
      receiptKey: parts.receiptKey ?? createReceiptKey(RECEIPT_KEY),
      journal: parts.journal,
      forward,
      metering,
      metrics,
      nowMs,
      log,
    }),
    face: createOpenAiFace({
      models,
      clients,
      isClosed: parts.isClosed ?? false,
      forward,
      metering,
      metrics,
      usage,
      log,
    }),
    hosts: () => forward.report(),
    metrics,
    isLocal: parts.isLocal ?? false,
  }
  return {
    service,
    forward,
    metrics,
    async close() {
      await forward.close()
      await usage.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
