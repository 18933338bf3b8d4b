import { FlockError } from '../errors.js'
import { type HostOverrides, findOverrideFaults } from '../host-overrides.js'
import { isVariableName } from '../variable-name.js'

/** How a host wants its API key: FLock API Platform documents `x-litellm-api-key`, most others take a bearer token. */
export type HostAuth = 'none' | 'bearer' | 'x-litellm-api-key'

/** `openai`: a server with OpenAI-compatible routes. `infernet`: another container of Infernet, asked for chats alone. */
export type HostKind = 'openai' | 'infernet'

/** A model server as the operator names it; a host of `flock.yaml` fits. */
export interface HostSettings extends HostOverrides {
  readonly id: string
  readonly kind: HostKind
  /** Base of the OpenAI-compatible routes, for instance `http://127.0.0.1:8000/v1`; the root of a container. */
  readonly baseUrl: string
  /** The model's name at that host. */
  readonly model: string
  readonly auth: HostAuth
  /** Environment variable that holds the API key, or else the file that does. */
  readonly apiKeyEnv: string | null
  readonly apiKeyFile: string | null
  /** Share of the requests that the host takes beside others, 1 or more. */
  readonly weight: number
  /** Hosts with the lowest number are asked first by the policy `priority`. */
  readonly priority: number
  /** Requests under way at once; those above wait. */
  readonly maxConcurrent: number
  /** Requests that wait for this host, and how long they do. */
  readonly maxQueued: number
  readonly queueTimeoutMs: number
  readonly connectTimeoutMs: number
  /** Until the first event of a stream, and between two. */
  readonly firstTokenTimeoutMs: number
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number
  /** Requests with a longer prompt go to other hosts; null for any length. */
  readonly maxPromptTokens: number | null
  /** Asked of the host at most; null for what the model allows. */
  readonly maxCompletionTokens: number | null
  /** Route below `baseUrl` that is asked whether the host lives, and how often; 0 for never. */
  readonly healthPath: string
  readonly healthIntervalMs: number
}

/** A model server that requests can be sent to. */
export interface Host extends HostSettings {
  /** Scheme, name and port. */
  readonly origin: string
  /** What stands before the routes, without a slash at its end. */
  readonly basePath: string
  /** A function, so that printing or serialising a host never shows its key. */
  readonly requestHeaders: () => Readonly<Record<string, string>>
}

/** Where API keys are looked up. */
export interface ApiKeySources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** @throws when the file cannot be read */
  readonly readFile: (path: string) => string
}

/**
 * Builds the host table of one model, in the given order.
 * @throws CONFIG_INVALID for a URL, header or field that cannot be used or a repeated id, API_KEY_MISSING
 */
export function parseHosts(settings: readonly HostSettings[], keys: ApiKeySources): Host[] {
  const ids = settings.map(({ id }) => id)
  return settings.map((host, position) => {
    if (ids.indexOf(host.id) !== position) {
      throw invalid(host.id, `Two hosts of one model have the id ${host.id}.`)
    }
    const { origin, pathname } = parseBaseUrl(host)
    checkOverrides(host)
    const requestHeaders = { ...lowerCased(host.headers), ...authHeadersOf(host, keys) }
    return {
      ...host,
      origin,
      basePath: pathname.replace(/\/+$/, ''),
      requestHeaders: () => requestHeaders,
    }
  })
}

/** True when requests to both would be the same: what is known of one holds for the other. */
export function isSameHost(a: Host, b: Host): boolean {
  return JSON.stringify(fingerprint(a)) === JSON.stringify(fingerprint(b))
}

function fingerprint(host: Host): unknown {
  return [host, host.requestHeaders()]
}

function parseBaseUrl({ id, baseUrl }: HostSettings): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null
  const isUsable =
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === ''
  if (isUsable) return url
  // The address is not repeated: what makes it unusable may be a password in it.
  throw invalid(
    id,
    `The base URL of host ${id} cannot be used.`,
    'It has to be http:// or https://, without user name, password, query or fragment.',
  )
}

function checkOverrides(host: HostSettings): void {
  const [fault] = findOverrideFaults(host)
  if (fault === undefined) return
  const { place, name, reason } = fault
  const { id } = host
  if (reason === 'unsendable')
    throw invalid(id, `The header ${JSON.stringify(name)} of host ${id} cannot be sent.`)
  const what = place === 'headers' ? `header ${name} of` : `field ${name} in the body of`
  throw invalid(id, `The ${what} host ${id} is set by the service itself.`)
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function authHeadersOf(
  { id, auth, apiKeyEnv, apiKeyFile }: HostSettings,
  keys: ApiKeySources,
): Readonly<Record<string, string>> {
  if (auth === 'none') return {}
  const variable = apiKeyEnv === null || isVariableName(apiKeyEnv) ? apiKeyEnv : '[redacted]'
  const source = variable ?? apiKeyFile ?? 'no place (neither apiKeyEnv nor apiKeyFile is set)'
  const details = { hostId: id, apiKeyEnv: variable, apiKeyFile }
  const apiKey = (apiKeyEnv === null ? fileKey(apiKeyFile, keys) : keys.env[apiKeyEnv])?.trim() ?? ''
  if (apiKey === '') {
    throw new FlockError('API_KEY_MISSING', `Host ${id} needs an API key, looked for in ${source}.`, {
      details,
      hint: 'Give the key there, or set auth: none when the host takes requests without one.',
    })
  }
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new FlockError('API_KEY_MISSING', `The API key in ${source} holds blanks or other signs.`, {
      details,
    })
  }
  return auth === 'bearer' ? { authorization: `Bearer ${apiKey}` } : { 'x-litellm-api-key': apiKey }
}

/** A file that cannot be read holds no key; which file it is stands in the error. */
function fileKey(path: string | null, keys: ApiKeySources): string | undefined {
  if (path === null) return undefined
  try {
    return keys.readFile(path)
  } catch {
    return undefined
  }
}

function invalid(hostId: string, message: string, hint?: string): FlockError {
  return new FlockError('CONFIG_INVALID', message, {
    details: { hostId },
    ...(hint === undefined ? {} : { hint }),
  })
}
