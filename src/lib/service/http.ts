/** Reads bodies from and writes answers to sockets of node:http, with bounds. */
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { FlockError } from '../errors.js'

/**
 * Reads a JSON body.
 * @throws BODY_TOO_LARGE, TASK_INVALID when it is not JSON in UTF-8, INTERRUPTED when the client goes away
 */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  requireJson(request)
  const bytes = await readBody(request, maxBytes)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // No cause: the parser quotes the text, and prompts stay out of logs.
    throw new FlockError('TASK_INVALID', 'The body is not valid JSON in UTF-8.')
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  send(response, status, JSON.stringify(body), { 'content-type': 'application/json', ...headers })
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  send(response, status, text, { 'content-type': contentType })
}

/**
 * Writes one piece of a long answer and waits while the client is slower than the answer.
 * @param stallMs how long the client may take nothing
 * @throws INTERRUPTED when it takes longer, or goes away
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
    throw gone()
  } finally {
    response.off('close', onClose)
  }
}

function send(response: ServerResponse, status: number, text: string, headers: OutgoingHttpHeaders): void {
  if (response.destroyed || response.writableEnded) return
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) })
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
    request.once('end', () => resolve(Buffer.concat(parts)))
    request.once('error', () => reject(gone()))
    request.once('close', () => reject(gone()))
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
