/** Counters of use per client, model and UTC day, in memory. */

/**
 * Where the token counts of a request come from: the model host reported them, a tokenizer here counted them, or there
 * are none, as when the request failed.
 */
export const USAGE_SOURCES = ['host', 'tokenizer', 'none'] as const

export type UsageSource = (typeof USAGE_SOURCES)[number]

export interface TokenCounts {
  readonly promptTokens: number
  readonly completionTokens: number
  /** Part of `promptTokens` that the host had in its cache. */
  readonly cachedTokens: number
  /** Part of `completionTokens` that the model spent on thinking. */
  readonly reasoningTokens: number
}

export interface UsageCounts extends TokenCounts {
  readonly requests: number
  /** Those of the requests that failed or were refused. */
  readonly errors: number
  /** Requests by where their token counts come from; adds up to `requests`. */
  readonly sources: Readonly<Record<UsageSource, number>>
}

export interface UsageRow extends UsageCounts {
  /** `2025-11-22`, in UTC. */
  readonly day: string
  readonly client: string
  readonly model: string
}

/** One finished request. */
export interface UsageEntry extends TokenCounts {
  readonly client: string
  readonly model: string
  readonly isError: boolean
  readonly source: UsageSource
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type Counts = Writable<UsageCounts> & { readonly sources: Record<UsageSource, number> }

/** The counters of one day. */
export interface UsageDay {
  readonly day: string
  count(entry: UsageEntry): void
  /** Adds what was counted elsewhere. */
  add(row: UsageRow): void
  /** Ordered by client and model. */
  rows(): UsageRow[]
}

export function createUsageDay(day: string): UsageDay {
  const clients = new Map<string, Map<string, Counts>>()

  function countsOf(client: string, model: string): Counts {
    let models = clients.get(client)
    if (models === undefined) clients.set(client, (models = new Map<string, Counts>()))
    let counts = models.get(model)
    if (counts === undefined) models.set(model, (counts = noCounts()))
    return counts
  }

  return {
    day,
    count(entry) {
      const counts = countsOf(entry.client, entry.model)
      counts.requests += 1
      if (entry.isError) counts.errors += 1
      counts.sources[entry.source] += 1
      addTokens(counts, entry)
    },
    add(row) {
      addCounts(countsOf(row.client, row.model), row)
    },
    rows() {
      return [...clients]
        .flatMap(([client, models]) =>
          [...models].map(([model, counts]) => ({
            day,
            client,
            model,
            ...counts,
            sources: { ...counts.sources },
          })),
        )
        .sort((a, b) => compare(a.client, b.client) || compare(a.model, b.model))
    },
  }
}

export function sumOfUsage(rows: readonly UsageCounts[]): UsageCounts {
  const total = noCounts()
  for (const row of rows) addCounts(total, row)
  return total
}

function noCounts(): Counts {
  return {
    requests: 0,
    errors: 0,
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    reasoningTokens: 0,
    sources: { host: 0, tokenizer: 0, none: 0 },
  }
}

function addCounts(to: Counts, counts: UsageCounts): void {
  to.requests += counts.requests
  to.errors += counts.errors
  for (const source of USAGE_SOURCES) to.sources[source] += counts.sources[source]
  addTokens(to, counts)
}

function addTokens(to: Counts, tokens: TokenCounts): void {
  to.promptTokens += tokens.promptTokens
  to.completionTokens += tokens.completionTokens
  to.cachedTokens += tokens.cachedTokens
  to.reasoningTokens += tokens.reasoningTokens
}

/** By code units, so that the order is the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
