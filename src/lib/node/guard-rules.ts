import { createHash } from 'node:crypto'
import type { Hex } from '../hex.js'
import type { NodeConfig } from '../infernet/node-config.js'
import { stringifyJson } from '../json.js'

/** Changes with everything that the guard looks at, so that ids are judged again by new rules. */
export function hashRules({ chain, containers }: NodeConfig): Hex {
  const rules = {
    // Changes with the guard's own rules.
    version: 2,
    startingId: chain.snapshot_sync.starting_sub_id,
    paymentAddress: chain.wallet?.payment_address ?? null,
    containers: containers.map((container) => ({
      id: container.id,
      external: container.external,
      allowed: container.allowed_addresses,
      payments: container.accepted_payments,
      proofs: container.generates_proofs,
    })),
  }
  return `0x${createHash('sha256').update(stringifyJson(rules)).digest('hex')}`
}
