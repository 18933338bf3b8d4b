// Reads HTTP/1.1 messages off a connection, requests and responses alike. Does less than node:http, and so costs a
// load generator and a model server less than the programs they measure. A message that names no length has no body: no
// program of the bench ends a response by closing its connection.

const HEAD_END = '\r\n\r\n'
const EMPTY = Buffer.alloc(0)

/**
 * @param {{ onHead(head: string): void, onBody(bytes: Buffer): void, onEnd(): void }} listener is told of each message;
 *   `bytes` are valid during the call alone
 * @returns a function to be given what arrives
 */
export function createHttpReader({ onHead, onBody, onEnd }) {
  let read = readHead
  /** Bytes that are still to come of the body or chunk. */
  let left = 0
  /** What arrived of a head or a chunk's line that is not complete. */
  let rest = EMPTY

  function upTo(mark, bytes, at) {
    const from = rest.length === 0 ? at : 0
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes.subarray(at)])
    const end = all.indexOf(mark, from, 'latin1')
    if (end < 0) {
      rest = Buffer.from(all.subarray(from))
      return null
    }
    const next = at + (end + mark.length) - from - rest.length
    rest = EMPTY
    return { text: all.latin1Slice(from, end), next }
  }

  function readHead(bytes, at) {
    const head = upTo(HEAD_END, bytes, at)
    if (head === null) return bytes.length
    onHead(head.text)
    left = Number(/\r\ncontent-length: *(\d+)/i.exec(head.text)?.[1] ?? 0)
    if (left > 0) read = readBody
    else if (/\r\ntransfer-encoding: *chunked/i.test(head.text)) read = readChunkSize
    else end()
    return head.next
  }

  function readBody(bytes, at) {
    const next = Math.min(bytes.length, at + left)
    left -= next - at
    onBody(bytes.subarray(at, next))
    if (left === 0) end()
    return next
  }

  function readChunkSize(bytes, at) {
    const line = upTo('\r\n', bytes, at)
    if (line === null) return bytes.length
    left = Number.parseInt(line.text, 16)
    read = left === 0 ? readTrailer : readChunk
    return line.next
  }

  function readChunk(bytes, at) {
    const next = Math.min(bytes.length, at + left)
    left -= next - at
    onBody(bytes.subarray(at, next))
    if (left === 0) read = readChunkEnd
    return next
  }

  function readChunkEnd(bytes, at) {
    const line = upTo('\r\n', bytes, at)
    if (line === null) return bytes.length
    read = readChunkSize
    return line.next
  }

  function readTrailer(bytes, at) {
    const line = upTo('\r\n', bytes, at)
    if (line === null) return bytes.length
    if (line.text === '') end()
    return line.next
  }

  function end() {
    read = readHead
    onEnd()
  }

  return (bytes) => {
    let at = 0
    while (at < bytes.length) at = read(bytes, at)
  }
}
