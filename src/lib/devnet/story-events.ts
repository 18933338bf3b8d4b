/** What the story tells while it happens. */
export type StoryEvent =
  | {
      readonly type: 'step'
      readonly title: string
      readonly command: readonly string[]
      readonly keys: readonly string[]
    }
  | { readonly type: 'facts'; readonly facts: readonly Fact[] }

export interface Fact {
  readonly label: string
  readonly value: string
}

/** What the story came to; amounts are base units of the test token. */
export interface StoryResult {
  readonly folder: string
  readonly rpcUrl: string
  readonly consumer: string
  readonly modelId: string
  readonly requestId: string
  readonly prompt: string
  readonly answer: string
  readonly usage: { readonly prompt_tokens: string; readonly completion_tokens: string }
  readonly deliveryTx: string
  readonly fee: {
    readonly total: bigint
    readonly host: bigint
    readonly training: bigint
    readonly validators: bigint
  }
  readonly claims: readonly StoryClaim[]
  /** Sum over all claims, before claim fees, without unused escrow; `fee.total` less the units that floors leave. */
  readonly claimed: bigint
  /** Base units of the fee that nobody can claim yet: carried to the next reward, below one per rounding. */
  readonly carried: bigint
}

export interface StoryClaim {
  readonly role: string
  readonly account: string
  readonly gross: bigint
  readonly claimFee: bigint
  readonly net: bigint
  readonly txHash: string
}
