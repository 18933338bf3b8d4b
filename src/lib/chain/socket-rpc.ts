/** Sends JSON-RPC over a WebSocket, which is opened anew when it breaks, and takes the heads that are pushed over it. */
import type { WebSocket as Socket } from 'undici'
import { messageOf } from '../errors.js'
import { backoffMs } from '../retry.js'
import type { Endpoint } from './endpoint.js'
import { isTransientRefusal } from './refusal.js'
import {
  toReply,
  unreachable,
  type Exchanged,
  type HeadFeed,
  type JsonRpcCall,
  type JsonRpcReply,
  type RpcHeader,
  type Transport,
} from './rpc.js'

interface Waiting {
  readonly call: JsonRpcCall
  readonly resolve: (reply: JsonRpcReply) => void
  readonly reject: (error: unknown) => void
}

/** Proxies in between close connections without traffic after a minute or so. */
const PING_MS = 20_000
/** Longer handshakes are given up, so that the next try can begin. */
const OPEN_TIMEOUT_MS = 10_000
const RETRY = { delayMs: 250, maxDelayMs: 10_000 }

export function createSocketRpc(endpoint: Endpoint): Transport {
  const waiting = new Map<number, Waiting>()
  const listeners = new Set<(header: RpcHeader) => void>()
  let opening: Promise<Socket> | null = null
  let isClosed = false
  let breaks = 0
  /** Id that the endpoint gave the subscription; null while there is none. */
  let subscription: string | null = null
  let subscribedOn: Socket | null = null
  /** Takes the connection for broken. */
  let drop: (reason: string) => void = () => undefined
  let reopening: NodeJS.Timeout | undefined
  /** Ids of our own calls count down, those of the callers are above zero. */
  let ownId = 0

  function connected(): Promise<Socket> {
    opening ??= open().then(
      (socket) => {
        breaks = 0
        return socket
      },
      (error: unknown) => {
        opening = null
        comeBack()
        throw error
      },
    )
    return opening
  }

  async function open(): Promise<Socket> {
    // Loaded when it is needed: commands that use no WebSocket start without it.
    const { WebSocket, ping } = await import('undici')
    const url = new URL(endpoint.url)
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    const headers = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
    url.username = ''
    url.password = ''
    const socket = new WebSocket(url, credentials === ':' ? {} : { headers })
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => lose('the connection was not opened in time'), OPEN_TIMEOUT_MS)
      const pinging = setInterval(() => socket.readyState === socket.OPEN && ping(socket), PING_MS)
      let isLost = false
      const lose = (reason: string) => {
        if (isLost) return
        isLost = true
        clearTimeout(timer)
        clearInterval(pinging)
        reject(unreachable(endpoint, reason, reason))
        lost(reason)
        socket.close()
      }
      drop = lose
      socket.addEventListener('open', () => {
        clearTimeout(timer)
        resolve(socket)
        if (listeners.size > 0) subscribe(socket)
      })
      socket.addEventListener('message', ({ data }) => isLost || receive(data))
      socket.addEventListener('error', (event) => lose(messageOf(event.error ?? 'the connection failed')))
      socket.addEventListener('close', ({ code }) => lose(`the connection was closed, code ${code}`))
    })
  }

  /** What was asked has no answer now; whoever asked may ask again. */
  function lost(reason: string): void {
    opening = null
    subscription = null
    const unanswered = [...waiting.values()]
    waiting.clear()
    for (const { reject } of unanswered) reject(unreachable(endpoint, reason, reason))
    comeBack()
  }

  /** Listeners keep the connection up; for calls it is opened when one is made. */
  function comeBack(): void {
    if (isClosed || listeners.size === 0 || reopening !== undefined) return
    breaks += 1
    reopening = setTimeout(
      () => {
        reopening = undefined
        if (!isClosed) connected().catch(() => undefined)
      },
      backoffMs(breaks, RETRY),
    )
  }

  function receive(data: unknown): void {
    const message = parse(data)
    if (message === null) return
    const { id, method, params } = message
    if (method === 'eth_subscription') return push(params)
    const asked = waiting.get(Number(id))
    const reply = asked === undefined ? null : toReply(message, asked.call.id)
    if (asked === undefined || reply === null) return
    waiting.delete(asked.call.id)
    asked.resolve(reply)
  }

  function push(params: unknown): void {
    const { subscription: id, result } = (params ?? {}) as { subscription?: unknown; result?: RpcHeader }
    if (id !== subscription || typeof result?.hash !== 'string' || typeof result.number !== 'string') return
    for (const listen of listeners) listen(result)
  }

  function subscribe(socket: Socket): void {
    if (subscribedOn === socket) return
    subscribedOn = socket
    ownId -= 1
    const call = { jsonrpc: '2.0', id: ownId, method: 'eth_subscribe', params: ['newHeads'] } as const
    ask(socket, call).then(
      (reply) => {
        // An endpoint that refuses is asked for its heads like one without WebSocket.
        if ('result' in reply && typeof reply.result === 'string') subscription = reply.result
      },
      () => undefined,
    )
  }

  function ask(socket: Socket, call: JsonRpcCall): Promise<JsonRpcReply> {
    return new Promise((resolve, reject) => {
      waiting.set(call.id, { call, resolve, reject })
      socket.send(JSON.stringify(call))
    })
  }

  async function exchange(call: JsonRpcCall, stop: AbortSignal): Promise<Exchanged> {
    const reply = await abortable(
      connected().then((socket) => ask(socket, call)),
      stop,
      () => {
        // A connection over which an answer does not come may be dead without anybody having said so.
        if (waiting.delete(call.id)) drop('no answer in time')
        return unreachable(endpoint, 'no answer in time', stop.reason)
      },
    )
    const isLimited = 'error' in reply && isTransientRefusal(reply.error)
    return { reply, isLimited, retryAfterMs: null }
  }

  const heads: HeadFeed = {
    isLive: () => subscription !== null,
    listen(onHead) {
      listeners.add(onHead)
      if (!isClosed) connected().then(subscribe, () => undefined)
      return () => listeners.delete(onHead)
    },
  }
  return {
    endpoint,
    heads,
    exchange,
    close() {
      isClosed = true
      clearTimeout(reopening)
      listeners.clear()
      drop('the connection was closed')
    },
  }
}

function parse(data: unknown): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(typeof data === 'string' ? data : '')
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null
  } catch {
    return null
  }
}

/** Settles as the promise does, or with the error of `onAbort` once the signal aborts. */
function abortable<T>(promise: Promise<T>, stop: AbortSignal, onAbort: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(onAbort())
    if (stop.aborted) abort()
    stop.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => stop.removeEventListener('abort', abort))
  })
}
