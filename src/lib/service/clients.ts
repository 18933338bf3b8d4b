/** Who may use the OpenAI-compatible routes: the keys of clients, the models that each opens, and their limits. */
import { FlockError } from '../errors.js'
import { isVariableName } from '../variable-name.js'
import { type RequestHeaders, digestOfKey, faultOfKey, parseKeyHash, sentKey } from './client-keys.js'
import { type ClientLimitSettings, type ClientLimits, createClientLimits } from './client-limits.js'
import { type ClientRefusal, authRefusal, modelRefusal } from './client-refusal.js'
import { isLoopbackAddress } from './loopback.js'

/** A client as the operator names it; an entry of `service.clients` of `flock.yaml` fits. */
export interface ClientSettings extends ClientLimitSettings {
  readonly name: string
  /** `sha256:` and 64 hexadecimal digits: the digest of the key. */
  readonly keyHash: string | null
  /** Environment variable that holds a key. With `keyHash` as well either key opens, so that one can follow the other. */
  readonly keyEnv: string | null
  /** Names of models; null for all. */
  readonly models: readonly string[] | null
}

/** Somebody who may ask. Holds neither a key nor a digest. */
export interface Client {
  readonly name: string
  readonly limits: ClientLimits
  allows(model: string): boolean
}

export type Authentication =
  | { readonly client: Client; readonly refusal: null }
  | { readonly client: null; readonly refusal: ClientRefusal }

export interface Clients {
  /** True when there are no keys, and so everybody is served. */
  readonly isOpen: boolean
  /** All names that a client can have, for metrics. */
  readonly names: readonly string[]
  /** Finds the client whose key is sent. Without any clients everybody is `ANONYMOUS`. */
  authenticate(headers: RequestHeaders): Authentication
  /** Null when the client may use the model. */
  refuseModel(client: Client, model: string): ClientRefusal | null
  /** The limits of a client with what is used of them, for those who follow; null for another client or other limits. */
  limitsOf(settings: NamedLimits): ClientLimits | null
  /** @throws CONFIG_INVALID when there are no clients and others than this machine may reach the address */
  requireClients(host: string): void
}

type NamedLimits = Pick<ClientSettings, 'name'> & ClientLimitSettings

export interface ClientsContext {
  /** Where keys are looked up by the name of their variable. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds of any clock, for the limits. */
  readonly nowMs: () => number
  /** The clients before these: who stays has used of its limits what it had. */
  readonly former?: Pick<Clients, 'limitsOf'> | undefined
}

interface Fault {
  readonly path: string
  readonly message: string
}

/** The name of everybody where no clients are set up. */
export const ANONYMOUS = 'anonymous'

const NO_LIMITS: ClientLimitSettings = { requestsPerMinute: null, tokensPerMinute: null, maxConcurrent: null }
const LIMITS = ['requestsPerMinute', 'tokensPerMinute', 'maxConcurrent'] as const
/** Up to here the arithmetic of the rate limits is exact. */
const MAX_LIMIT = 1_000_000_000

