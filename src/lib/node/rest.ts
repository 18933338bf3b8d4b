/** The node's REST face: the routes and bodies of the reference node that tell how it is. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FlockError } from '../errors.js'
import type { Address } from '../hex.js'
import type { JsonValue } from '../json.js'
import type { NodeContainer } from '../infernet/node-config.js'

/** The version of the reference node whose routes these are. */
export const REFERENCE_VERSION = '1.4.0'

export interface NodeStatus {
  readonly address: Address
  readonly containers: readonly NodeContainer[]
  /** Intervals under way. */
  readonly pendingOnChain: number
}

export interface RestFace {
  readonly port: number
  close(): Promise<void>
}

export interface RestOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly status: () => NodeStatus
  /** Answers what is no route of the reference node, and says whether it did. */
  readonly own?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** @throws PORT_IN_USE, PERMISSION_DENIED */
export async function openRest({ host, port, status, own }: RestOptions): Promise<RestFace> {
  const routes: Readonly<Record<string, () => JsonValue>> = {
    '/health': () => ({ status: 'healthy' }),
    '/info': () => renderInfo(status()),
  }
  const server = createServer((request, response) => {
    if (own?.(request, response) !== true) answer(request, response, routes)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenFault(error, host, port)))
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Keys in alphabetical order, as the reference sorts them. */
function renderInfo({ address, containers, pendingOnChain }: NodeStatus): JsonValue {
  return {
    chain: { address, enabled: true },
    containers: containers.map(({ id, description, external, image }) => ({
      description,
      external,
      id,
      image,
    })),
    pending: { offchain: 0, onchain: pendingOnChain },
    version: REFERENCE_VERSION,
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Readonly<Record<string, () => JsonValue>>,
): void {
  const path = (request.url ?? '').split('?')[0] ?? ''
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  request.resume()
  if (route === undefined) send(response, 404, { error: 'Not Found' })
  else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    send(response, 405, { error: 'Method Not Allowed' })
  } else send(response, 200, route())
}

function send(response: ServerResponse, status: number, body: JsonValue): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
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
