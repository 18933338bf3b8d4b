import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as the fake host got it. */
export interface HostRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Record<string, unknown>
}

/** Writes an answer, or none. */
export type HostAnswer = (response: ServerResponse, request: HostRequest) => void

/** A loopback model server whose answers a test chooses. */
export interface FakeHost {
  /** Without a path; routes are under `/v1`. */
  readonly url: string
  readonly baseUrl: string
  readonly requests: HostRequest[]
  /** TCP connections opened so far. */
  readonly connections: () => number
  /** Requests whose client went away before the answer was complete. */
  readonly abandoned: () => number
  /** Sets what is answered from now on; a list is used up first, its last entry stays. */
  answerWith(...answers: readonly HostAnswer[]): void
  close(): Promise<void>
}

export async function startFakeHost(...answers: readonly HostAnswer[]): Promise<FakeHost> {
  const requests: HostRequest[] = []
  let queue = [...answers]
  let connections = 0
  let abandoned = 0
  const server = createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const request = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body,
      }
      requests.push(request)
      response.on('close', () => {
        if (!response.writableFinished) abandoned += 1
      })
      const answer = queue.length > 1 ? queue.shift() : queue[0]
      if (answer === undefined) throw new Error('the fake host has nothing to answer')
      answer(response, request)
    })
  })
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    baseUrl: `${url}/v1`,
    requests,
    connections: () => connections,
    abandoned: () => abandoned,
    answerWith: (...next) => (queue = [...next]),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A chat completion; `null` leaves the usage out. */
export function completion(
  text: string | null,
  usage: unknown = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
  finishReason = 'stop',
): HostAnswer {
  return json(200, {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: 'fake',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: finishReason }],
    ...(usage === null ? {} : { usage }),
  })
}

export function json(status: number, body: unknown): HostAnswer {
  return raw(status, JSON.stringify(body), { 'content-type': 'application/json' })
}

export function raw(status: number, body: string | Buffer, headers: Record<string, string> = {}): HostAnswer {
  return (response) => response.writeHead(status, headers).end(body)
}

/** Takes the request and never answers. */
export const silence: HostAnswer = () => undefined

/** Closes the connection, after `sent` bytes of an answer if given. */
export function cut(sent?: string): HostAnswer {
  return (response) => {
    if (sent === undefined) response.destroy()
    else response.writeHead(200, { 'content-length': '100000' }).write(sent, () => response.destroy())
  }
}

/** Holds answers back until a test lets them go. */
export interface Gate {
  readonly hold: (answer: HostAnswer) => HostAnswer
  /** How many answers wait. */
  readonly held: () => number
  /** Lets the longest held answer go. */
  next(): void
  /** Lets all go that wait, and all that come. */
  open(): void
}

export function createGate(): Gate {
  const waiting: (() => void)[] = []
  let isOpen = false
  return {
    hold: (answer) => (response, request) => {
      if (isOpen) answer(response, request)
      else waiting.push(() => answer(response, request))
    },
    held: () => waiting.length,
    next: () => waiting.shift()?.(),
    open() {
      isOpen = true
      for (const letGo of waiting.splice(0)) letGo()
    },
  }
}

/** Server-sent chunks as they are given, each in a write of its own, then the end. */
export function events(...chunks: readonly unknown[]): HostAnswer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const chunk of chunks) response.write(`data: ${JSON.stringify(chunk)}\n\n`)
    response.end('data: [DONE]\n\n')
  }
}

/** How a stream of the fake host ends. */
export type StreamEnd = 'done' | 'silence' | 'cut' | 'noDone'

/** Server-sent chunks of text, each in a write of its own, then the usage (unless null) and the end. */
export function stream(
  texts: readonly string[],
  usage: unknown = { prompt_tokens: 5, completion_tokens: texts.length },
  end: StreamEnd = 'done',
): HostAnswer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const send = (chunk: unknown) => response.write(`data: ${JSON.stringify(chunk)}\n\n`)
    for (const content of texts) send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
    if (end === 'silence') return
    if (end === 'cut') {
      response.write('data: {"choi', () => response.destroy())
      return
    }
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
    if (usage !== null) send({ choices: [], usage })
    response.end(end === 'done' ? 'data: [DONE]\n\n' : '')
  }
}

async function readBody(incoming: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString('utf8')
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}
