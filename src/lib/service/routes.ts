import type { IncomingMessage } from 'node:http'
import { FlockError } from '../errors.js'
import { DESTINATION, parseServiceInput } from '../infernet/payload.js'
import type { HostReport } from '../router/forward.js'
import type { HostRoute } from '../router/operation.js'
import type { Exchange } from './exchange.js'
import type { FlockWorkflow } from './flock-workflow.js'
import { httpError, renderHttpError } from './http-errors.js'
import { readJsonBody, sendJson, sendText, writePiece } from './http.js'
import { isLoopbackAuthority } from './loopback.js'
import type { ServiceMetrics } from './metrics.js'
import { openAiError, renderOpenAiError } from './openai-errors.js'
import type { OpenAiFace } from './openai-face.js'
import { describeResources, describeSupport } from './resources.js'

/** What a server serves; a reload puts another one in its place. */
export interface Service {
  readonly workflow: FlockWorkflow
  readonly face: OpenAiFace
  /** What is known of the hosts of its models. */
  readonly hosts: () => readonly HostReport[]
  readonly metrics: Pick<ServiceMetrics, 'requestEnded' | 'render'>
  /** True when it asks nobody for a key because this machine alone reaches it. */
  readonly isLocal: boolean
}

export interface RouteContext {
  readonly service: Service
  readonly version: string
  readonly maxBodyBytes: number
  /** How long a client may take nothing of a stream. */
  readonly stallMs: number
  readonly isDraining: () => boolean
}

type Handler = (exchange: Exchange, url: URL, context: RouteContext) => void | Promise<void>

interface Route {
  readonly method: 'GET' | 'POST'
  readonly handle: Handler
}

const ROUTES: Readonly<Record<string, Route>> = {
  '/': { method: 'GET', handle: liveness },
  '/health': { method: 'GET', handle: health },
  '/ready': { method: 'GET', handle: readiness },
  '/metrics': { method: 'GET', handle: metrics },
  '/service-resources': { method: 'GET', handle: resources },
  '/service_output': { method: 'POST', handle: serviceOutput },
  '/v1/models': { method: 'GET', handle: models },
  '/v1/usage': { method: 'GET', handle: usage },
  '/v1/chat/completions': { method: 'POST', handle: relay('chat/completions') },
  '/v1/completions': { method: 'POST', handle: relay('completions') },
  '/v1/embeddings': { method: 'POST', handle: relay('embeddings') },
}

/** Every route there is, for metrics. */
export const ROUTE_NAMES: readonly string[] = Object.keys(ROUTES)

/** Nearly all requests are for a path as it is listed: parsing it each time would be the most of finding its route. */
const PLAIN_TARGETS: ReadonlyMap<string, URL> = new Map(
  ROUTE_NAMES.map((path) => [path, new URL(path, 'http://service.invalid')]),
)

/** Headers of a request that are looked at; clients and proxies send some twenty. */
export const MAX_HEADERS = 200

const OPENAI_PREFIX = '/v1/'
const MODEL_PREFIX = '/v1/models/'

/**
 * Answers one request. Writes to the response or throws before anything was written, but for a stream that breaks.
 * @throws TASK_NOT_FOUND, and what the routes throw
 */
export async function handleRequest(exchange: Exchange, context: RouteContext): Promise<void> {
  const { request } = exchange
  const target = request.url ?? '/'
  const fault = faultOfHead(request, context.service)
  if (fault !== null) {
    refuse(exchange, fault)
    return
  }
  const url = PLAIN_TARGETS.get(target) ?? parseTarget(target)
  const name = url === null ? null : routeName(url)
  const route = name === null ? undefined : ROUTES[name]
  if (url === null || route === undefined) {
    throw new FlockError('TASK_NOT_FOUND', 'There is no such route.', {
      hint: `Routes: ${Object.keys(ROUTES).join(', ')}.`,
    })
  }
  const method = request.method === 'HEAD' ? 'GET' : request.method
  if (method !== route.method) {
    refuse(exchange, {
      status: 405,
      name: 'METHOD_NOT_ALLOWED',
      description: `${name} takes ${route.method} requests.`,
      headers: { allow: route.method },
    })
    return
  }
  await route.handle(exchange, url, context)
}

/** Turns whatever was thrown into what whoever asked understands: SDKs of OpenAI's API, or nodes of Infernet. */
export function renderError({ url = '/' }: IncomingMessage, error: unknown) {
  return url.startsWith(OPENAI_PREFIX) ? renderOpenAiError(error) : renderHttpError(error)
}

