/** Figures of the service for Prometheus. Each service has a registry of its own. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { HostCall, HostReport } from '../router/forward.js'
import type { TokenCounts, UsageSource } from './client-usage-table.js'
import { createHostMetrics } from './host-metrics.js'
import {
  type MetricNames,
  createKnownNames,
  listed,
  outcomeOf,
  remember2,
  remember3,
  statusLabel,
} from './metric-labels.js'
import { createTallies } from './metric-tally.js'
import { ANSWER_BUCKETS, COMMIT_BUCKETS, FIRST_TOKEN_BUCKETS, seconds } from './metric-units.js'

export interface ServiceMetricsOptions extends MetricNames {
  readonly version: string
  /** Paths of the routes. */
  readonly routes: readonly string[]
  /** Asked once for every rendering. */
  readonly collectHosts: () => readonly HostReport[]
  /** Also CPU, memory, files, event loop and garbage collection, which are observed until the process ends. */
  readonly withProcess?: boolean
}

/** A request that was answered, or broke off. */
export interface EndedRequest {
  readonly route: string
  readonly model: string | null
  readonly client: string | null
  readonly status: number
  readonly durationMs: number
  /** Until the first piece of a stream; null for whole answers. */
  readonly firstTokenMs: number | null
}

export interface CountedTokens extends TokenCounts {
  readonly model: string
  readonly source: UsageSource
}

/**
 * `stored`: signed and on the disk. `replayed`: the task was answered before, with the same receipt. `failed`: there is
 * no receipt, and so no answer.
 */
const RECEIPT_OUTCOMES = ['stored', 'replayed', 'failed'] as const

export type ReceiptOutcome = (typeof RECEIPT_OUTCOMES)[number]

export interface EndedReceipt {
  readonly model: string
  readonly outcome: ReceiptOutcome
  /** From the signature until it was on the disk; null when it was not put there. */
  readonly commitMs: number | null
}

export interface ServiceMetrics {
  requestEnded(request: EndedRequest): void
  /** Counts a call to a host, and the retry or hedge that it was; `onCall` of the router. */
  hostCallEnded(call: HostCall): void
  tokensCounted(tokens: CountedTokens): void
  receiptStored(receipt: EndedReceipt): void
  /** Takes these names from now on, when the configuration was read again. Series of former names stay. */
  use(names: MetricNames): void
  /** The figures in the text format of Prometheus, version 0.0.4. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>
}

export function createServiceMetrics(options: ServiceMetricsOptions): ServiceMetrics {
  const registry = new Registry()
  const registers = [registry]
  const routes = new Set(options.routes)
  const names = createKnownNames(options)
  const tallies = createTallies()
  const hosts = createHostMetrics(registry, names, tallies)

  const requests = new Counter({
    name: 'flock_requests_total',
    help: 'Requests that were answered or broke off, by HTTP status.',
    labelNames: ['route', 'model', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'flock_request_duration_seconds',
    help: 'Time of requests, from their arrival to the end of the answer. Outcome: ok below status 400, refused below 500, failed.',
    labelNames: ['route', 'model', 'outcome'],
    buckets: ANSWER_BUCKETS,
    registers,
  })
  const firstTokens = new Histogram({
    name: 'flock_first_token_seconds',
    help: 'Time of streamed requests, from their arrival to the first piece of the answer.',
    labelNames: ['route', 'model'],
    buckets: FIRST_TOKEN_BUCKETS,
    registers,
  })
  const clientRequests = new Counter({
    name: 'flock_client_requests_total',
    help: 'Requests of clients. Outcome: ok below status 400, refused below 500, failed.',
    labelNames: ['client', 'model', 'outcome'],
    registers,
  })
  const tokens = new Counter({
    name: 'flock_tokens_total',
    help: 'Tokens, as the host reported them or a tokenizer counted them. Cached ones are part of prompt, reasoning ones of completion.',
    labelNames: ['model', 'kind', 'source'],
    registers,
  })
  const receipts = new Counter({
    name: 'flock_receipts_total',
    help: 'Receipts of paid tasks: stored, replayed from an earlier answer, or failed.',
    labelNames: ['model', 'outcome'],
    registers,
  })
  const commits = new Histogram({
    name: 'flock_receipt_commit_seconds',
    help: 'Time from the signature of a receipt until it is on the disk.',
    buckets: COMMIT_BUCKETS,
    registers,
  })
  new Gauge({
    name: 'flock_build_info',
    help: 'Version of flock. The value is always 1.',
    labelNames: ['version'],
    registers,
  }).set({ version: options.version }, 1)
  if (options.withProcess === true) collectDefaultMetrics({ register: registry })

  const requestsOf = remember3((route, model, status) => tallies.of(requests.labels(route, model, status)))
  const durationOf = remember3((route, model, outcome) => durations.labels(route, model, outcome))
  const firstTokenOf = remember2((route, model) => firstTokens.labels(route, model))
  const clientRequestsOf = remember3((client, model, outcome) =>
    tallies.of(clientRequests.labels(client, model, outcome)),
  )
  const tokensOf = remember3((model, kind, source) => tallies.of(tokens.labels(model, kind, source)))
  const receiptsOf = remember2((model, outcome) => tallies.of(receipts.labels(model, outcome)))

  /** Lets counters begin at zero, so that their first step shows. */
  function begin(named: MetricNames): void {
    hosts.begin(named)
    for (const { name } of named.models) for (const outcome of RECEIPT_OUTCOMES) receiptsOf(name, outcome)
  }
  begin(options)

  return {
    requestEnded(request) {
      const { status, durationMs, firstTokenMs } = request
      const route = listed(routes, request.route)
      const model = names.model(request.model)
      const outcome = outcomeOf(status)
      requestsOf(route, model, statusLabel(status)).count += 1
      durationOf(route, model, outcome).observe(seconds(durationMs))
      clientRequestsOf(names.client(request.client), model, outcome).count += 1
      if (firstTokenMs !== null) firstTokenOf(route, model).observe(seconds(firstTokenMs))
    },
    hostCallEnded: (call) => hosts.callEnded(call),
    tokensCounted(counted) {
      const model = names.model(counted.model)
      const add = (kind: string, count: number) => {
        if (count > 0) tokensOf(model, kind, counted.source).count += count
      }
      add('prompt', counted.promptTokens)
      add('completion', counted.completionTokens)
      add('cached', counted.cachedTokens)
      add('reasoning', counted.reasoningTokens)
    },
    receiptStored({ model, outcome, commitMs }) {
      receiptsOf(names.model(model), outcome).count += 1
      if (commitMs !== null) commits.observe(seconds(commitMs))
    },
    use(changed) {
      names.use(changed)
      begin(changed)
    },
    async render() {
      tallies.settle()
      hosts.sample(options.collectHosts())
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}
