import * as v from 'valibot'
import type { Fault } from './faults.js'
import { address, integer, url } from './fields.js'
import { NETWORK_PRESETS } from './networks.js'
import type { NetworkConfig } from './networks.js'

/** What can stand under `networks.<name>`; for a preset every key is optional. */
export const networkEntry = v.strictObject({
  chainId: v.optional(integer(1, Number.MAX_SAFE_INTEGER)),
  rpcUrl: v.optional(url),
  infernetRegistry: v.optional(v.nullable(address)),
  paymentToken: v.optional(v.nullable(address)),
  rewardDistributor: v.optional(v.nullable(address)),
  explorerUrl: v.optional(v.nullable(url)),
  confirmations: v.optional(integer(1, 64)),
})

export type NetworkEntry = v.InferOutput<typeof networkEntry>

/** A network that is no preset has to say where it is. */
export function incompleteNetworks(entries: Record<string, unknown>): Fault[] {
  return Object.entries(entries).flatMap(([name, entry]) => {
    if (name in NETWORK_PRESETS || entry === null || typeof entry !== 'object') return []
    const missing = ['chainId', 'rpcUrl'].filter((key) => !(key in entry))
    return missing.map((key) => ({
      path: `networks.${name}.${key}`,
      message: 'nothing was found; a network that is no preset needs it',
    }))
  })
}

export function mergeNetworks(entries: Record<string, NetworkEntry>): Record<string, NetworkConfig> {
  const merged: Record<string, NetworkConfig> = { ...NETWORK_PRESETS }
  for (const [name, entry] of Object.entries(entries)) {
    const given = Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined))
    merged[name] = { ...(merged[name] ?? emptyNetwork(name)), ...given }
  }
  return merged
}

function emptyNetwork(name: string): NetworkConfig {
  return {
    name,
    chainId: 0,
    rpcUrl: '',
    infernetRegistry: null,
    paymentToken: null,
    rewardDistributor: null,
    explorerUrl: null,
    confirmations: 1,
  }
}
