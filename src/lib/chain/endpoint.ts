import { FlockError } from '../errors.js'

/** An RPC endpoint whose secrets stay inside: `label` and `redact` are what messages may use. */
export interface Endpoint {
  readonly url: URL
  /** Protocol and host, for instance `https://mainnet.base.org`. */
  readonly label: string
  readonly isLoopback: boolean
  /** True for a WebSocket, over which the endpoint can also push. */
  readonly isSocket: boolean
  /** Takes every part of the URL that could be a key out of a text that came from elsewhere. */
  redact(text: string): string
}

/** Path segments shorter than this (`v3`, `rpc`, `base`) are routes; API keys are longer. */
const SHORTEST_KEY = 6

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/

/** @throws CONFIG_INVALID when the text is not an http, https, ws or wss URL; the text itself is not repeated */
export function parseEndpoint(rpcUrl: string): Endpoint {
  const url = URL.canParse(rpcUrl) ? new URL(rpcUrl) : null
  if (url === null || !/^(?:http|ws)s?:$/.test(url.protocol)) {
    throw new FlockError('CONFIG_INVALID', 'The RPC URL is not an http, https, ws or wss URL.', {
      details: { field: 'rpcUrl' },
      hint: 'Write it like http://127.0.0.1:8545 or ws://127.0.0.1:8545.',
    })
  }
  const secrets = secretParts(url, rpcUrl)
  return {
    url,
    label: `${url.protocol}//${url.host}`,
    isLoopback: LOOPBACK.test(url.hostname),
    isSocket: url.protocol.startsWith('ws'),
    redact: (text) => secrets.reduce((result, secret) => result.replaceAll(secret, '[redacted]'), text),
  }
}

/** Longest first, so that no secret leaves a rest behind. */
function secretParts(url: URL, rpcUrl: string): string[] {
  const keys = [...url.pathname.split('/'), ...url.searchParams.values()].filter(
    (part) => part.length >= SHORTEST_KEY,
  )
  const own = [url.username, url.password, url.search.slice(1), url.hash.slice(1), ...keys]
  const whole = url.pathname === '/' && url.search === '' ? [] : [rpcUrl, url.href]
  return [...new Set([...whole, ...own, ...own.map(decodeLoosely)])]
    .filter((part) => part !== '')
    .sort((a, b) => b.length - a.length)
}

function decodeLoosely(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
