/** Calls containers over HTTP, with kept connections, a deadline for the whole call and a bound on the answer. */
import http from 'node:http'
import https from 'node:https'
import { FlockError, messageOf } from '../errors.js'

export interface ContainerReply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export interface CallOptions {
  /** Bearer token; empty for none. */
  readonly bearer: string
  readonly signal: AbortSignal
  /** From the first byte sent to the last one received, instead of the client's own. */
  readonly timeoutMs?: number
}

/** An answer of which the body is still on its way. */
export interface ContainerStream {
  readonly status: number
  /** To be read, or left by an end of the iteration. It throws as `post` does. */
  readonly chunks: AsyncIterable<Buffer>
}

export interface ContainerClient {
  /** @throws SERVICE_UNREACHABLE with `details.reason`, BODY_TOO_LARGE, or the signal's reason */
  post(url: string, body: string, options: CallOptions): Promise<ContainerReply>
  /** @throws as `post` */
  get(url: string, options: CallOptions): Promise<ContainerReply>
  /** @throws as `post` */
  stream(url: string, body: string, options: CallOptions): Promise<ContainerStream>
  close(): void
}

export interface ContainerClientOptions {
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number
  readonly maxBodyBytes: number
}

/** Servers close idle connections after 5 s at the earliest; one that is younger can be used again. */
const MAX_IDLE_MS = 4_000

export function createContainerClient({ timeoutMs, maxBodyBytes }: ContainerClientOptions): ContainerClient {
  const agents = {
    'http:': new http.Agent({ keepAlive: true, timeout: MAX_IDLE_MS }),
    'https:': new https.Agent({ keepAlive: true, timeout: MAX_IDLE_MS }),
  }

  function begin(url: string, method: 'GET' | 'POST', body: string, options: CallOptions): Call {
    const limitMs = options.timeoutMs ?? timeoutMs
    const deadline = AbortSignal.timeout(limitMs)
    const target = new URL(url)
    const isSecure = target.protocol === 'https:'
    const request = (isSecure ? https : http).request(target, {
      method,
      agent: isSecure ? agents['https:'] : agents['http:'],
      signal: AbortSignal.any([options.signal, deadline]),
      headers: {
        ...(method === 'GET'
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        accept: 'application/json',
        ...(options.bearer === '' ? {} : { authorization: `Bearer ${options.bearer}` }),
      },
    })
    return {
      response: send(request, method === 'GET' ? undefined : body),
      faultOf(error) {
        request.destroy()
        options.signal.throwIfAborted()
        if (error instanceof FlockError) return error
        return deadline.aborted
          ? unreachable(target, `no complete answer in ${limitMs} ms`, 'timeout', error)
          : unreachable(target, reasonOf(error), 'connection', error)
      },
    }
  }

  async function exchange(call: Call): Promise<ContainerReply> {
    try {
      const response = await call.response
      const chunks: Buffer[] = []
      for await (const chunk of bounded(response, maxBodyBytes)) chunks.push(chunk)
      return {
        status: response.statusCode ?? 0,
        contentType: response.headers['content-type'] ?? '',
        body: Buffer.concat(chunks).toString('utf8'),
      }
    } catch (error) {
      throw call.faultOf(error)
    }
  }

  return {
    post: (url, body, options) => exchange(begin(url, 'POST', body, options)),
    get: (url, options) => exchange(begin(url, 'GET', '', options)),
    async stream(url, body, options) {
      const call = begin(url, 'POST', body, options)
      try {
        const response = await call.response
        return { status: response.statusCode ?? 0, chunks: chunksOf(response, call, maxBodyBytes) }
      } catch (error) {
        throw call.faultOf(error)
      }
    },
    close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
    },
  }
}

interface Call {
  readonly response: Promise<http.IncomingMessage>
  /** Ends the call. What a caller is told; throws the signal's reason when that is why. */
  faultOf(error: unknown): FlockError
}

function send(request: http.ClientRequest, body: string | undefined): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Stays: what comes after the response is told by that.
    request.on('error', reject)
    request.once('response', resolve)
    request.end(body)
  })
}

async function* chunksOf(
  response: http.IncomingMessage,
  call: Call,
  maxBodyBytes: number,
): AsyncGenerator<Buffer> {
  try {
    yield* bounded(response, maxBodyBytes)
  } catch (error) {
    throw call.faultOf(error)
  }
}

/** Throws when the body breaks off or is too large. Leaving it early closes the connection. */
async function* bounded(response: http.IncomingMessage, maxBodyBytes: number): AsyncGenerator<Buffer> {
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) throw tooLarge(maxBodyBytes)
    yield chunk
  }
}

function tooLarge(maxBodyBytes: number): FlockError {
  return new FlockError('BODY_TOO_LARGE', `The container's answer is larger than ${maxBodyBytes} bytes.`, {
    details: { maxBodyBytes },
  })
}

function unreachable(url: URL, what: string, reason: 'timeout' | 'connection', cause: unknown): FlockError {
  return new FlockError('SERVICE_UNREACHABLE', `No answer from ${url.protocol}//${url.host} (${what}).`, {
    cause,
    details: { host: url.host, reason },
    hint: 'Check that the container runs and that its url or port in config.json is right.',
  })
}

function reasonOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : messageOf(error)
}
