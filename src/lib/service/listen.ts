/** Opens ports. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FlockError } from '../errors.js'

/**
 * Makes a server listen and returns its URL.
 * @param at port 0 takes any free one
 * @throws PORT_IN_USE, USAGE_INVALID when the address cannot be used
 */
export async function listen(
  server: Server,
  at: { readonly host: string; readonly port: number },
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(listenError(error, at.host, at.port))
    server.once('error', fail)
    server.listen(at.port, at.host, () => {
      server.off('error', fail)
      resolve()
    })
  })
  const { port } = server.address() as AddressInfo
  return `http://${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): FlockError {
  const details = { host, port }
  if (error.code === 'EADDRINUSE') {
    return new FlockError('PORT_IN_USE', `Port ${port} of ${host} is taken.`, {
      cause: error,
      details,
      hint: 'Choose another with --port; 0 takes any free one.',
    })
  }
  const reason = error.code ?? 'unknown'
  return new FlockError('USAGE_INVALID', `Nothing can listen on ${host}, port ${port} (${reason}).`, {
    cause: error,
    details,
  })
}
