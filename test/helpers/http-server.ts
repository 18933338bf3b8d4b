import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TestServer {
  readonly port: number
  readonly url: string
  /** Bodies of the requests so far, in order. */
  readonly requests: readonly {
    readonly path: string
    readonly headers: IncomingMessage['headers']
    readonly body: string
  }[]
  readonly close: () => Promise<void>
}

/** A real HTTP server on a free port of the loopback. Without an answer the handler leaves the client waiting. */
export async function startHttpServer(
  handle: (body: string, response: ServerResponse, count: number) => void,
): Promise<TestServer> {
  const requests: { path: string; headers: IncomingMessage['headers']; body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
    request.on('end', () => {
      requests.push({ path: request.url ?? '', headers: request.headers, body })
      handle(body, response, requests.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { port, url: `http://127.0.0.1:${port}`, requests, close }
}

/** Answers as a JSON-RPC node does; `answer` gives the result, or throws `{ code, message, data }`. */
export function jsonRpc(
  answer: (method: string, params: readonly unknown[], count: number) => unknown,
): (body: string, response: ServerResponse, count: number) => void {
  return (body, response, count) => {
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] }
    response.setHeader('content-type', 'application/json')
    try {
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: answer(method, params, count) }))
    } catch (error) {
      response.end(JSON.stringify({ jsonrpc: '2.0', id, error }))
    }
  }
}

/** A port of the loopback on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = await startHttpServer(() => undefined)
  await server.close()
  return server.port
}
