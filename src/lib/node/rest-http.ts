/** Reads requests of the REST face and writes its answers. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FlockError } from '../errors.js'

/** An answer as it goes out. */
export interface Reply {
  readonly status: number
  /** JSON text, compact, with keys in alphabetical order. */
  readonly json: string
}

/** As the web framework of the reference node has it. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024
/** Of all bodies that are being read, so that many slow clients cannot fill the memory. */
const MAX_READING_BYTES = 128 * 1024 * 1024
/** How long a client that is refused in the middle of its body has to read why. */
const LINGER_MS = 1_000

/** Reads bodies within a bound for each and one for all. */
export type BodyReader = (request: IncomingMessage) => Promise<string>

/** @throws from the reader: BODY_TOO_LARGE, HOST_BUSY, INTERRUPTED when the client goes away */
export function createBodyReader(): BodyReader {
  let reading = 0
  return async (request) => {
    if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge()
    const chunks: Buffer[] = []
    let size = 0
    try {
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        size += chunk.length
        reading += chunk.length
        if (size > MAX_BODY_BYTES) throw tooLarge()
        if (reading > MAX_READING_BYTES) throw busy()
      }
    } catch (error) {
      if (error instanceof FlockError) throw error
      throw new FlockError('INTERRUPTED', 'The client went away.', { cause: error })
    } finally {
      reading -= size
    }
    return Buffer.concat(chunks).toString('utf8')
  }
}

/** The body of a refusal; `null` values of a record do not occur. */
export function errorReply(status: number, error: string): Reply {
  return { status, json: JSON.stringify({ error }) }
}

/** A text ends with a line break, as the reference node's do. */
export function send(request: IncomingMessage, response: ServerResponse, { status, json }: Reply): void {
  if (response.destroyed || response.headersSent) return
  const text = `${json}\n`
  const isUnread = !request.complete
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...(isUnread && request.method !== 'GET' && request.method !== 'HEAD' ? { connection: 'close' } : {}),
  })
  response.end(text)
  request.resume()
  if (!isUnread) return
  const timer = setTimeout(() => {
    if (!request.complete) request.destroy()
  }, LINGER_MS)
  timer.unref()
}

/** What goes wrong, as the client is told. */
export function replyOf(error: unknown): Reply {
  if (!(error instanceof FlockError)) return errorReply(500, 'Internal server error')
  switch (error.code) {
    case 'TASK_INVALID':
      return errorReply(400, error.message)
    case 'BODY_TOO_LARGE':
      return errorReply(413, error.message)
    case 'HOST_BUSY':
      return errorReply(503, error.message)
    default:
      return errorReply(500, 'Internal server error')
  }
}

function tooLarge(): FlockError {
  return new FlockError('BODY_TOO_LARGE', `The body is larger than ${MAX_BODY_BYTES} bytes.`)
}

export function busy(): FlockError {
  return new FlockError('HOST_BUSY', 'The node has as much to do as it takes; try again later.')
}
