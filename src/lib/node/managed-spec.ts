/** How a managed container is created: what the configuration says, in the words of the Docker Engine API. */
import { createHash } from 'node:crypto'
import type { NodeContainer } from '../infernet/node-config.js'
import { withTag } from './docker-pull.js'
import { splitCommand } from './managed-command.js'

export interface ManagedSpec {
  /** Body of `POST /containers/create`. Holds the values of `env`, which may be secret. */
  readonly body: Readonly<Record<string, unknown>>
  /** Changes with everything in the body, and tells nothing of it. */
  readonly hash: string
}

/** Where a container is published. */
export interface Publication {
  readonly hostIp: string
  readonly port: number
}

/** On which containers listen. @see infernet.md 2.1 */
export const SERVICE_PORT = '3000/tcp'
/** Marks containers that this node made, with the hash of their specification. */
export const SPEC_LABEL = 'io.flock.node.spec'
/** Starts again after failures, as the reference node asks of the engine. @see infernet.md 5.2 */
const RESTART_POLICY = { Name: 'on-failure', MaximumRetryCount: 5 }

/** @throws NODE_CONFIG_INVALID for a command whose quotes do not end */
export function specOf(container: NodeContainer, { hostIp, port }: Publication): ManagedSpec {
  const command = splitCommand(container.command, `containers ${container.id}, command`)
  const body = {
    Image: withTag(container.image),
    ...(command.length > 0 && { Cmd: command }),
    Env: Object.entries(container.env).map(([name, value]) => `${name}=${textOf(value)}`),
    ExposedPorts: { [SERVICE_PORT]: {} },
    HostConfig: {
      Binds: container.volumes,
      PortBindings: { [SERVICE_PORT]: [{ HostIp: hostIp, HostPort: String(port) }] },
      RestartPolicy: RESTART_POLICY,
      // All of them.
      ...(container.gpu && { DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] }),
    },
  }
  const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex')
  return { body: { ...body, Labels: { [SPEC_LABEL]: hash } }, hash }
}

/** Booleans as Python spells them, which is how the reference node hands them over. */
function textOf(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return String(value)
}
