import type { Hex } from '../../src/lib/hex.js'
import type { CommandResult } from './run-command.js'

/** Results of commands that work with contracts, as far as tests look into them; integers are decimal strings. */
export interface ResultData {
  readonly modelId: Hex
  readonly status: string
  readonly changed: boolean
  readonly transactions: readonly { readonly label: string; readonly hash: Hex }[]
  readonly models: readonly { readonly modelId: Hex; readonly terms: Readonly<Record<string, string>> }[]
  readonly probes: readonly unknown[]
  readonly changes: readonly unknown[]
  readonly listing: { readonly metadataHash: Hex }
  readonly answers: readonly { readonly txHash: Hex }[]
  readonly stake: {
    readonly sigmaPpm: string | null
    readonly pendingSigma: { readonly sigmaPpm: string } | null
    readonly delegations: readonly unknown[]
    readonly withdrawals: readonly unknown[]
    readonly balance: string
  }
  readonly operator: unknown
  readonly delegations: readonly unknown[]
  readonly claimed: readonly unknown[]
  readonly records: readonly Readonly<Record<string, string>>[]
}

/** The data of a command that was to succeed; fails the test with what it wrote to stderr when it did not. */
export function dataOf({ json, stderr }: CommandResult): ResultData {
  if (json?.success !== true) throw new Error(`the command failed: ${stderr}`)
  return json.data as ResultData
}
