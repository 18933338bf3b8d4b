import type { Socket } from 'node:net'

/** Reads the texts that a WebSocket client sends, each in one frame, as they pass by on its connection. */
export function readTextFrames(socket: Socket, onText: (text: string) => void): void {
  let rest = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (let frame = firstFrame(rest); frame !== null; frame = firstFrame(rest)) {
      rest = rest.subarray(frame.size)
      if (frame.opcode === TEXT) onText(frame.payload.toString('utf8'))
    }
  })
}

const TEXT = 1

/** The first whole frame (RFC 6455, 5.2); frames of clients are masked. */
function firstFrame(bytes: Buffer): { opcode: number; payload: Buffer; size: number } | null {
  if (bytes.length < 2) return null
  const short = bytes.readUInt8(1) & 0x7f
  const maskAt = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < maskAt + 4) return null
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  const size = maskAt + 4 + length
  if (bytes.length < size) return null
  const mask = bytes.subarray(maskAt, maskAt + 4)
  const payload = Buffer.from(bytes.subarray(maskAt + 4, size).map((byte, at) => byte ^ (mask[at % 4] ?? 0)))
  return { opcode: bytes.readUInt8(0) & 0x0f, payload, size }
}
