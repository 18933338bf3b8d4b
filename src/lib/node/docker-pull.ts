/** Follows the pull of an image, which the engine tells of in lines of JSON. */
import { createInterface } from 'node:readline'
import { FlockError } from '../errors.js'

/** Receives the bytes of all layers that are known so far. */
export type PullProgress = (doneBytes: number, totalBytes: number) => void

interface PullLine {
  readonly id?: string
  readonly status?: string
  readonly error?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
}

/** The image with a tag: without one an engine pulls all that there are. */
export function withTag(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1)
  return image.includes('@') || name.includes(':') ? image : `${image}:latest`
}

/**
 * Reads the stream of a pull to its end.
 * @param what for messages: "pull image"
 * @throws DOCKER_FAILED for an error in the stream, which begins with status 200 whatever follows
 */
export async function followPull(
  stream: NodeJS.ReadableStream,
  what: string,
  onProgress: PullProgress,
): Promise<void> {
  const layers = new Map<string, { done: number; total: number }>()
  for await (const line of linesOf(stream)) {
    const { error, id, status, progressDetail } = parseLine(line)
    if (error !== undefined)
      throw new FlockError('DOCKER_FAILED', `The Docker engine does not ${what}: ${error}.`)
    // Layers are extracted after they are there; only the download is counted.
    if (id === undefined || status !== 'Downloading' || progressDetail?.total === undefined) continue
    layers.set(id, { done: progressDetail.current ?? 0, total: progressDetail.total })
    const sum = (key: 'done' | 'total') => [...layers.values()].reduce((all, layer) => all + layer[key], 0)
    onProgress(sum('done'), sum('total'))
  }
}

/** `readline` passes over errors of its input. */
async function* linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  const lines = createInterface({ input: stream, crlfDelay: Infinity })
  const failed = new Promise<never>((_, reject) => stream.once('error', reject))
  failed.catch(() => undefined)
  const iterator = lines[Symbol.asyncIterator]()
  for (;;) {
    const next = await Promise.race([iterator.next(), failed])
    if (next.done === true) return
    if (next.value !== '') yield next.value
  }
}

/** What is no JSON says nothing. */
function parseLine(line: string): PullLine {
  try {
    return (JSON.parse(line) ?? {}) as PullLine
  } catch {
    return {}
  }
}
