// Stands between a node and its chain, hands everything on as it is, and counts the calls. HTTP and WebSocket.
import http from 'node:http'
import { connect } from 'node:net'

/**
 * @param {number} chainPort
 * @param {(call: { method: string, params: unknown[], atMs: number }) => void} onCall
 * @returns {Promise<{ port: number, close(): void }>}
 */
export function startRpcMeter(chainPort, onCall) {
  const agent = new http.Agent({ keepAlive: true })
  const tell = (text) => {
    const atMs = performance.now()
    for (const { method, params = [] } of [JSON.parse(text)].flat()) onCall({ method, params, atMs })
  }

  const server = http.createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts)
      tell(body.toString('utf8'))
      const { method, url, headers } = request
      const forwarded = http.request(
        { port: chainPort, host: '127.0.0.1', method, path: url, headers, agent },
        (answer) => {
          response.writeHead(answer.statusCode, answer.headers)
          answer.pipe(response)
        },
      )
      forwarded.on('error', () => response.destroy())
      forwarded.end(body)
    })
  })
  const sockets = new Set()
  server.on('upgrade', (request, socket, head) => {
    const chain = connect(chainPort, '127.0.0.1', () => {
      const lines = request.rawHeaders.flatMap((text, at, all) =>
        at % 2 === 0 ? [`${text}: ${all[at + 1]}`] : [],
      )
      chain.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
      const read = createFrameReader(tell)
      if (head.length > 0) {
        read(head)
        chain.write(head)
      }
      socket.on('data', read)
      socket.pipe(chain)
      chain.pipe(socket)
    })
    for (const end of [socket, chain]) {
      sockets.add(end)
      end.on('error', () => end.destroy())
      end.on('close', () => {
        socket.destroy()
        chain.destroy()
      })
    }
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: server.address().port,
        close() {
          agent.destroy()
          for (const socket of sockets) socket.destroy()
          server.closeAllConnections()
          server.close()
        },
      })
    })
  })
}

/** Reads the texts that a WebSocket client sends (RFC 6455, section 5.2): frames of clients are always masked. */
function createFrameReader(onText) {
  let rest = Buffer.alloc(0)
  let message = []
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    for (let frame = nextFrame(rest); frame !== null; frame = nextFrame(rest)) {
      rest = rest.subarray(frame.size)
      if (frame.isControl) continue
      message.push(frame.payload)
      if (!frame.isLast) continue
      onText(Buffer.concat(message).toString('utf8'))
      message = []
    }
  }
}

function nextFrame(bytes) {
  if (bytes.length < 2) return null
  const short = bytes[1] & 0x7f
  const headLength = short === 127 ? 10 : short === 126 ? 4 : 2
  if (bytes.length < headLength + 4) return null
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
  const size = headLength + 4 + length
  if (bytes.length < size) return null
  const mask = bytes.subarray(headLength, headLength + 4)
  const payload = Buffer.from(bytes.subarray(headLength + 4, size))
  for (let at = 0; at < length; at += 1) payload[at] ^= mask[at & 3]
  return { size, payload, isLast: (bytes[0] & 0x80) !== 0, isControl: (bytes[0] & 0x08) !== 0 }
}
