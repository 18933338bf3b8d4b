import { connect } from 'node:net'

/** How the bytes of a request go out. */
export type Manner =
  /** All at once, then the answer is waited for. */
  | 'whole'
  /** All at once, then the client's side is closed. */
  | 'closed'
  /** All at once, then the connection is torn down. */
  | 'reset'
  /** Byte by byte, as slowly as a client can be; the last one is repeated without end. */
  | 'slow'

export interface RawAnswer {
  /** Null when the connection was closed without a word. */
  readonly status: number | null
  readonly head: string
  readonly body: string
  /** How often an answer begins in all that was received. */
  readonly answers: number
}

const DRIP_MS = 25

/** Sends raw bytes over a connection of their own and reads until the server closes it. */
export async function sendRaw(port: number, bytes: Buffer, manner: Manner = 'whole'): Promise<RawAnswer> {
  const received: Buffer[] = []
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => begin())
    let drip: NodeJS.Timeout | undefined
    socket.on('data', (part: Buffer) => {
      received.push(part)
      // Whatever the server takes for a further request is answered before it closes.
      if (isWhole(Buffer.concat(received).toString('latin1'))) socket.end()
    })
    // The server may close before all was sent.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      clearInterval(drip)
      resolve()
    })
    function begin(): void {
      if (manner === 'whole') socket.write(bytes)
      else if (manner === 'closed') socket.end(bytes)
      else if (manner === 'reset') socket.write(bytes, () => socket.resetAndDestroy())
      else {
        let at = 0
        drip = setInterval(() => {
          const next = Math.min(at, bytes.length - 1)
          at += 1
          if (bytes.length > 0) socket.write(bytes.subarray(next, next + 1))
        }, DRIP_MS)
      }
    }
  })
  const text = Buffer.concat(received).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const head = end < 0 ? text : text.slice(0, end)
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(head) ?? []
  return {
    status: status === undefined ? null : Number(status),
    head,
    body: end < 0 ? '' : Buffer.from(text.slice(end + 4), 'latin1').toString('utf8'),
    answers: text.match(/HTTP\/1\.1 \d{3} /g)?.length ?? 0,
  }
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end)) ?? []
  return end >= 0 && length !== undefined && text.length - end - 4 >= Number(length)
}

export interface RequestParts {
  readonly method?: string
  readonly target?: string
  /** Lines of the head behind the request line, without `host`. */
  readonly headers?: readonly string[]
  readonly body?: string | Buffer
  readonly version?: string
}

/** A request as bytes, with the length of its body; nothing is escaped or checked. */
export function rawRequest({
  method = 'GET',
  target = '/',
  headers = [],
  body,
  version = 'HTTP/1.1',
}: RequestParts): Buffer {
  const bytes = Buffer.from(body ?? '')
  const length = body === undefined ? [] : [`content-length: ${bytes.length}`]
  const lines = [`${method} ${target} ${version}`, 'host: localhost', ...headers, ...length]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}
