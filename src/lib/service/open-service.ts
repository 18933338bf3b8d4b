/** Puts the service together, and together again when its configuration changes. */
import { type FlockError, isFlockError } from '../errors.js'
import type { Address } from '../hex.js'
import type { Logger } from '../log.js'
import { createForward } from '../router/forward.js'
import type { ApiKeySources } from '../router/hosts.js'
import type { ReceiptKey } from '../usage/receipt-key.js'
import { type FsyncPolicy, openAnswerJournal } from './answer-journal.js'
import { openClientUsage } from './client-usage.js'
import { type ClientSettings, type Clients, createClients } from './clients.js'
import { createFlockWorkflow } from './flock-workflow.js'
import { createMetering } from './metering.js'
import { createServiceMetrics } from './metrics.js'
import { type ServedModel, type ServedModelSource, buildServedModel } from './models.js'
import { createOpenAiFace } from './openai-face.js'
import { ROUTE_NAMES, type Service } from './routes.js'
import { type TokenCounter, type TokenizerSettings, createTokenCounters } from './token-count.js'

/** What a reload may change. */
export interface ServiceSettings {
  readonly models: readonly (ServedModelSource & { readonly tokenizer: TokenizerSettings | null })[]
  readonly clients: readonly ClientSettings[]
  /** Whether tasks of the chain in the encodings of stock services are done, which name no paid request. */
  readonly stockTasks: boolean
}

/** What stays as long as the process runs. */
export interface ServiceContext {
  /** Chain and meter that receipts are for, and the account that registers the models. */
  readonly chainId: number
  readonly usageMeter: Address
  readonly modelHost: Address
  readonly receiptKey: ReceiptKey
  readonly keys: ApiKeySources
  /** Address that the service listens on: what others reach needs clients with keys. */
  readonly host: string
  readonly answers: { readonly dir: string; readonly fsync: FsyncPolicy; readonly keepDays: number }
  readonly usageDir: string
  readonly version: string
  /** Milliseconds of a clock that does not go backwards, and of the world's. */
  readonly nowMs: () => number
  readonly unixMs: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  readonly log: Logger
}

export interface OpenedService {
  readonly service: Service
  /**
   * Makes a service of other settings out of the same parts: hosts that stay keep their connections, requests under way
   * go on. When it throws, all stays as it was.
   * @throws CONFIG_INVALID, API_KEY_MISSING
   */
  reload(settings: ServiceSettings): Promise<Service>
  close(): Promise<void>
}

const DAY_MS = 86_400_000

/** @throws CONFIG_INVALID, API_KEY_MISSING, STATE_CONFLICT, RECORD_INVALID, PATH_UNWRITABLE */
export async function openService(
  settings: ServiceSettings,
  context: ServiceContext,
): Promise<OpenedService> {
  const { nowMs, unixMs, random, log } = context
  const openCounter = createTokenCounters({ readFile: async (path) => context.keys.readFile(path) })
  const first = await readSettings(settings, context, { openCounter })
  let present = first.clients
  const { dir, fsync, keepDays } = context.answers
  const answers = await openAnswerJournal({
    dir,
    fsync,
    retentionMs: keepDays * DAY_MS,
    nowMs: unixMs,
    log,
  })
  const usage = await openClientUsage({ dir: context.usageDir, nowMs: unixMs, log }).catch(async (error) => {
    await answers.close()
    throw error
  })
  const metrics = createServiceMetrics({
    ...namesOf(first),
    version: context.version,
    routes: ROUTE_NAMES,
    collectHosts: () => forward.report(),
    withProcess: true,
  })
  const forward = createForward({ nowMs, random, log, onCall: (call) => metrics.hostCallEnded(call) })

  function assemble(parts: Parts): Service {
    const { models, clients, metering } = parts
    forward.use(models.map(({ route }) => route))
    metrics.use(namesOf(parts))
    const closedBecause = exposure(clients, context.host)
    if (closedBecause !== null) {
      log.warn('The OpenAI-compatible routes are closed.', {
        reason: closedBecause.message,
        hint: closedBecause.hint,
      })
    }
    return {
      workflow: createFlockWorkflow({
        chainId: context.chainId,
        usageMeter: context.usageMeter,
        models,
        takesStockTasks: parts.stockTasks,
        receiptKey: context.receiptKey,
        forward,
        metering,
        metrics,
        journal: answers,
        nowMs,
        log,
      }),
      face: createOpenAiFace({
        models,
        clients,
        isClosed: closedBecause !== null,
        forward,
        metering,
        metrics,
        usage,
        log,
      }),
      hosts: () => forward.report(),
      metrics,
      isLocal: clients.isOpen && closedBecause === null,
    }
  }

  if (context.receiptKey.engine === 'javascript') {
    log.warn('Receipts are signed by JavaScript, which takes three times as long as WebAssembly.', {
      hint: 'Install tiny-secp256k1 anew, and let Node.js compile WebAssembly.',
    })
  }
  return {
    service: assemble(first),
    async reload(next) {
      const parts = await readSettings(next, context, { openCounter, former: present })
      present = parts.clients
      return assemble(parts)
    },
    async close() {
      await forward.close()
      await Promise.all([answers.close(), usage.close()])
    },
  }
}

interface Parts {
  readonly models: readonly ServedModel[]
  readonly clients: Clients
  readonly metering: ReturnType<typeof createMetering>
  readonly stockTasks: boolean
}

async function readSettings(
  settings: ServiceSettings,
  { modelHost, keys, nowMs }: ServiceContext,
  known: {
    readonly openCounter: (tokenizer: TokenizerSettings) => Promise<TokenCounter>
    readonly former?: Clients
  },
): Promise<Parts> {
  const counters = new Map<string, TokenCounter>()
  for (const { name, tokenizer } of settings.models) {
    if (tokenizer !== null) counters.set(name, await known.openCounter(tokenizer))
  }
  return {
    models: settings.models.map((model) => buildServedModel(model, { modelHost, keys })),
    clients: createClients(settings.clients, { env: keys.env, nowMs, former: known.former }),
    metering: createMetering(counters),
    stockTasks: settings.stockTasks,
  }
}

function namesOf({ models, clients }: Pick<Parts, 'models' | 'clients'>) {
  return {
    models: models.map(({ name, route }) => ({ name, hostIds: route.hosts.map(({ id }) => id) })),
    clients: clients.names,
  }
}

/** Why strangers could use the routes for clients, or null. */
function exposure(clients: Clients, host: string): FlockError | null {
  try {
    clients.requireClients(host)
    return null
  } catch (error) {
    if (isFlockError(error)) return error
    throw error
  }
}
