import type { ServerResponse } from 'node:http'
import { FlockError } from '../errors.js'
import type { StreamWriter } from './offchain-jobs.js'

/** Writes a stream to a client, no faster than it reads. The head goes out with the first bytes. */
export function createStreamWriter(response: ServerResponse): StreamWriter {
  return (bytes) =>
    new Promise((resolve, reject) => {
      if (response.destroyed) {
        reject(gone())
        return
      }
      // The content type of the reference node, whatever the container's is.
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      if (response.write(bytes)) {
        resolve()
        return
      }
      const onDrain = () => {
        response.off('close', onClose)
        resolve()
      }
      const onClose = () => {
        response.off('drain', onDrain)
        reject(gone())
      }
      response.once('drain', onDrain)
      response.once('close', onClose)
    })
}

function gone(): FlockError {
  return new FlockError('INTERRUPTED', 'The client went away before the stream ended.')
}
