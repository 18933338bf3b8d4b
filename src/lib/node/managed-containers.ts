/** Runs the containers of a node in Docker: images, containers, their ports, and an eye on them until the end. */
import { toFlockError } from '../errors.js'
import type { NodeConfig, NodeContainer } from '../infernet/node-config.js'
import { sleep } from '../retry.js'
import { assignPorts } from './container-urls.js'
import { openDockerEngine, type DockerEngine, type DockerEngineOptions } from './docker-engine.js'
import type { EventSink } from './events.js'
import { ensureContainer, type Wanted } from './managed-ensure.js'
import { bringImages } from './managed-images.js'
import { specOf } from './managed-spec.js'

export interface ManagedOptions extends Omit<DockerEngineOptions, 'isContainer' | 'socketPath'> {
  /** Of the Docker engine; asked only when there is something to manage. */
  readonly socketPath: () => string
  /** Where containers are called that have only a port. */
  readonly containerHost: string
  /** Ids of containers that run elsewhere whatever the configuration says. */
  readonly except: readonly string[]
  readonly emit: EventSink
  readonly now: () => number
  readonly signal: AbortSignal
  /** Pause between two looks at the containers. */
  readonly watchMs?: number
}

export interface ManagedContainers {
  /** Container id -> base URL, of those without a `url` in the configuration. */
  readonly urls: Readonly<Record<string, string>>
  /** Stops the containers and leaves them there. */
  close(): Promise<void>
}

/** As the reference node looks at them. @see infernet.md 4.11 */
const WATCH_MS = 10_000
/** What containers get to end before they are killed. @see infernet.md 4.11 */
export const STOP_GRACE_SEC = 60

/**
 * Starts what `manage_containers` asks for and settles when all of it runs; does nothing when it asks for nothing.
 * @throws DOCKER_MISSING, DOCKER_FAILED, NODE_CONFIG_INVALID; nothing runs then that did not before
 */
export async function startManagedContainers(
  config: NodeConfig,
  options: ManagedOptions,
): Promise<ManagedContainers> {
  const containers = config.containers.filter(({ id }) => !options.except.includes(id))
  if (!config.manage_containers || containers.length === 0)
    return { urls: {}, close: () => Promise.resolve() }
  const isContainer = options.containerHost !== 'localhost'
  const engine = await openDockerEngine({ ...options, socketPath: options.socketPath(), isContainer })
  const hostIp = await engine.publishAddress()
  const ports = assignPorts(containers)
  const specs = containers.map((container) => ({
    container,
    spec: specOf(container, { hostIp, port: ports.get(container.id) ?? container.port }),
  }))
  const images = await bringImages(
    containers.map(({ image }) => image),
    { ...options, engine, credentials: config.docker },
  )
  const wanted = specs.map(({ container, spec }) => ({
    id: container.id,
    image: container.image,
    imageId: images.get(container.image) ?? '',
    hostIp,
    port: ports.get(container.id) ?? container.port,
    spec,
  }))
  const started = await startAll(wanted, { ...options, engine, waitMs: config.startup_wait * 1000 })
  return { urls: urlsOf(containers, started.ports, options.containerHost), close: started.close }
}

interface StartOptions extends ManagedOptions {
  readonly engine: DockerEngine
  readonly waitMs: number
}

async function startAll(wanted: readonly Wanted[], options: StartOptions) {
  const { engine, emit, signal } = options
  const stopAll = () => Promise.all(wanted.map(({ id }) => stop(id, engine, emit)))
  try {
    const outcomes = await Promise.allSettled(wanted.map((one) => ensureContainer(one, { engine, emit })))
    const refused = outcomes.find((outcome) => outcome.status === 'rejected')
    if (refused !== undefined) throw refused.reason
    const running = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    if (running.some(({ wasRunning }) => !wasRunning)) await sleep(options.waitMs, signal)
    const watching = watch(wanted, options)
    const close = async () => {
      await watching.close()
      await stopAll()
    }
    return { ports: new Map(running.map(({ id, port }) => [id, port])), close }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** Looks at the containers from time to time and starts again what does not run. */
function watch(wanted: readonly Wanted[], options: StartOptions): { close(): Promise<void> } {
  const { engine, emit, watchMs = WATCH_MS } = options
  const stopping = new AbortController()
  const signal = AbortSignal.any([stopping.signal, options.signal])
  const look = async (one: Wanted) => {
    try {
      const found = await engine.inspect(one.id)
      // The engine's own restarts are under way.
      if (found?.state === 'running' || found?.state === 'restarting' || signal.aborted) return
      emit({
        type: 'containerDown',
        container: one.id,
        state: found?.state ?? 'missing',
        exitCode: found?.exitCode ?? null,
      })
      await ensureContainer(one, { engine, emit })
    } catch (error) {
      tellFault(one.id, error, emit)
    }
  }
  const work = async () => {
    for (;;) {
      await sleep(watchMs, signal)
      await Promise.all(wanted.map(look))
    }
  }
  const ended = work().catch(() => undefined)
  return {
    async close() {
      stopping.abort()
      await ended
    },
  }
}

async function stop(container: string, engine: DockerEngine, emit: EventSink): Promise<void> {
  try {
    await engine.stop(container, STOP_GRACE_SEC)
    emit({ type: 'containerStopped', container })
  } catch (error) {
    tellFault(container, error, emit)
  }
}

function tellFault(container: string, error: unknown, emit: EventSink): void {
  const { code, message } = toFlockError(error)
  emit({ type: 'engineFailed', container, code, message })
}

function urlsOf(
  containers: readonly NodeContainer[],
  ports: ReadonlyMap<string, number>,
  host: string,
): Record<string, string> {
  const own = containers.filter(({ url }) => url === '')
  return Object.fromEntries(own.map(({ id }) => [id, `http://${host}:${ports.get(id)}`]))
}
