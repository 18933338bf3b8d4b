// A model server that answers each prompt with words of its own, well or badly:
//   node chaos-host.mjs <healthy|slow|flapping|cutting>
// Tells its port once it listens; answers the message `count` with how many chats it was asked for, and how many of
// them it answered to their end.
import { createServer } from 'node:http'
import { setImmediate } from 'node:timers'

const SLOW_MS = 40
const [, , mode] = process.argv
let asked = 0
let answered = 0

/** Words that name the prompt, so that an answer can be told from that to another prompt. */
const wordsOf = (prompt) => ['You ', 'said: ', prompt, ', ', 'and ', 'so ', 'it ', 'is.']
const usage = { prompt_tokens: 4, completion_tokens: 8, total_tokens: 12 }

function answerWhole(response, prompt) {
  const message = { role: 'assistant', content: wordsOf(prompt).join('') }
  const body = JSON.stringify({
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage,
  })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body, () => (answered += 1))
}

function answerInPieces(response, prompt, isCut) {
  const send = (chunk) => response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  const words = wordsOf(prompt)
  let said = 0
  const say = () => {
    if (response.destroyed) return
    if (isCut && said === 3) {
      response.destroy()
      return
    }
    send({ choices: [{ index: 0, delta: { content: words[said] }, finish_reason: null }] })
    said += 1
    if (said < words.length) {
      setImmediate(say)
      return
    }
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
    send({ choices: [], usage })
    response.end('data: [DONE]\n\n', () => (answered += 1))
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  send({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] })
  say()
}

function answer(response, { prompt, isStream }) {
  if (isStream) answerInPieces(response, prompt, mode === 'cutting')
  else answerWhole(response, prompt)
}

function fail(response) {
  response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":{"message":"out of memory"}}')
}

function chat(request, response, task) {
  asked += 1
  if (mode === 'slow') setTimeout(() => answer(response, task), SLOW_MS)
  else if (mode === 'flapping' && asked % 3 === 1) fail(response)
  else if (mode === 'flapping' && asked % 3 === 2) request.socket.resetAndDestroy()
  else answer(response, task)
}

const server = createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  request.on('end', () => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"object":"list","data":[]}')
      return
    }
    const { messages, stream } = JSON.parse(Buffer.concat(parts).toString('utf8'))
    chat(request, response, { prompt: messages[0].content, isStream: stream })
  })
})

process.on('disconnect', () => process.exit())
process.on('message', () => process.send({ asked, answered }))
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
