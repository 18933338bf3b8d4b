import { Agent, request } from 'node:http'

/** What became of a request. */
export interface Reply {
  /** 0 when there was no answer at all. */
  readonly status: number
  readonly text: string
  /** False when the connection was lost before the answer had come to its end. */
  readonly isWhole: boolean
}

/** Sends JSON to one server over kept connections. */
export interface HttpClient {
  post(path: string, body: unknown): Promise<Reply>
  close(): void
}

export function createHttpClient(url: string, connections: number): HttpClient {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    async post(path, body) {
      const text = JSON.stringify(body)
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
      return new Promise((resolve) => {
        const outgoing = request({ agent, hostname, port, path, method: 'POST', headers }, (incoming) => {
          const status = incoming.statusCode ?? 0
          let received = ''
          incoming.setEncoding('utf8')
          incoming.on('data', (part: string) => (received += part))
          incoming.on('error', () => undefined)
          incoming.on('close', () => resolve({ status, text: received, isWhole: incoming.complete }))
        })
        outgoing.on('error', () => resolve({ status: 0, text: '', isWhole: false }))
        outgoing.end(text)
      })
    },
    close: () => agent.destroy(),
  }
}

/** Does `count` pieces of work, so many at once. */
export async function inParallel(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
