import type { IncomingMessage, ServerResponse } from 'node:http'
import { FlockError } from '../errors.js'
import { DESTINATION, parseServiceInput } from '../infernet/payload.js'
import type { FlockWorkflow } from './flock-workflow.js'
import { httpError } from './http-errors.js'
import { readJsonBody, sendJson, sendText, writePiece } from './http.js'
import { describeResources, describeSupport } from './resources.js'

export interface RouteContext {
  readonly workflow: FlockWorkflow
  readonly version: string
  readonly maxBodyBytes: number
  /** How long a client may take nothing of a stream. */
  readonly stallMs: number
  readonly isDraining: () => boolean
}

/** One request under way; the signal aborts when its client goes away or the service gives up waiting for it. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly signal: AbortSignal
}

type Handler = (exchange: Exchange, url: URL, context: RouteContext) => void | Promise<void>

const ROUTES: Readonly<Record<string, { readonly method: 'GET' | 'POST'; readonly handle: Handler }>> = {
  '/': { method: 'GET', handle: liveness },
  '/health': { method: 'GET', handle: health },
  '/service-resources': { method: 'GET', handle: resources },
  '/service_output': { method: 'POST', handle: serviceOutput },
}

/**
 * Answers one request. Writes to the response or throws before anything was written, but for a stream that breaks.
 * @throws TASK_NOT_FOUND, and what the routes throw
 */
export async function handleRequest(exchange: Exchange, context: RouteContext): Promise<void> {
  const { request, response } = exchange
  const url = parseTarget(request.url ?? '/')
  const route = url !== null && Object.hasOwn(ROUTES, url.pathname) ? ROUTES[url.pathname] : undefined
  if (url === null || route === undefined) {
    throw new FlockError('TASK_NOT_FOUND', 'There is no such route.', {
      hint: `Routes: ${Object.keys(ROUTES).join(', ')}.`,
    })
  }
  const method = request.method === 'HEAD' ? 'GET' : request.method
  if (method !== route.method) {
    const error = httpError(405, 'METHOD_NOT_ALLOWED', `${url.pathname} takes ${route.method} requests.`)
    sendJson(response, error.status, error.body, { allow: route.method })
    return
  }
  await route.handle(exchange, url, context)
}

function liveness({ response }: Exchange, _url: URL, { workflow }: RouteContext): void {
  const names = workflow.models.map(({ name }) => name).join(', ')
  sendText(response, 200, `FlockWorkflow serves ${names === '' ? 'no model' : names}.\n`)
}

function health({ response }: Exchange, _url: URL, { isDraining }: RouteContext): void {
  if (isDraining()) sendJson(response, 503, { status: 'draining' })
  else sendJson(response, 200, { status: 'healthy' })
}

function resources({ response }: Exchange, url: URL, { workflow, version }: RouteContext): void {
  const wanted = url.searchParams.get('model_id')
  const body =
    wanted === null ? describeResources(workflow.models, version) : describeSupport(workflow.models, wanted)
  sendJson(response, 200, body)
}

async function serviceOutput(exchange: Exchange, _url: URL, context: RouteContext): Promise<void> {
  const { request, response, signal } = exchange
  if (context.isDraining()) {
    throw new FlockError('SERVICE_UNREACHABLE', 'The service is shutting down and takes no new tasks.')
  }
  const input = parseServiceInput(await readJsonBody(request, context.maxBodyBytes))
  if (input.destination !== DESTINATION.stream) {
    sendJson(response, 200, await context.workflow.run(input, signal))
    return
  }
  await streamText(response, context.workflow.stream(input, signal), context.stallMs)
}

/** The first piece decides between an answer and an error; a stream that breaks later is cut, never ended. */
async function streamText(
  response: ServerResponse,
  pieces: AsyncGenerator<string>,
  stallMs: number,
): Promise<void> {
  const first = await pieces.next()
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  if (first.done !== true) {
    await writePiece(response, first.value, stallMs)
    for await (const piece of pieces) await writePiece(response, piece, stallMs)
  }
  response.end()
}

/** Clients choose the request target: `//x` and `http://x/` must not be taken for hosts. */
function parseTarget(target: string): URL | null {
  const base = 'http://service.invalid'
  return target.startsWith('/') && URL.canParse(base + target) ? new URL(base + target) : null
}
