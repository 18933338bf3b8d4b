/** Names and addresses by which a machine reaches itself. */

const ADDRESS = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i

/** Names under `localhost` are this machine's too, whatever a name server says (RFC 6761). */
const AUTHORITY = /^(?:(?:[\w-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

/** True when nobody but this machine reaches what listens on the address. */
export function isLoopbackAddress(host: string): boolean {
  return ADDRESS.test(host)
}

/**
 * True when the `host` header of a request names this machine itself. A page of the web that has its own name lead here
 * (DNS rebinding) is one origin with the service for its browser, and sends that name.
 */
export function isLoopbackAuthority(header: string): boolean {
  return AUTHORITY.test(header)
}