/** What is wrong with a request before anything is known of its route; no error code exists for it. */
export interface HttpFault {
  readonly status: number
  readonly name: string
  readonly description: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Answers a fault as `renderError` would an error. */
export function refuse(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  fault: HttpFault,
): void {
  const { status, name, description, headers } = fault
  const isForSdks = request.url?.startsWith(OPENAI_PREFIX) === true
  const { body } = isForSdks ? openAiError(status, name, description) : httpError(status, name, description)
  sendJson(response, status, body, headers)
}

/** What is wrong with the headers, or null. HTTP of before 1.1 has no `host` (RFC 9112, section 3.2). */
function faultOfHead(
  { headers: { host }, httpVersion, rawHeaders }: IncomingMessage,
  { isLocal }: Service,
): HttpFault | null {
  if (rawHeaders.length > 2 * MAX_HEADERS) {
    return {
      status: 431,
      name: 'HTTP_INVALID',
      description: `More than ${MAX_HEADERS} headers are not taken.`,
    }
  }
  if (hasTwoHosts(rawHeaders) || (host === undefined && httpVersion !== '1.0')) {
    return {
      status: 400,
      name: 'HTTP_INVALID',
      description: 'A request has exactly one host header.',
      headers: { connection: 'close' },
    }
  }
  if (!isLocal || host === undefined || isLoopbackAuthority(host)) return null
  return {
    status: 403,
    name: 'HOST_FORBIDDEN',
    description:
      'This service asks for no keys, so it answers those alone who call it by a name of its machine, as localhost. To reach it by other names, name clients in service.clients.',
  }
}

/** @param rawHeaders names and values in turn */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1
  }
  return count > 1
}

/** The route of a request, for metrics: its path, or `other`. */
export function routeOf({ url = '/' }: IncomingMessage): string {
  if (PLAIN_TARGETS.has(url)) return url
  const target = parseTarget(url)
  return (target === null ? null : routeName(target)) ?? 'other'
}

/** The name of a model is part of a path. */
function routeName({ pathname }: URL): string | null {
  if (pathname.startsWith(MODEL_PREFIX) && pathname.length > MODEL_PREFIX.length) return '/v1/models'
  return Object.hasOwn(ROUTES, pathname) ? pathname : null
}

function liveness({ response }: Exchange, _url: URL, { service }: RouteContext): void {
  const names = service.workflow.models.map(({ name }) => name).join(', ')
  sendText(response, 200, `FlockWorkflow serves ${names === '' ? 'no model' : names}.\n`)
}

/** Unhealthy when only a start mends it, which is what supervisors do then. The reason may name folders: it is logged. */
function health({ response }: Exchange, _url: URL, { service, isDraining }: RouteContext): void {
  const { fault } = service.workflow
  if (isDraining()) sendJson(response, 503, { status: 'draining' })
  else if (fault !== null) sendJson(response, 503, { status: 'unhealthy', code: fault.code })
  else sendJson(response, 200, { status: 'healthy' })
}

/** Ready when each model has a host that is not known to be down: what a load balancer wants to know. */
function readiness({ response }: Exchange, _url: URL, { service, isDraining }: RouteContext): void {
  if (isDraining()) {
    sendJson(response, 503, { status: 'draining' })
    return
  }
  const up = new Set(service.hosts().flatMap(({ model, circuit }) => (circuit === 'open' ? [] : [model])))
  const down = service.workflow.models.map(({ name }) => name).filter((name) => !up.has(name))
  if (down.length === 0) sendJson(response, 200, { status: 'ready' })
  else sendJson(response, 503, { status: 'not ready', models: down })
}

async function metrics({ response }: Exchange, _url: URL, { service }: RouteContext): Promise<void> {
  const { contentType, body } = await service.metrics.render()
  sendText(response, 200, body, contentType)
}

function models(exchange: Exchange, url: URL, { service }: RouteContext): void {
  const name = url.pathname.slice(MODEL_PREFIX.length)
  service.face.listModels(exchange, name === '' ? null : decoded(name))
}

async function usage(exchange: Exchange, url: URL, { service }: RouteContext): Promise<void> {
  await service.face.reportUsage(exchange, url.searchParams)
}

function relay(route: HostRoute): Handler {
  return async (exchange, _url, context) => {
    if (context.isDraining()) throw shuttingDown()
    await context.service.face.answer(route, exchange, context)
  }
}

function shuttingDown(): FlockError {
  return new FlockError('SERVICE_UNREACHABLE', 'The service is shutting down and takes no new tasks.')
}

function resources({ response }: Exchange, url: URL, { service, version }: RouteContext): void {
  const { workflow } = service
  const wanted = url.searchParams.get('model_id')
  const body =
    wanted === null ? describeResources(workflow.models, version) : describeSupport(workflow.models, wanted)
  sendJson(response, 200, body)
}

async function serviceOutput(exchange: Exchange, _url: URL, context: RouteContext): Promise<void> {
  const { request, response, signal } = exchange
  if (context.isDraining()) throw shuttingDown()
  const input = parseServiceInput(await readJsonBody(request, context.maxBodyBytes))
  if (input.destination !== DESTINATION.stream) {
    sendJson(response, 200, await context.service.workflow.run(input, signal))
    return
  }
  await streamText(exchange, context.service.workflow.stream(input, signal), context.stallMs)
}

/** The first piece decides between an answer and an error; a stream that breaks later is cut, never ended. */
async function streamText(
  { response, streamBegins }: Exchange,
  pieces: AsyncGenerator<string>,
  stallMs: number,
): Promise<void> {
  const first = await pieces.next()
  streamBegins()
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  if (first.done !== true) {
    await writePiece(response, first.value, stallMs)
    for await (const piece of pieces) await writePiece(response, piece, stallMs)
  }
  response.end()
}

/** Names of models need no escapes; one that is not well-formed names none. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Clients choose the request target: `//x` and `http://x/` must not be taken for hosts. */
function parseTarget(target: string): URL | null {
  const base = 'http://service.invalid'
  return target.startsWith('/') && URL.canParse(base + target) ? new URL(base + target) : null
}
