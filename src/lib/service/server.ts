/** Opens a port, answers on it, and goes down without losing a request. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES, createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createCallOff } from '../call-off.js'
import { toFlockError } from '../errors.js'
import type { Logger } from '../log.js'
import type { Exchange, ExchangeLabels } from './exchange.js'
import { httpError, retryAdvice } from './http-errors.js'
import { sendJson } from './http.js'
import { listen } from './listen.js'
import { MAX_HEADERS, type Service, handleRequest, refuse, renderError, routeOf } from './routes.js'
import { type UnderWay, createUnderWayList } from './under-way.js'

/** How long clients and the way down may take, in milliseconds. */
export interface ServerTimeouts {
  /** From the first byte of a request to its last. */
  readonly requestMs: number
  /** How long a client may take nothing of its answer. */
  readonly stallMs: number
  /** How long tasks under way may go on once the service goes down. */
  readonly drainMs: number
}

export interface ServiceServerOptions {
  readonly service: Service
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly maxBodyBytes: number
  /** Shown by `/service-resources`. */
  readonly version: string
  readonly log: Logger
  /** Milliseconds of any clock that does not go backwards. */
  readonly nowMs: () => number
  /** Begins the way down when it aborts. */
  readonly signal?: AbortSignal
  readonly timeouts?: Partial<ServerTimeouts>
}

export interface ServiceServer {
  readonly url: string
  readonly port: number
  /** Settles when the server is down, whoever asked for it. */
  readonly closed: Promise<void>
  /** Serves this from now on; requests under way are answered by what they began with. */
  use(service: Service): void
  /** Takes no new tasks, waits for those under way, gives up on them after the drain time. */
  close(): Promise<void>
}

/** A node waits 180 s for a container, so no task under way is worth waiting longer for. */
const DEFAULT_TIMEOUTS: ServerTimeouts = { requestMs: 30_000, stallMs: 30_000, drainMs: 180_000 }

/** Time for the answers which say that a task was given up. */
const LAST_WORDS_MS = 500

/** Time for requests that were sent before the service went down to arrive and be refused. */
const SETTLE_MS = 1_000

/** What proxies log for a request whose client went away before its answer was complete. */
const CLIENT_GONE = 499

/** Longer than clients keep idle connections themselves, so that they rather than we close them. */
const KEEP_ALIVE_MS = 65_000

/**
 * Opens the service.
 * @throws PORT_IN_USE, USAGE_INVALID when the address cannot be used
 */
