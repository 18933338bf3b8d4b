/** Finds the socket on which a Docker engine of this machine answers. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FlockError } from '../errors.js'

const WINDOWS_PIPE = '//./pipe/docker_engine'
const USUAL_SOCKET = '/var/run/docker.sock'

/**
 * The path of the socket: what `DOCKER_HOST` says, or the first that exists; the usual one when none of the known ones exists.
 * @throws NODE_CONFIG_INVALID for an engine that is reached over the network: containers are published on its own
 * loopback, where this node cannot call them
 */
export function dockerSocketPath(
  env: Readonly<Record<string, string | undefined>>,
  homeDir: string,
  platform: NodeJS.Platform,
): string {
  const { DOCKER_HOST, XDG_RUNTIME_DIR } = env
  if (DOCKER_HOST) return pathOf(DOCKER_HOST)
  if (platform === 'win32') return WINDOWS_PIPE
  const candidates = [
    USUAL_SOCKET,
    // Engines that run without root have theirs there.
    ...(XDG_RUNTIME_DIR ? [join(XDG_RUNTIME_DIR, 'docker.sock')] : []),
    join(homeDir, '.docker', 'run', 'docker.sock'),
  ]
  return candidates.find((path) => existsSync(path)) ?? USUAL_SOCKET
}

function pathOf(dockerHost: string): string {
  const path = /^(?:unix|npipe):\/\/(.+)$/.exec(dockerHost)?.[1]
  if (path !== undefined) return path
  if (dockerHost.startsWith('/')) return dockerHost
  // The text is not repeated: a URL may hold a password.
  throw new FlockError('NODE_CONFIG_INVALID', 'DOCKER_HOST: found no socket, allowed unix:// or npipe://', {
    hint: 'Managed containers have to run on this machine. Set manage_containers to false when they run elsewhere.',
  })
}
