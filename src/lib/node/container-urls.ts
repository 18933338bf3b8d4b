import { FlockError } from '../errors.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { nearestName } from '../nearest.js'

export interface ContainerUrlOptions {
  /** Where containers that have only a port are reached: `localhost`, or the host of the Docker daemon. */
  readonly host: string
  /** Container id -> base URL, instead of what the configuration says. */
  readonly overrides: Readonly<Record<string, string>>
}

/** Of two containers with one port the reference node moves the second to the highest free port from here down. */
const FIRST_SPARE_PORT = 3999

/**
 * Where each container is called, by id; no URL ends with a slash.
 * @throws USAGE_INVALID for an override of a container that is not configured
 * @see infernet.md 2.1 and 5.1
 */
export function containerUrls(
  containers: readonly NodeContainer[],
  { host, overrides }: ContainerUrlOptions,
): ReadonlyMap<string, string> {
  const ids = containers.map(({ id }) => id)
  for (const id of Object.keys(overrides)) if (!ids.includes(id)) throw unknownContainer(id, ids)
  const taken = new Set(containers.map(({ port }) => port))
  const used = new Set<number>()
  const urls = new Map<string, string>()
  let spare = FIRST_SPARE_PORT
  for (const { id, url, port } of containers) {
    const given = Object.hasOwn(overrides, id) ? overrides[id] : url
    if (given) {
      urls.set(id, given.replace(/\/+$/, ''))
      continue
    }
    if (used.has(port)) while (taken.has(spare)) spare -= 1
    const own = used.has(port) ? spare : port
    used.add(own)
    taken.add(own)
    urls.set(id, `http://${host}:${own}`)
  }
  return urls
}

/**
 * Reads overrides as they are typed: `<id>=<url>`.
 * @throws USAGE_INVALID
 */
export function parseContainerOverrides(given: readonly string[]): Record<string, string> {
  const entries = given.map((text): [string, string] => {
    const at = text.indexOf('=')
    const [id, url] = [text.slice(0, at), text.slice(at + 1)]
    if (at > 0 && /^https?:\/\//i.test(url) && URL.canParse(url)) return [id, url]
    // The text is not repeated: a URL may hold a token.
    throw new FlockError('USAGE_INVALID', 'A container override is not <id>=<http or https URL>.', {
      hint: 'For instance flock-workflow=http://127.0.0.1:3000.',
    })
  })
  return Object.fromEntries(entries)
}

function unknownContainer(id: string, ids: readonly string[]): FlockError {
  const near = nearestName(id, ids)
  return new FlockError('USAGE_INVALID', `No container "${id}" is in the node configuration.`, {
    details: { container: id, known: ids },
    hint: near === null ? `It has: ${ids.join(', ') || 'none'}.` : `Did you mean ${near}?`,
  })
}
