import http, { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RpcCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/**
 * What becomes of a call: `pass` it on; `refuse` it with HTTP 503; `hang` without an answer; `drop` passes it on and
 * breaks the connection instead of handing the answer back.
 */
export type RpcFate = 'pass' | 'refuse' | 'hang' | 'drop'

export interface RpcProxy {
  readonly url: string
  /** Calls so far, by method. */
  readonly calls: readonly RpcCall[]
  /** Decides from now on. */
  decide(fate: (call: RpcCall) => RpcFate): void
  close(): Promise<void>
}

/** Stands between a client and a JSON-RPC endpoint and spoils what it is told to. */
export async function startRpcProxy(targetUrl: string): Promise<RpcProxy> {
  const calls: RpcCall[] = []
  let decide: (call: RpcCall) => RpcFate = () => 'pass'
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
    request.on('end', () => {
      const call = JSON.parse(body) as RpcCall
      calls.push(call)
      const fate = decide(call)
      if (fate === 'hang') return
      if (fate === 'refuse') response.writeHead(503).end()
      else forward(targetUrl, body, response, fate === 'drop')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    decide: (fate) => {
      decide = fate
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function forward(targetUrl: string, body: string, response: ServerResponse, isDropped: boolean): void {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const request = http.request(targetUrl, { method: 'POST', headers }, (answer) => {
    if (isDropped) {
      answer.resume().once('end', () => response.destroy())
      return
    }
    response.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json' })
    answer.pipe(response)
  })
  request.once('error', () => response.destroy())
  request.end(body)
}
