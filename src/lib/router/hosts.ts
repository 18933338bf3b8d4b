import { FlockError } from '../errors.js'

/** How a host wants its API key: FLock API Platform documents `x-litellm-api-key`, most others take a bearer token. */
export type HostAuth = 'none' | 'bearer' | 'x-litellm-api-key'

/** A model server as the operator names it; a host of `flock.yaml` fits. */
export interface HostSettings {
  readonly id: string
  /** Base of the OpenAI-compatible routes, for instance `http://127.0.0.1:8000/v1`. */
  readonly baseUrl: string
  /** The model's name at that host. */
  readonly model: string
  readonly auth: HostAuth
  /** Environment variable that holds the API key. */
  readonly apiKeyEnv: string | null
  readonly timeoutMs: number
}

/** A model server that requests can be sent to. */
export interface Host {
  readonly id: string
  /** Scheme, name and port. */
  readonly origin: string
  /** What stands before `/chat/completions`, without a slash at its end. */
  readonly basePath: string
  readonly model: string
  readonly timeoutMs: number
  /** A function, so that printing or serialising a host never shows its key. */
  readonly authHeaders: () => Readonly<Record<string, string>>
}

/**
 * Builds the host table of one model, in the given order.
 * @param env where API keys are looked up by name
 * @throws CONFIG_INVALID for a URL that cannot be used or a repeated id, API_KEY_MISSING
 */
export function parseHosts(
  settings: readonly HostSettings[],
  env: Readonly<Record<string, string | undefined>>,
): Host[] {
  const ids = settings.map(({ id }) => id)
  return settings.map((host, position) => {
    if (ids.indexOf(host.id) !== position) {
      throw new FlockError('CONFIG_INVALID', `Two hosts of one model have the id ${host.id}.`, {
        details: { hostId: host.id },
      })
    }
    const { origin, pathname } = parseBaseUrl(host)
    const headers = authHeadersOf(host, env)
    return {
      id: host.id,
      origin,
      basePath: pathname.replace(/\/+$/, ''),
      model: host.model,
      timeoutMs: host.timeoutMs,
      authHeaders: () => headers,
    }
  })
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
  throw new FlockError('CONFIG_INVALID', `The base URL of host ${id} cannot be used.`, {
    details: { hostId: id },
    hint: 'It has to be http:// or https://, without user name, password, query or fragment.',
  })
}

function authHeadersOf(
  { id, auth, apiKeyEnv }: HostSettings,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  if (auth === 'none') return {}
  const apiKey = apiKeyEnv === null ? undefined : env[apiKeyEnv]?.trim()
  if (apiKey === undefined || apiKey === '') {
    const variable = apiKeyEnv ?? 'no variable (apiKeyEnv is not set)'
    throw new FlockError('API_KEY_MISSING', `Host ${id} needs an API key, looked for in ${variable}.`, {
      details: { hostId: id, apiKeyEnv },
      hint: 'Set the environment variable, or auth: none when the host takes requests without a key.',
    })
  }
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new FlockError(
      'API_KEY_MISSING',
      `The API key in ${apiKeyEnv ?? ''} holds blanks or other signs.`,
      {
        details: { hostId: id, apiKeyEnv },
      },
    )
  }
  return auth === 'bearer' ? { authorization: `Bearer ${apiKey}` } : { 'x-litellm-api-key': apiKey }
}
