// The floor: the least that a Node.js program can do which takes tasks as an Infernet container does, asks a model server
// and answers. node:http, undici, one JSON parse and one JSON text each way; nothing is checked, bounded or written down.
//   node bare-proxy.mjs <port> <port of the model server>
import { createServer } from 'node:http'
import { Pool } from 'undici'

const [port, hostPort] = process.argv.slice(2).map(Number)
const pool = new Pool(`http://127.0.0.1:${hostPort}`)
const STREAM = 2

function read(request) {
  return new Promise((resolve, reject) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => resolve(Buffer.concat(parts).toString()))
    request.on('error', reject)
  })
}

function ask({ messages, max_tokens }, stream) {
  const body = JSON.stringify({ model: 'bench', messages, max_tokens, stream })
  const headers = { 'content-type': 'application/json' }
  return pool.request({ method: 'POST', path: '/v1/chat/completions', headers, body })
}

async function answer(data, response) {
  const { body } = await ask(data, false)
  const { choices, usage } = JSON.parse(await body.text())
  const text = JSON.stringify({ output: choices[0].message.content, model: 'bench', usage })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

async function stream(data, response) {
  const { body } = await ask(data, true)
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  let rest = ''
  body.setEncoding('utf8')
  for await (const part of body) {
    const events = (rest + part).split('\n\n')
    rest = events.pop()
    for (const event of events) {
      const text = event === 'data: [DONE]' ? undefined : JSON.parse(event.slice(6)).choices[0]?.delta.content
      if (text !== undefined) response.write(text)
    }
  }
  response.end()
}

const server = createServer((request, response) => {
  read(request)
    .then((text) => {
      const { data, destination } = JSON.parse(text)
      return destination === STREAM ? stream(data, response) : answer(data, response)
    })
    .catch((error) => {
      response.writeHead(502)
      response.end(error.message)
    })
})

process.on('disconnect', () => process.exit())
server.listen(port, '127.0.0.1')
