import http, { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { readTextFrames } from './text-frames.js'

export interface RpcCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/**
 * What becomes of a call: `pass` it on; `refuse` it with HTTP 503; `hang` without an answer; `drop` passes it on and
 * breaks the connection instead of handing the answer back; `truncate` breaks it in the middle of the answer; `cut` ends
 * the answer's text early; `wrongId` answers another question; a status answers with it alone; stale answers tell of a
 * head some blocks back.
 */
export type RpcFate =
  | 'pass'
  | 'refuse'
  | 'hang'
  | 'drop'
  | 'truncate'
  | 'cut'
  | 'wrongId'
  | { readonly status: number; readonly retryAfter?: string }
  | { readonly staleBlocks: number }

export interface RpcProxy {
  readonly url: string
  /** The same for a WebSocket, over which calls are passed on and counted, whatever `decide` says. */
  readonly socketUrl: string
  /** Calls so far, in order. */
  readonly calls: readonly RpcCall[]
  /** Decides from now on. */
  decide(fate: (call: RpcCall) => RpcFate): void
  /** Breaks every WebSocket that is open. */
  dropSockets(): void
  /** Whether new ones are let in. */
  letSocketsIn(isOpen: boolean): void
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
      else if (typeof fate === 'object' && 'status' in fate) {
        const { status, retryAfter } = fate
        response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end()
      } else void forward(targetUrl, body, response, fate)
    })
  })
  const sockets = new Set<Socket>()
  let isOpen = true
  server.on('upgrade', (request: IncomingMessage, client: Socket) => {
    if (!isOpen) {
      client.destroy()
      return
    }
    const { hostname, port } = new URL(targetUrl)
    const target = connect(Number(port), hostname, () => {
      const headers = request.rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`))
      target.write(`GET ${request.url ?? '/'} HTTP/1.1\r\n${headers.join('')}\r\n`)
      readTextFrames(client, (text) => calls.push(JSON.parse(text) as RpcCall))
      client.pipe(target)
      target.pipe(client)
    })
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const dropSockets = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${port}`,
    socketUrl: `ws://127.0.0.1:${port}`,
    calls,
    decide: (fate) => {
      decide = fate
    },
    dropSockets,
    letSocketsIn: (isLetIn) => {
      isOpen = isLetIn
    },
    close: () =>
      new Promise((resolve) => {
        dropSockets()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function forward(
  targetUrl: string,
  body: string,
  response: ServerResponse,
  fate: RpcFate,
): Promise<void> {
  try {
    const call = JSON.parse(body) as RpcCall & { readonly id: number }
    const asked =
      typeof fate === 'object' && 'staleBlocks' in fate ? await stale(targetUrl, call, fate) : call
    const { status, text } = await post(targetUrl, JSON.stringify(asked))
    if (fate === 'drop') return void response.destroy()
    const answer = fate === 'wrongId' ? text.replace(/"id":\d+/, '"id":123456789') : text
    const half = answer.slice(0, Math.floor(answer.length / 2))
    response.writeHead(status, {
      'content-type': 'application/json',
      ...(fate === 'cut' ? {} : { 'content-length': Buffer.byteLength(answer) }),
    })
    if (fate === 'truncate') response.write(half, () => response.destroy())
    else response.end(fate === 'cut' ? half : answer)
  } catch {
    response.destroy()
  }
}

/** A question for the head, as one for the head of some blocks ago. */
async function stale<T extends RpcCall>(
  targetUrl: string,
  call: T,
  { staleBlocks }: { readonly staleBlocks: number },
): Promise<T> {
  if (call.method !== 'eth_getBlockByNumber' || call.params[0] !== 'latest') return call
  const { text } = await post(
    targetUrl,
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_blockNumber', params: [] }),
  )
  const head = Number((JSON.parse(text) as { result: string }).result)
  return { ...call, params: [`0x${Math.max(0, head - staleBlocks).toString(16)}`, false] }
}

function post(url: string, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const request = http.request(url, { method: 'POST', headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.once('end', () => resolve({ status: answer.statusCode ?? 502, text }))
    })
    request.once('error', reject)
    request.end(body)
  })
}
