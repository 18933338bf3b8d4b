/** Posts JSON to containers over HTTP, with kept connections, a deadline for the whole call and a bound on the answer. */
import http from 'node:http'
import https from 'node:https'
import { FlockError, messageOf } from '../errors.js'

export interface ContainerReply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export interface PostOptions {
  /** Bearer token; empty for none. */
  readonly bearer: string
  readonly signal: AbortSignal
}

export interface ContainerClient {
  /** @throws SERVICE_UNREACHABLE with `details.reason`, BODY_TOO_LARGE, or the signal's reason */
  post(url: string, body: string, options: PostOptions): Promise<ContainerReply>
  close(): void
}

export interface ContainerClientOptions {
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number
  readonly maxBodyBytes: number
}

export function createContainerClient({ timeoutMs, maxBodyBytes }: ContainerClientOptions): ContainerClient {
  const agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  }
  return {
    async post(url, body, { bearer, signal }) {
      const deadline = AbortSignal.timeout(timeoutMs)
      const target = new URL(url)
      const isSecure = target.protocol === 'https:'
      const request = (isSecure ? https : http).request(target, {
        method: 'POST',
        agent: isSecure ? agents['https:'] : agents['http:'],
        signal: AbortSignal.any([signal, deadline]),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          accept: 'application/json',
          ...(bearer === '' ? {} : { authorization: `Bearer ${bearer}` }),
        },
      })
      try {
        return await exchange(request, body, maxBodyBytes)
      } catch (error) {
        request.destroy()
        signal.throwIfAborted()
        if (error instanceof FlockError) throw error
        throw deadline.aborted
          ? unreachable(target, `no complete answer in ${timeoutMs} ms`, 'timeout', error)
          : unreachable(target, reasonOf(error), 'connection', error)
      }
    },
    close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
    },
  }
}

function exchange(request: http.ClientRequest, body: string, maxBodyBytes: number): Promise<ContainerReply> {
  return new Promise((resolve, reject) => {
    request.once('error', reject)
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.once('error', reject)
      response.once('close', () => {
        if (!response.complete) reject(new Error('the connection broke in the middle of the answer'))
      })
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > maxBodyBytes) reject(tooLarge(maxBodyBytes))
      })
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    })
    request.end(body)
  })
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
