import { isAbsolute, win32 } from 'node:path'
import type { NodeConfigFault } from './node-config-notes.js'

/** What the rules look at, as far as it could be read. */
interface RuledConfig {
  readonly manage_containers?: unknown
  readonly chain?: { readonly [key: string]: unknown }
  readonly containers?: unknown
}

interface RuledContainer {
  readonly id?: unknown
  readonly image?: unknown
  readonly volumes?: unknown
  readonly env?: unknown
}

/** Rules across keys, on as much of the configuration as could be read. */
export function ruleFaults(read: unknown): NodeConfigFault[] {
  const config = (read ?? {}) as RuledConfig
  const containers = Array.isArray(config.containers)
    ? (config.containers as (RuledContainer | undefined)[])
    : []
  const firstOf = new Map<unknown, number>()
  const ofContainers = containers.flatMap((container, index) => {
    const first = firstOf.get(container?.id)
    if (first === undefined) firstOf.set(container?.id, index)
    return [
      ...(container?.id && first !== undefined ? [sharedId(index, first)] : []),
      ...(config.manage_containers === true ? managedFaults(container, index) : []),
    ]
  })
  return [...ofContainers, ...chainFaults(config.chain ?? {})]
}

function sharedId(index: number, first: number): NodeConfigFault {
  const found = `the id of containers[${first}]`
  return { path: `containers[${index}].id`, found, allowed: 'an id of its own' }
}

/** Names that Docker takes; the id becomes one. */
const DOCKER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
/** A Docker volume, in place of a folder. */
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

function managedFaults(container: RuledContainer | undefined, index: number): NodeConfigFault[] {
  const at = `containers[${index}]`
  const { id, image, volumes, env } = container ?? {}
  const faults: NodeConfigFault[] = []
  if (image === '')
    faults.push({ path: `${at}.image`, found: 'nothing', allowed: 'an image, as manage_containers is true' })
  if (typeof id === 'string' && id !== '' && !DOCKER_NAME.test(id))
    faults.push({
      path: `${at}.id`,
      found: JSON.stringify(id),
      allowed: 'a name that Docker takes, as manage_containers is true: letters, digits, ".", "_" and "-"',
    })
  if (Array.isArray(volumes))
    volumes.forEach((volume: unknown, position) => {
      if (typeof volume === 'string' && !isBind(volume))
        faults.push({
          path: `${at}.volumes[${position}]`,
          found: JSON.stringify(volume),
          allowed: '<volume or absolute path>:<absolute path>, with ":ro" or other options',
        })
    })
  for (const name of Object.keys(typeof env === 'object' && env !== null ? env : {}))
    if (name === '' || name.includes('='))
      faults.push({ path: `${at}.env`, found: JSON.stringify(name), allowed: 'names without "="' })
  return faults
}

/** `source:target[:options]`, or a target alone, which gets a volume of its own; a drive letter of Windows has a colon of its own. */
function isBind(volume: string): boolean {
  if (/^\/[^:]*$/.test(volume)) return true
  const drive = /^[a-zA-Z]:[\\/]/.test(volume) ? volume.slice(0, 2) : ''
  const [source = '', target = '', ...options] = volume.slice(drive.length).split(':')
  const from = drive + source
  const isSource = VOLUME_NAME.test(from) || isAbsolute(from) || win32.isAbsolute(from)
  return isSource && target.startsWith('/') && options.length < 2
}

function chainFaults(chain: NonNullable<RuledConfig['chain']>): NodeConfigFault[] {
  if (chain.enabled !== true) return []
  return ['rpc_url', 'registry_address']
    .filter((key) => chain[key] === null)
    .map((key) => ({ path: `chain.${key}`, found: 'nothing', allowed: 'a value, as chain.enabled is true' }))
}
