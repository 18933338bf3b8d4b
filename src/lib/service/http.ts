/** Reads bodies from and writes answers to sockets of node:http, with bounds. */
import { isUtf8 } from 'node:buffer'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FlockError } from '../errors.js'

/**
 * Reads a JSON body.
 * @throws BODY_TOO_LARGE, TASK_INVALID when it is not JSON in UTF-8, INTERRUPTED when the client goes away
 */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  requireJson(request)
  const bytes = await readBody(request, maxBytes)
  if (!isUtf8(bytes)) throw notJson()
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw notJson()
  }
}

/** Without a cause: the parser quotes the text, and prompts stay out of logs. */
function notJson(): FlockError {
  return new FlockError('TASK_INVALID', 'The body is not valid JSON in UTF-8.')
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(response, status, JSON.stringify(body), 'application/json', headers)
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  send(response, status, text, contentType)
}

/**
 * Writes one piece of a long answer and waits while the client is slower than the answer.
 * @param stallMs how long the client may take nothing
 * @throws INTERRUPTED when it takes longer, which closes the connection, or goes away
 */
export async function writePiece(response: ServerResponse, piece: string, stallMs: number): Promise<void> {
  if (response.destroyed) throw gone()
  if (response.write(piece)) return
  const stalled = AbortSignal.timeout(stallMs)
  const closed = new AbortController()
  const onClose = () => closed.abort()
  response.once('close', onClose)
  try {
    await once(response, 'drain', { signal: AbortSignal.any([stalled, closed.signal]) })
  } catch {
    response.destroy()
    throw gone()
  } finally {
    response.off('close', onClose)
  }
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  contentType: string,
  more: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed || response.writableEnded) return
  // A list is written as it is; an object would be taken apart and checked name by name.
  const headers = ['content-type', contentType, 'content-length', String(Buffer.byteLength(text))]
  for (const name in more) headers.push(name, more[name] ?? '')
  response.writeHead(status, headers)
  response.end(text)
}

/** A page of another origin can post plain text to this machine without asking, but not JSON. */
function requireJson({ headers }: IncomingMessage): void {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new FlockError('TASK_INVALID', 'The content type of the body has to be application/json.')
  }
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new FlockError('TASK_INVALID', 'The body has to be sent without a content encoding.')
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const parts: Buffer[] = []
  let size = 0
  return new Promise((resolve, reject) => {
    request.on('data', (part: Buffer) => {
      size += part.length
      if (size <= maxBytes) parts.push(part)
      else reject(tooLarge(maxBytes))
    })
    request.on('end', () => resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)))
    request.on('error', () => reject(gone()))
    // Comes after the end as well, when an error would be made for nothing.
    request.on('close', () => {
      if (!request.complete) reject(gone())
    })
  })
}

function tooLarge(maxBytes: number): FlockError {
  return new FlockError('BODY_TOO_LARGE', `The body is larger than ${maxBytes} bytes.`, {
    details: { maxBodyBytes: maxBytes },
    hint: 'The limit is service.maxBodyBytes.',
  })
}

function gone(): FlockError {
  return new FlockError('INTERRUPTED', 'The client went away.')
}
