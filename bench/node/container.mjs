// A container that answers at once with 64 bytes.
//   node container.mjs <port>
import { createServer } from 'node:http'

const answer = JSON.stringify({
  raw_input: '',
  processed_input: '',
  raw_output: 'ab'.repeat(64),
  processed_output: '',
  proof: '',
})

process.on('disconnect', () => process.exit())
createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    response.end(answer)
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
