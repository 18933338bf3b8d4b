/** The node's REST face: listens, tells clients apart, limits them and hands their requests to the routes. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FlockError } from '../errors.js'
import { clientIp, createIpRule, networkOf, type IpRule } from './ip-rules.js'
import { createBodyReader, errorReply, replyOf, send, type BodyReader } from './rest-http.js'
import { createRestRateLimit, type RestRateLimit, type RestRateSettings } from './rest-rate-limit.js'
import { createRoutes, type RestServices, type Route, type Routes } from './rest-routes.js'

export interface RestFace {
  readonly port: number
  close(): Promise<void>
}

export interface RestOptions extends RestServices {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly rateLimit: RestRateSettings
  /** Answers what is no route of the reference node, and says whether it did. */
  readonly own?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  /** Addresses and CIDR blocks of proxies whose `X-Forwarded-For` tells the client. */
  readonly trustedProxies: readonly string[]
  /** Any clock, in ms. */
  readonly now: () => number
}

/** For a whole request with its body, which may have 16 MB. */
const REQUEST_TIMEOUT_MS = 60_000
const HEAD_TIMEOUT_MS = 15_000
/** Without a byte in either direction; a stream may be silent for 60 s. */
const IDLE_TIMEOUT_MS = 90_000
const KEEP_ALIVE_MS = 10_000
const MAX_CONNECTIONS = 2_048

/** @throws PORT_IN_USE, PERMISSION_DENIED */
export async function openRest(options: RestOptions): Promise<RestFace> {
  const { host, port, trustedProxies } = options
  const closing = new AbortController()
  const face: Face = {
    routes: createRoutes(options),
    limit: createRestRateLimit(options.rateLimit, options),
    isTrusted: trustedProxies.length === 0 ? null : createIpRule(trustedProxies),
    readBody: createBodyReader(),
    signal: closing.signal,
  }
  const server = createServer((request, response) => {
    // A client may go away at any moment; whoever writes to it is told in other ways.
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    if (options.own?.(request, response) === true) return
    answer(request, response, face).catch((error: unknown) => fail(request, response, error))
  })
  bound(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenFault(error, host, port)))
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        closing.abort(new Error('The node is stopping.'))
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Face {
  readonly routes: Routes
  readonly limit: RestRateLimit
  /** Null when there is no proxy. */
  readonly isTrusted: IpRule | null
  readonly readBody: BodyReader
  readonly signal: AbortSignal
}

/**
 * 404, 405 and 429 are JSON here and HTML in the reference node: its clients look at the status of those alone, and JSON
 * is what a client of these routes reads.
 */
async function answer(request: IncomingMessage, response: ServerResponse, face: Face): Promise<void> {
  const [path = '', ...query] = (request.url ?? '').split('?')
  const methods = Object.hasOwn(face.routes, path) ? face.routes[path] : undefined
  if (methods === undefined) return send(request, response, errorReply(404, 'Not Found'))
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
  const route = Object.hasOwn(methods, method) ? methods[method] : undefined
  if (route === undefined) {
    const allowed = Object.keys(methods).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]))
    response.setHeader('allow', allowed.join(', '))
    return send(request, response, errorReply(405, 'Method Not Allowed'))
  }
  const client = clientIp(
    request.socket.remoteAddress,
    request.headers['x-forwarded-for'] as string | undefined,
    face.isTrusted,
  )
  if (!passes(route, `${method} ${path} ${networkOf(client)}`, response, face.limit))
    return send(request, response, errorReply(429, 'Too Many Requests'))
  const reply = await route.answer({
    request,
    response,
    client,
    query: new URLSearchParams(query.join('?')),
    signal: face.signal,
    body: () => face.readBody(request),
  })
  if (reply !== null) send(request, response, reply)
}

function passes({ isLimited }: Route, key: string, response: ServerResponse, limit: RestRateLimit): boolean {
  if (!isLimited) return true
  const { ok, remaining, resetSec, retryAfterSec } = limit.take(key)
  response.setHeader('RateLimit-Limit', limit.numRequests)
  response.setHeader('RateLimit-Remaining', remaining)
  response.setHeader('RateLimit-Reset', resetSec)
  if (!ok) response.setHeader('Retry-After', retryAfterSec)
  return ok
}

/** An answer that has begun can only be broken off. */
function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy()
  else send(request, response, replyOf(error))
}

/** Clients that are slow or many cost no more than this. */
function bound(server: Server): void {
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.headersTimeout = HEAD_TIMEOUT_MS
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.maxConnections = MAX_CONNECTIONS
  server.timeout = IDLE_TIMEOUT_MS
}

function listenFault(error: NodeJS.ErrnoException, host: string, port: number): FlockError {
  const details = { host, port }
  if (error.code === 'EACCES')
    return new FlockError('PERMISSION_DENIED', `The REST server may not listen on port ${port}.`, {
      cause: error,
      details,
    })
  return new FlockError(
    'PORT_IN_USE',
    `The REST server cannot listen on ${host}:${port} (${error.code ?? ''}).`,
    {
      cause: error,
      details,
      hint: 'Choose another server.port in the node configuration.',
    },
  )
}
