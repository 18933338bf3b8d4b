/** Makes one container run as it is wanted: takes what is there, or creates it. */
import { FlockError } from '../errors.js'
import type { DockerEngine, EngineContainer } from './docker-engine.js'
import type { EventSink } from './events.js'
import { SPEC_LABEL, type ManagedSpec } from './managed-spec.js'

/** A container that shall run. */
export interface Wanted {
  /** Of the configuration; the engine's name for it too. */
  readonly id: string
  readonly image: string
  readonly imageId: string
  readonly hostIp: string
  readonly port: number
  readonly spec: ManagedSpec
}

export interface RunningContainer {
  readonly id: string
  /** Where it is published, which is not what the configuration says when it was there before. */
  readonly port: number
  readonly wasRunning: boolean
}

export interface EnsureOptions {
  readonly engine: DockerEngine
  readonly emit: EventSink
}

/**
 * A container of this name that the node made is made anew when the configuration or the image changed. One that
 * somebody else made is used as it is, as the reference node does, and `containerDiffers` tells what is different.
 * @throws DOCKER_FAILED, DOCKER_MISSING
 */
export async function ensureContainer(wanted: Wanted, options: EnsureOptions): Promise<RunningContainer> {
  const { engine, emit } = options
  const { id, image } = wanted
  let found = await engine.inspect(id)
  if (found !== null && isOutdated(found, wanted)) {
    await engine.remove(id)
    found = null
  }
  const isNew = found === null && (await engine.create(id, wanted.spec))
  // Nobody had the name a moment ago: another process was faster.
  const before = isNew ? null : (found ?? (await engine.inspect(id)))
  const wasRunning = before?.state === 'running'
  if (!wasRunning) await engine.start(id)
  const now = await engine.inspect(id)
  if (now === null)
    throw new FlockError('DOCKER_FAILED', `The container ${id} is gone right after its start.`)
  if (!isNew)
    for (const message of differences(now, wanted)) emit({ type: 'containerDiffers', container: id, message })
  const port = now.published?.port ?? wanted.port
  emit({ type: 'containerStarted', container: id, image, port, isNew })
  return { id, port, wasRunning }
}

function isOutdated({ labels, imageId }: EngineContainer, wanted: Wanted): boolean {
  const hash = labels[SPEC_LABEL]
  return hash !== undefined && (hash !== wanted.spec.hash || imageId !== wanted.imageId)
}

function differences(found: EngineContainer, { image, imageId, hostIp, port }: Wanted): string[] {
  const { published } = found
  return [
    ...(found.imageId === imageId ? [] : [`It was made from another image than ${image} is now.`]),
    ...(published === null ? [`It publishes no port 3000; it is called on port ${port}.`] : []),
    ...(published !== null && published.hostIp !== hostIp
      ? [
          `It is published on ${published.hostIp || 'all addresses'}, where the rules of the node do not hold.`,
        ]
      : []),
  ]
}
