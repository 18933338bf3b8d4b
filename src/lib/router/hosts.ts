import { FlockError } from '../errors.js'

/** How a host wants its API key: FLock API Platform documents `x-litellm-api-key`, most others take a bearer token. */
export type HostAuth = 'none' | 'bearer' | 'x-litellm-api-key'

/** `openai`: a server with OpenAI-compatible routes. `infernet`: another container of Infernet, asked for chats alone. */
export type HostKind = 'openai' | 'infernet'

/** A model server as the operator names it; a host of `flock.yaml` fits. */
export interface HostSettings {
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
  /** Sent with every request, beside those of the service. */
  readonly headers: Readonly<Record<string, string>>
  /** Values of JSON, laid over the body of every request. */
  readonly body: Readonly<Record<string, unknown>>
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

/** Headers that the connection or the service decides. */
const RESERVED_HEADERS = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-litellm-api-key',
])

/** Fields of a body that the service decides; the limit is what whoever asks pays for. */
const RESERVED_FIELDS = new Set([
  'model',
  'messages',
  'prompt',
  'input',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'stream',
  'stream_options',
])

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
    checkReserved(host)
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

function checkReserved({ id, headers, body }: HostSettings): void {
  for (const [name, value] of Object.entries(headers)) {
    if (RESERVED_HEADERS.has(name.toLowerCase())) {
      throw invalid(id, `The header ${name} of host ${id} is set by the service itself.`)
    }
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) {
      throw invalid(id, `The header ${JSON.stringify(name)} of host ${id} cannot be sent.`)
    }
  }
  const field = Object.keys(body).find((name) => RESERVED_FIELDS.has(name))
  if (field !== undefined) {
    throw invalid(id, `The field ${field} in the body of host ${id} is set by the service itself.`)
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function authHeadersOf(
  { id, auth, apiKeyEnv, apiKeyFile }: HostSettings,
  keys: ApiKeySources,
): Readonly<Record<string, string>> {
  if (auth === 'none') return {}
  const source = apiKeyEnv ?? apiKeyFile ?? 'no place (neither apiKeyEnv nor apiKeyFile is set)'
  const details = { hostId: id, apiKeyEnv, apiKeyFile }
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
