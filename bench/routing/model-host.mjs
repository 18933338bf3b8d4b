// A model server that answers at once: fixed chat completions of about the size of the request, with usage, or a stream.
// Each piece of a stream says when it was sent, by the clock that all processes of the machine share.
//   node model-host.mjs <port>; the message { spacingMs } sets the time between two pieces, 0 for none
import { createServer } from 'node:net'
import { createHttpReader } from '../lib/http-reader.mjs'
import { BODY_BYTES, PIECES, TEXT, stamp } from './wire.mjs'

/** Between the two sizes of bodies. */
const LARGE_FROM_BYTES = 8 * 1024
const USAGE = { prompt_tokens: 120, completion_tokens: 60, total_tokens: 180 }

function response(type, rest) {
  return `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n${rest}`
}

function json(text) {
  return Buffer.from(
    response('application/json', `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`),
  )
}

function completionOf(bytes) {
  const body = (content) =>
    JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'bench',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: USAGE,
    })
  return json(body(TEXT.slice(0, bytes - body('').length)))
}

function chunk(event) {
  const data = `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`
  return `${data.length.toString(16)}\r\n${data}\r\n`
}

function piece(choices, usage) {
  const head = {
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: 'bench',
  }
  return chunk({ ...head, choices, ...(usage === undefined ? {} : { usage }) })
}

const models = json(JSON.stringify({ object: 'list', data: [{ id: 'bench', object: 'model' }] }))
const [small, large] = [BODY_BYTES.small, BODY_BYTES.large].map(completionOf)
const streamHead = response('text/event-stream', 'transfer-encoding: chunked\r\n\r\n')
const [pieceStart, pieceEnd] = piece([
  { index: 0, delta: { content: stamp(0n) }, finish_reason: null },
]).split(stamp(0n))
const streamEnd = [
  piece([{ index: 0, delta: {}, finish_reason: 'stop' }]),
  piece([], USAGE),
  chunk('[DONE]'),
  '0\r\n\r\n',
].join('')

let spacingMs = 0

function stream(socket) {
  let sent = 0
  const send = () => {
    const head = sent === 0 ? streamHead : ''
    sent += 1
    const end = sent === PIECES ? streamEnd : ''
    socket.write(`${head}${pieceStart}${stamp(process.hrtime.bigint())}${pieceEnd}${end}`, 'latin1')
    if (sent === PIECES || socket.destroyed) return
    if (spacingMs > 0) setTimeout(send, spacingMs)
    else send()
  }
  send()
}

const server = createServer({ noDelay: true }, (socket) => {
  let body = []
  let bytes = 0
  let isQuestion = false
  const read = createHttpReader({
    onHead(head) {
      isQuestion = head.startsWith('GET ')
    },
    onBody(part) {
      bytes += part.length
      if (bytes < LARGE_FROM_BYTES) body.push(part)
    },
    onEnd() {
      const isLarge = bytes >= LARGE_FROM_BYTES
      const isStream =
        !isLarge && (body.length === 1 ? body[0] : Buffer.concat(body)).includes('"stream":true')
      body = []
      bytes = 0
      if (isQuestion) socket.write(models)
      else if (isStream) stream(socket)
      else socket.write(isLarge ? large : small)
    },
  })
  socket.on('data', read)
  // Whoever goes away in the middle is counted by the load generator.
  socket.on('error', () => socket.destroy())
})

process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  spacingMs = message.spacingMs
  process.send({ spacingMs })
})
server.listen(Number(process.argv[2]), '127.0.0.1')
