/** What the parts of an outbox share. */
import type { FlockError } from '../errors.js'
import type { FeePolicy } from './fee-policy.js'
import type { FeeQuote } from './fees.js'
import type { Nonces } from './nonces.js'
import type { Attempt, Entry, OutboxTask } from './outbox-entry.js'
import type { Chain } from './provider.js'
import type { ChainSigner } from './signer.js'

export interface OutboxOptions {
  readonly chain: Chain
  readonly signer: ChainSigner
  readonly policy: FeePolicy
  /** Nonces of transactions that an earlier process signed and that will be resumed. */
  readonly reserved: readonly number[]
  /** Blocks without any transaction of the account mined, after which those under way are looked after. */
  readonly replaceAfterBlocks: number
  /** Told about each failed call; returns the pause in ms before the next try. */
  readonly onFault: (fault: FlockError, attempt: number) => number
  /** Asks the endpoint when there is room. */
  readonly limit: <T>(ask: () => Promise<T>) => Promise<T>
  /** Pause in ms after which the outbox itself looks for a block while nobody tells it of one. */
  readonly quietMs: number
  /** Ends everything, also waits for what was sent. */
  readonly stop: AbortSignal
}

export interface OutboxCore extends Pick<
  OutboxOptions,
  'chain' | 'signer' | 'policy' | 'replaceAfterBlocks' | 'onFault' | 'limit' | 'stop'
> {
  readonly nonces: Nonces
  /** By nonce. */
  entries(): readonly Entry[]
  has(entry: Entry): boolean
  begin(nonce: number, task: OutboxTask | null, attempts: readonly Attempt[]): Entry
  /** Takes it out; whoever does settles its promise. */
  end(entry: Entry): Entry
  quote(): Promise<FeeQuote>
  /** 0 while no block was seen. */
  latestBlock(): number
  /** The latest block in which a transaction of the account was mined, or the first one began to wait. */
  progressBlock(): number
  /** Moves it forward. */
  progress(block: number): void
}
