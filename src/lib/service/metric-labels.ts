/** Label values of metrics: from lists alone, each with its series, which is looked up once. */

/** What labels may say. Whatever else comes is counted as `other`: a label that callers could choose has no bound. */
export interface MetricNames {
  readonly models: readonly { readonly name: string; readonly hostIds: readonly string[] }[]
  readonly clients: readonly string[]
}

export interface KnownNames {
  /** The names from now on. */
  use(names: MetricNames): void
  model(name: string | null): string
  client(name: string | null): string
  host(model: string, hostId: string): string
}

const OTHER = 'other'
/** Where there is no value: a request without a client or a model. */
const NONE = 'none'

export function createKnownNames(first: MetricNames): KnownNames {
  let hosts = hostsOf(first)
  let clients = new Set(first.clients)
  return {
    use(names) {
      hosts = hostsOf(names)
      clients = new Set(names.clients)
    },
    model: (name) => listed(hosts, name),
    client: (name) => listed(clients, name),
    host: (model, hostId) => (hosts.get(model)?.has(hostId) === true ? hostId : OTHER),
  }
}

function hostsOf({ models }: MetricNames): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(models.map(({ name, hostIds }) => [name, new Set(hostIds)]))
}

/** The value itself when it is listed. */
export function listed(values: { has(value: string): boolean }, value: string | null): string {
  if (value === null) return NONE
  return values.has(value) ? value : OTHER
}

/** How a request ended, by its HTTP status. */
export function outcomeOf(status: number): 'ok' | 'refused' | 'failed' {
  if (status < 400) return 'ok'
  return status < 500 ? 'refused' : 'failed'
}

/** HTTP statuses have three digits (RFC 9110, section 15), which bounds them. */
export function statusLabel(status: number): string {
  return Number.isInteger(status) && status >= 100 && status <= 599 ? status.toString() : OTHER
}

/** Remembers what `find` gives for two values. Maps in maps: joining the values to one key takes longer. */
export function remember2<T>(find: (a: string, b: string) => T): (a: string, b: string) => T {
  const known = new Map<string, Map<string, T>>()
  return (a, b) => {
    let below = known.get(a)
    if (below === undefined) known.set(a, (below = new Map<string, T>()))
    let found = below.get(b)
    if (found === undefined) below.set(b, (found = find(a, b)))
    return found
  }
}

/** As `remember2`, for three values. */
export function remember3<T>(
  find: (a: string, b: string, c: string) => T,
): (a: string, b: string, c: string) => T {
  const known = new Map<string, (b: string, c: string) => T>()
  return (a, b, c) => {
    let below = known.get(a)
    if (below === undefined) known.set(a, (below = remember2((second, third) => find(a, second, third))))
    return below(b, c)
  }
}
