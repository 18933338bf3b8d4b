/** What a Docker engine or its client library throws, in words of ours. */
import { FlockError, isFlockError, messageOf } from '../errors.js'

interface EngineError {
  readonly code?: unknown
  readonly name?: unknown
  readonly statusCode?: unknown
  readonly json?: unknown
}

const INSTALL = 'npm install --ignore-scripts dockerode@5'
const UNMANAGED = 'or start the containers yourself and set manage_containers to false'

/** Gives `value` for an answer of one of these HTTP statuses, and throws everything else on. */
export function orIfStatus<T>(statuses: readonly number[], value: T): (error: unknown) => T {
  return (error) => {
    if (statuses.includes(Number((error as EngineError).statusCode))) return value
    throw error
  }
}

export function clientMissing(name: string, cause: unknown): FlockError {
  return new FlockError(
    'DOCKER_MISSING',
    `manage_containers is true and the package ${name} is not installed.`,
    {
      cause,
      details: { package: name },
      hint: `Install it beside flock (${INSTALL}, with --global if flock is), ${UNMANAGED}.`,
    },
  )
}

/** @param what what the engine was asked to do: "pull image" */
export function engineFault(error: unknown, what: string, socketPath: string): FlockError {
  if (isFlockError(error)) return error
  const { statusCode, code, name } = error as EngineError
  if (statusCode !== undefined)
    return new FlockError('DOCKER_FAILED', `The Docker engine does not ${what}: ${reasonOf(error)}`, {
      cause: error,
      details: { status: statusCode },
    })
  const isDenied = code === 'EACCES' || code === 'EPERM'
  const why =
    name === 'AbortError' || name === 'TimeoutError'
      ? 'in time'
      : `(${typeof code === 'string' ? code : messageOf(error)})`
  return new FlockError(
    'DOCKER_MISSING',
    `manage_containers is true and no Docker engine answers on ${socketPath} ${why}.`,
    {
      cause: error,
      details: { socketPath },
      hint: isDenied
        ? `Let this account use the socket (group docker), ${UNMANAGED}.`
        : `Start Docker, name its socket in DOCKER_HOST, ${UNMANAGED}.`,
    },
  )
}

/** The engine's own message; the library wraps it. */
function reasonOf(error: unknown): string {
  const { json } = error as EngineError
  const message =
    typeof json === 'object' && json !== null ? (json as { message?: unknown }).message : undefined
  const text = typeof message === 'string' && message !== '' ? message : messageOf(error)
  return `${text.trim().replace(/\.$/, '')}.`
}