/** @throws CONFIG_INVALID with every fault in `details.faults`; keys are not shown */
export function createClients(settings: readonly ClientSettings[], context: ClientsContext): Clients {
  const faults: Fault[] = []
  /**
   * Clients by the digests of their keys. How long the search for a digest takes may depend on what is stored, but that
   * says nothing of use: whoever sends a guess cannot choose its digest, and a digest does not lead back to its key.
   */
  const byDigest = new Map<string, Client>()
  const names = new Set<string>()
  const limitsBy = new Map<string, ClientLimits>()

  settings.forEach((entry, position) => {
    const path = `service.clients[${position}]`
    const keys = keysOf(entry, path, context.env)
    faults.push(...limitFaults(entry, path), ...keys.faults)
    if (names.has(entry.name)) faults.push({ path: `${path}.name`, message: `${entry.name} is there twice` })
    names.add(entry.name)
    const client = createClient(entry, context)
    limitsBy.set(limitsKey(entry), client.limits)
    for (const digest of keys.digests) {
      const other = byDigest.get(digest) ?? client
      if (other !== client) faults.push({ path, message: `its key is that of ${other.name} as well` })
      byDigest.set(digest, client)
    }
  })
  throwFaults(faults)

  const anonymous = createClient({ name: ANONYMOUS, models: null, ...NO_LIMITS }, context)
  const isOpen = settings.length === 0
  return {
    isOpen,
    names: isOpen ? [ANONYMOUS] : [...names],
    authenticate(headers) {
      if (isOpen) return { client: anonymous, refusal: null }
      const sent = sentKey(headers)
      const client = typeof sent === 'string' ? undefined : byDigest.get(sent.digest)
      if (client !== undefined) return { client, refusal: null }
      return { client: null, refusal: authRefusal(sent !== 'missing') }
    },
    refuseModel(client, model) {
      return client.allows(model) ? null : modelRefusal(client.name, model)
    },
    limitsOf: (entry) => limitsBy.get(limitsKey(entry)) ?? null,
    requireClients(host) {
      if (!isOpen || isLoopbackAddress(host)) return
      throw new FlockError(
        'CONFIG_INVALID',
        `The OpenAI-compatible routes on ${host} would be open to everybody who reaches it.`,
        {
          details: { host },
          hint: 'Name clients in service.clients, or set service.host to 127.0.0.1.',
        },
      )
    },
  }
}

function limitsKey({ name, ...settings }: NamedLimits): string {
  return JSON.stringify([name, ...LIMITS.map((limit) => settings[limit])])
}

function createClient(
  { name, models, ...limits }: Pick<ClientSettings, 'models'> & NamedLimits,
  { nowMs, former }: ClientsContext,
): Client {
  const allowed = models === null ? null : new Set(models)
  return {
    name,
    limits: former?.limitsOf({ name, ...limits }) ?? createClientLimits(limits, { nowMs }),
    allows: (model) => allowed === null || allowed.has(model),
  }
}

interface Keys {
  readonly digests: readonly string[]
  readonly faults: readonly Fault[]
}

function keysOf({ keyHash, keyEnv }: ClientSettings, path: string, env: ClientsContext['env']): Keys {
  if (keyHash === null && keyEnv === null)
    return {
      digests: [],
      faults: [{ path, message: 'neither keyHash nor keyEnv was found, one is required' }],
    }
  const keys = [
    ...(keyHash === null ? [] : [keyOfHash(keyHash, `${path}.keyHash`)]),
    ...(keyEnv === null ? [] : [keyOfVariable(keyEnv, `${path}.keyEnv`, env)]),
  ]
  return {
    digests: keys.flatMap((key) => (typeof key === 'string' ? [key] : [])),
    faults: keys.flatMap((key) => (typeof key === 'string' ? [] : [key])),
  }
}

/** What was found is not repeated: somebody may have put the key itself there. */
function keyOfHash(keyHash: string, path: string): string | Fault {
  return parseKeyHash(keyHash) ?? { path, message: 'allowed is sha256: and 64 hexadecimal digits' }
}

function keyOfVariable(keyEnv: string, path: string, env: ClientsContext['env']): string | Fault {
  if (!isVariableName(keyEnv)) return { path, message: 'allowed is the name of an environment variable' }
  const key = env[keyEnv]?.trim() ?? ''
  const fault = key === '' ? 'not set' : faultOfKey(key)
  return fault === null ? digestOfKey(key) : { path, message: `the key in ${keyEnv} is ${fault}` }
}

function limitFaults(entry: ClientSettings, path: string): Fault[] {
  return LIMITS.flatMap((key) => {
    const value = entry[key]
    if (value === null || (Number.isInteger(value) && value >= 1 && value <= MAX_LIMIT)) return []
    return [
      {
        path: `${path}.${key}`,
        message: `${value} was found, allowed is a whole number from 1 to ${MAX_LIMIT}`,
      },
    ]
  })
}

function throwFaults(faults: readonly Fault[]): void {
  if (faults.length === 0) return
  const lines = faults.map(({ path, message }) => `${path}: ${message}`)
  throw new FlockError('CONFIG_INVALID', `The clients of the service cannot be used. ${lines.join('. ')}.`, {
    details: { faults },
  })
}
