import type { NodeContainer } from '../infernet/node-config.js'
import type { GuardRefusal } from './delegated-intake.js'
import { createIpRule, type IpRule } from './ip-rules.js'
import type { OffchainRequest } from './offchain-request.js'

export type OffchainVerdict =
  { readonly containers: readonly NodeContainer[] } | { readonly refusal: GuardRefusal }

/** Decides whether a client may have a job done. */
export type OffchainGuard = (
  request: Pick<OffchainRequest, 'containers' | 'requiresProof'>,
  /** The client's address, as `plainIp` spells it. */
  client: string,
) => OffchainVerdict

/**
 * The reference node's checks, in its order and words.
 * @see infernet.md 3.3 and 3.8
 */
export function createOffchainGuard(containers: readonly NodeContainer[]): OffchainGuard {
  const known = new Map(containers.map((container) => [container.id, container]))
  const allows = new Map<string, IpRule>(
    containers
      .filter(({ allowed_ips: allowed }) => allowed.length > 0)
      .map(({ id, allowed_ips: allowed }) => [id, createIpRule(allowed)]),
  )
  return ({ containers: ids, requiresProof }, client) => {
    const chain: NodeContainer[] = []
    for (const id of ids) {
      const container = known.get(id)
      if (container === undefined) return refuse('Container not supported', { container: id })
      chain.push(container)
    }
    const [first] = chain
    const last = chain.at(-1)
    if (first === undefined || last === undefined) return refuse('No containers specified', {})
    if (!first.external) return refuse('First container must be external', { first_container: first.id })
    if (requiresProof && !last.generates_proofs)
      return refuse('Container does not generate proof', { container: last.id })
    const closed = chain.find(({ id }) => allows.get(id)?.(client) === false)
    if (closed !== undefined)
      return refuse('Container not allowed for address', { container: closed.id, address: client })
    return { containers: chain }
  }
}

function refuse(error: string, params: GuardRefusal['params']): OffchainVerdict {
  return { refusal: { error, params } }
}
