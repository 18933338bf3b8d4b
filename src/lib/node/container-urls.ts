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
  const given = containers.map(({ id, url }) => (Object.hasOwn(overrides, id) ? overrides[id] : url) ?? '')
  const ports = assignPorts(
    containers.filter((_, position) => given[position] === ''),
    containers.map(({ port }) => port),
  )
  return new Map(
    containers.map(({ id }, position) => {
      const url = given[position]?.replace(/\/+$/, '')
      return [id, url || `http://${host}:${ports.get(id)}`]
    }),
  )
}

/**
 * The port of each container, by id: the first one with a port keeps it, others get free ones.
 * @param reserved ports that are given to nobody who does not name them
 */
export function assignPorts(
  containers: readonly NodeContainer[],
  reserved: readonly number[] = containers.map(({ port }) => port),
): ReadonlyMap<string, number> {
  const taken = new Set(reserved)
  const used = new Set<number>()
  const ports = new Map<string, number>()
  let spare = FIRST_SPARE_PORT
  for (const { id, port } of containers) {
    if (used.has(port)) while (taken.has(spare)) spare -= 1
    const own = used.has(port) ? spare : port
    used.add(own)
    taken.add(own)
    ports.set(id, own)
  }
  return ports
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
