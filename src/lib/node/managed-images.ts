/** Brings the images of managed containers to this machine. */
import { FlockError, isFlockError, toFlockError } from '../errors.js'
import type { DockerEngine, RegistryCredentials } from './docker-engine.js'
import type { EventSink } from './events.js'

export interface ImageOptions {
  readonly engine: DockerEngine
  /** For the registry of every image. */
  readonly credentials: RegistryCredentials | null
  readonly emit: EventSink
  readonly now: () => number
  readonly signal: AbortSignal
}

/** Between two events that tell of the same pull. */
const PROGRESS_EVERY_MS = 2_000

/**
 * Pulls all images at once, and makes do with local ones where that fails.
 * @returns image -> id
 * @throws DOCKER_FAILED that names all images that can neither be pulled nor found
 */
export async function bringImages(
  images: readonly string[],
  options: ImageOptions,
): Promise<ReadonlyMap<string, string>> {
  const names = [...new Set(images)]
  const brought = await Promise.all(
    names.map((image) => bringImage(image, options).catch((error: unknown) => toFlockError(error))),
  )
  options.signal.throwIfAborted()
  const faults = brought.filter(isFlockError)
  const other = faults.find(({ code }) => code !== 'DOCKER_FAILED')
  if (other !== undefined) throw other
  if (faults.length > 0)
    throw new FlockError('DOCKER_FAILED', faults.map(({ message }) => message).join('\n'), {
      details: { images: names.filter((_, position) => isFlockError(brought[position])) },
      hint: 'Private images need docker.username and docker.password in the node configuration.',
    })
  return new Map(names.map((image, position) => [image, brought[position] as string]))
}

async function bringImage(
  image: string,
  { engine, credentials, emit, now, signal }: ImageOptions,
): Promise<string> {
  emit({ type: 'imagePulling', image })
  let toldAtMs = now()
  const onProgress = (doneBytes: number, totalBytes: number) => {
    if (now() - toldAtMs < PROGRESS_EVERY_MS) return
    toldAtMs = now()
    emit({ type: 'imageProgress', image, doneBytes, totalBytes })
  }
  try {
    await engine.pull(image, { credentials, signal, onProgress })
    emit({ type: 'imagePulled', image })
  } catch (error) {
    signal.throwIfAborted()
    if (!isFlockError(error) || error.code !== 'DOCKER_FAILED') throw error
    const id = await engine.imageId(image)
    if (id === null) throw error
    emit({ type: 'imageNotPulled', image, message: error.message })
    return id
  }
  const id = await engine.imageId(image)
  if (id !== null) return id
  throw new FlockError('DOCKER_FAILED', `The Docker engine pulled ${image} and does not have it.`)
}
