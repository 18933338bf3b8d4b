/** What a node is made of, and what it can be asked. */
import type { Chain } from '../chain/provider.js'
import type { ChainSigner } from '../chain/signer.js'
import type { Address } from '../hex.js'
import type { NodeConfig } from '../infernet/node-config.js'
import type { RetryPolicy } from './answer.js'
import type { DelegatedIntake } from './delegated-intake.js'
import type { ManagedContainers } from './managed-containers.js'
import type { EventSink, NodeEvent } from './events.js'

export interface InfernetNodeOptions {
  readonly chain: Chain
  readonly signer: ChainSigner
  readonly config: NodeConfig
  /** A file of this node alone; created when it does not exist. */
  readonly journalPath: string
  /** Container id -> base URL, instead of what the configuration says. */
  readonly containers?: Readonly<Record<string, string>>
  /** Starts containers once the journal is held, so that two nodes do not work with the same ones. */
  readonly startContainers?: (see: EventSink) => Promise<ManagedContainers>
  /** Tells other machines how the node is, too. */
  readonly isStatusOpen?: boolean
  /** The time of day, in ms; `now` by default. Results that outlive the process are kept by it. */
  readonly unixMs?: () => number
  /** Host of containers that have only a port; `localhost` by default. */
  readonly containerHost?: string
  /** Address that the REST face listens on; all of them by default, as the reference node does. */
  readonly restHost?: string
  /** Ends the work: nothing new is begun, and what was sent is seen through. */
  readonly signal?: AbortSignal
  /** Any clock, in ms. */
  readonly now: () => number
  /** Addresses and CIDR blocks of proxies whose `X-Forwarded-For` tells who the client is; none by default. */
  readonly trustedProxies?: readonly string[]
  /** Pause between looks at the chain; by default short, and never longer than the configured `sync_period`. */
  readonly pollMs?: number
  readonly retry?: RetryPolicy
  /** Pause between looks at wallets that hold too little to pay. */
  readonly fundsRecheckMs?: number
  /** How long transactions under way are waited for at the end. */
  readonly drainMs?: number
}

export interface InfernetNode {
  readonly about: {
    readonly address: Address
    readonly chainId: number
    readonly coordinator: Address
    readonly containers: readonly string[]
    /** Of the REST face. */
    readonly port: number
  }
  /** Takes delegated subscriptions, once `run` is iterated. */
  readonly intake: DelegatedIntake
  /** Works until the signal aborts or `close` is called, and yields what happens. To be iterated once. */
  run(): AsyncGenerator<NodeEvent>
  /** Ends the work and releases everything. */
  close(): Promise<void>
}
