/** Waits for wallets that hold too little to be filled, in as few calls as there are waiters by the hundred. */
import { toFlockError } from '../errors.js'
import type { Subscription } from '../infernet/subscription.js'
import { sleep } from '../retry.js'
import type { EventSink } from './events.js'
import type { PaymentFault, WalletReader } from './wallets.js'

export interface Funding {
  /**
   * Why these would not be paid for, null where they would be. A block is asked about each payment once.
   * @throws RPC_UNREACHABLE, RPC_FAILED
   */
  look(subscriptions: readonly Subscription[], block: number): Promise<readonly (PaymentFault | null)[]>
  /**
   * Settles when a delivery would be paid for, with null, or never could be.
   * @throws the signal's reason when it aborts
   */
  untilPayable(subscription: Subscription, signal: AbortSignal): Promise<PaymentFault | null>
}

export interface FundingOptions {
  readonly wallets: WalletReader
  readonly emit: EventSink
  /** Pause between looks; longer with many waiters, so that their calls stay below one a second. */
  readonly recheckMs: number
}

interface Waiter {
  readonly subscription: Subscription
  readonly settle: (fault: PaymentFault | null) => void
}

/** Subscriptions that one call tells about: each takes four of its questions or more. */
const WAITERS_A_CALL = 25

export function createFunding({ wallets, emit, recheckMs }: FundingOptions): Funding {
  const waiters = new Set<Waiter>()
  /** Ends the pause between looks when nobody waits any more; null when nobody does. */
  let sweeping: AbortController | null = null
  let seen = { block: -1, faults: new Map<Subscription, PaymentFault | null>() }

  async function look(subscriptions: readonly Subscription[], block: number) {
    if (seen.block !== block) seen = { block, faults: new Map() }
    const { faults } = seen
    const unknown = subscriptions.filter((subscription) => !faults.has(subscription))
    const read = unknown.length === 0 ? [] : await wallets.readFaults(unknown, block)
    unknown.forEach((subscription, index) => faults.set(subscription, read[index] ?? null))
    return subscriptions.map((subscription) => faults.get(subscription) ?? null)
  }

  async function sweep(nobodyWaits: AbortSignal): Promise<void> {
    while (!nobodyWaits.aborted) {
      const pauseMs = Math.max(recheckMs, (waiters.size / WAITERS_A_CALL) * 1_000)
      await sleep(pauseMs, nobodyWaits).catch(() => undefined)
      const asked = [...waiters]
      if (asked.length === 0) return
      try {
        const faults = await wallets.readFaults(
          asked.map(({ subscription }) => subscription),
          'latest',
        )
        asked.forEach(({ settle }, index) => {
          const fault = faults[index] ?? null
          if (fault === null || fault.isFinal) settle(fault)
        })
      } catch (error) {
        const { code, message } = toFlockError(error)
        emit({ type: 'rpcFailed', code, message, retryInMs: recheckMs })
      }
    }
  }

  return {
    look,
    untilPayable: (subscription, signal) =>
      new Promise((resolve, reject) => {
        const leave = () => {
          signal.removeEventListener('abort', onAbort)
          waiters.delete(waiter)
          if (waiters.size > 0) return
          sweeping?.abort()
          sweeping = null
        }
        const onAbort = () => {
          leave()
          reject(signal.reason as Error)
        }
        const waiter: Waiter = {
          subscription,
          settle: (fault) => {
            leave()
            resolve(fault)
          },
        }
        if (signal.aborted) return onAbort()
        signal.addEventListener('abort', onAbort, { once: true })
        waiters.add(waiter)
        if (sweeping !== null) return
        sweeping = new AbortController()
        void sweep(sweeping.signal)
      }),
  }
}