export async function createServiceServer(options: ServiceServerOptions): Promise<ServiceServer> {
  const { nowMs } = options
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const underWay = createUnderWayList()
  const sockets = new Set<Socket>()
  let service = options.service
  let isDraining = false

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const callOff = createCallOff()
    const startMs = nowMs()
    let firstTokenMs: number | null = null
    const labels: ExchangeLabels = { model: null, client: null, lateStatus: null }
    const streamBegins = () => {
      firstTokenMs ??= nowMs() - startMs
    }
    const present = service
    const place = underWay.add({ response, callOff })
    response.once('close', () => {
      underWay.remove(place)
      if (!response.writableFinished) callOff.abort()
      present.metrics.requestEnded({
        route: routeOf(request),
        model: labels.model,
        client: labels.client,
        status: labels.lateStatus ?? (response.writableFinished ? response.statusCode : CLIENT_GONE),
        durationMs: nowMs() - startMs,
        firstTokenMs,
      })
      // Its answer may still be on the way to the client.
      if (isDraining) request.socket.destroySoon()
    })
    const exchange: Exchange = { request, response, signal: callOff, labels, streamBegins }
    try {
      await handleRequest(exchange, {
        service: present,
        version: options.version,
        maxBodyBytes: options.maxBodyBytes,
        stallMs: timeouts.stallMs,
        isDraining: () => isDraining,
      })
    } catch (error) {
      fail(exchange, error, options.log)
    }
    closeWhenStalled(response, timeouts.stallMs)
  }

  function begin(request: IncomingMessage, response: ServerResponse): void {
    if (isDraining) response.setHeader('connection', 'close')
    void answer(request, response)
  }

  const server = createServer(
    {
      requestTimeout: timeouts.requestMs,
      headersTimeout: timeouts.requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(timeouts.requestMs, 2_000),
      // Refused by the routes, with a reason.
      requireHostHeader: false,
    },
    begin,
  )
  server.on('clientError', (error: ClientError, socket: Duplex) => {
    const isAnswering = underWay
      .all()
      .some(({ response }) => response.socket === socket && response.headersSent)
    // What is written now would become a part of the answer.
    if (isAnswering || !socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else lastAnswer(socket, statusOf(error))
  })
  server.on('connect', (_request, socket) => lastAnswer(socket, 405))
  server.on('checkExpectation', (request, response) => {
    const description = 'Nothing but 100-continue can be expected.'
    refuse({ request, response }, { status: 417, name: 'HTTP_INVALID', description })
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  // Whoever asks before sending too much is told at once, and may then not be sending it on this connection.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (Number(request.headers['content-length'] ?? 0) <= options.maxBodyBytes) response.writeContinue()
    else response.setHeader('connection', 'close')
    begin(request, response)
  })
  // Node.js drops what is above without a word: one more shows that there are too many.
  server.maxHeadersCount = MAX_HEADERS + 1
  const url = await listen(server, options)

  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  function close(): Promise<void> {
    if (isDraining) return closed
    isDraining = true
    options.log.info('The service goes down.', { tasksUnderWay: underWay.size })
    const patience = setTimeout(() => {
      options.log.warn('Tasks under way are given up.', { tasks: underWay.size })
      for (const { callOff } of underWay.all()) callOff.abort()
      lastWords = setTimeout(() => server.closeAllConnections(), LAST_WORDS_MS)
    }, timeouts.drainMs)
    // Node.js closes connections that are idle, not those that never said a word.
    const settle = setTimeout(() => closeSilent(sockets, underWay.all()), SETTLE_MS)
    let lastWords: NodeJS.Timeout | undefined
    server.once('close', () => {
      clearTimeout(patience)
      clearTimeout(settle)
      clearTimeout(lastWords)
    })
    for (const { response } of underWay.all()) {
      if (!response.headersSent) response.setHeader('connection', 'close')
    }
    server.close()
    return closed
  }
  if (options.signal?.aborted === true) void close()
  options.signal?.addEventListener('abort', () => void close(), { once: true })

  const { port } = server.address() as AddressInfo
  return {
    url,
    port,
    closed,
    use(next) {
      service = next
    },
    close,
  }
}

function fail({ request, response, signal, labels }: Exchange, error: unknown, log: Logger): void {
  const { code, message } = toFlockError(error)
  const { status, body } = renderError(request, error)
  if (response.headersSent) {
    if (!response.destroyed) labels.lateStatus = status
    log.warn('An answer broke off.', { code, reason: message })
    response.destroy()
    return
  }
  if (signal.aborted && response.destroyed) return
  const level = status < 500 ? 'info' : status === 500 ? 'error' : 'warn'
  log[level]('A task was refused.', { code, status, reason: message })
  sendJson(response, status, body, retryAdvice(error, status))
}

type ClientError = Error & { readonly code?: string }

/** For what is no HTTP at all, too slow or too long in its headers. */
function statusOf({ code }: ClientError): number {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408
  return code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
}

/** Refuses what never became a request, and closes the connection. */
function lastAnswer(socket: Duplex, status: number): void {
  const reason = STATUS_CODES[status] ?? ''
  const body = JSON.stringify(httpError(status, 'HTTP_INVALID', `${reason}.`).body)
  const allow = status === 405 ? 'allow: GET, POST\r\n' : ''
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\n${allow}` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
  // Closing at once could take the answer back from a client that still sends; not all of them ever close.
  const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS)
  socket.once('close', () => clearTimeout(timer))
}

function closeSilent(sockets: ReadonlySet<Socket>, underWay: readonly UnderWay[]): void {
  const inUse = new Set(underWay.map(({ response }) => response.socket))
  for (const socket of sockets) if (!inUse.has(socket)) socket.destroy()
}

function closeWhenStalled(response: ServerResponse, stallMs: number): void {
  const isWithTheSystem = response.writableEnded && response.writableLength === 0
  if (isWithTheSystem || response.writableFinished || response.destroyed) return
  const timer = setTimeout(() => response.destroy(), stallMs)
  response.once('close', () => clearTimeout(timer))
}
