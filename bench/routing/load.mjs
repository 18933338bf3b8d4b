// The load generator: as many keep-alive connections as it is told, each asking anew as soon as it was answered.
// Told what to do by a message; answers `measuring` when the warm-up is over, `measured` when the time is, then `done`.
import { connect } from 'node:net'
import { createHttpReader } from '../lib/http-reader.mjs'
import { percentile } from '../lib/numbers.mjs'
import { createStampReader } from './wire.mjs'

/** How long answers under way may take once the measured time is over. */
const DRAIN_MS = 30_000

const nowMs = () => Number(process.hrtime.bigint()) / 1e6

function summary(values) {
  const sorted = Float64Array.from(values).sort()
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}

function headOf({ port, path, headers }, bytes) {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers, 'content-length': bytes })
  return `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** Runs one measurement; `tell` is called when its time begins and ends. */
function run(job, tell) {
  const { port, body, counter, connections, warmUpMs, measuredMs, isStream } = job
  const bytes = Buffer.byteLength(body)
  const head = headOf(job, bytes)
  const seen = { latency: [], first: [], delay: [] }
  let count = counter?.from ?? 0
  let isMeasuring = false
  let isOver = false
  let open = connections
  let startMs = 0
  let endMs = 0

  return new Promise((resolve) => {
    function finish(fault = null) {
      isOver = true
      for (const timer of timers) clearTimeout(timer)
      for (const socket of sockets) socket.destroy()
      const ms = (endMs === 0 ? nowMs() : endMs) - startMs
      const figures = {
        perSec: (seen.latency.length * 1000) / ms,
        requests: seen.latency.length,
        ms,
        latency: summary(seen.latency),
        ...(isStream ? { first: summary(seen.first), delay: summary(seen.delay) } : {}),
      }
      resolve({ type: 'done', fault, count, figures })
    }

    function openConnection() {
      const request = Buffer.from(head + body, 'latin1')
      let sentMs = 0
      let status = ''
      let fault = ''
      let readStamps = null
      let isFirst = true

      const ask = () => {
        if (counter !== null) {
          // The connection's last request was read to its end, so its bytes can be written over.
          const digits = (count++).toString(16).padStart(counter.digits, '0')
          request.latin1Write(digits, head.length + counter.at)
        }
        if (isStream) readStamps = createStampReader()
        isFirst = true
        sentMs = nowMs()
        socket.write(request)
      }
      const read = createHttpReader({
        onHead(text) {
          status = text.slice(9, 12)
        },
        onBody(part) {
          if (status !== '200') fault += part.toString('utf8')
          else if (isStream) {
            const arrivedMs = nowMs()
            for (const stampMs of readStamps(part.latin1Slice())) {
              if (!isMeasuring) continue
              if (isFirst) seen.first.push(arrivedMs - sentMs)
              isFirst = false
              seen.delay.push(arrivedMs - stampMs)
            }
          }
        },
        onEnd() {
          if (status !== '200') return finish(`HTTP ${status} ${fault.slice(0, 300)}`)
          if (isMeasuring) seen.latency.push(nowMs() - sentMs)
          if (!isOver) return ask()
          open -= 1
          if (open === 0) finish()
        },
      })
      const socket = connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafe(65_536),
          callback(size, buffer) {
            read(buffer.subarray(0, size))
            return true
          },
        },
      })
      socket.once('connect', ask)
      socket.once('error', (error) => finish(error.code ?? error.message))
      socket.once('end', () => finish('The connection was closed.'))
      return socket
    }

    const timers = [
      setTimeout(() => {
        isMeasuring = true
        startMs = nowMs()
        tell('measuring')
      }, warmUpMs),
      setTimeout(() => {
        isMeasuring = false
        isOver = true
        endMs = nowMs()
        tell('measured')
        timers.push(setTimeout(() => finish('Answers did not come to an end.'), DRAIN_MS))
      }, warmUpMs + measuredMs),
    ]
    const sockets = Array.from({ length: connections }, openConnection)
  })
}

process.on('disconnect', () => process.exit())
process.on('message', (job) => {
  void run(job, (type) => process.send({ type })).then((result) => process.send(result))
})
