import type { CallEvent, CallRunner } from '../chain/calls.js'
import type { MinedTransaction } from '../chain/wait.js'
import type { NetworkConfig } from '../config/networks.js'
import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { ChainCommand } from './chain-command.js'
import { addressFlag, keyFlags, spendFlags, type KeyFlags } from './flags.js'
import {
  callEventText,
  spendPlanLines,
  transactionJson,
  type SpentJson,
  type TransactionJson,
} from './views/spend.js'

/** Flags of commands that call contracts: the key, limits, and who is meant when nothing is signed. */
export const callFlags = {
  ...keyFlags,
  ...spendFlags,
  from: addressFlag({
    summary: 'With --dry-run: the account to try from; no key is needed then.',
    helpGroup: 'TRANSACTION',
  }),
}

/** The values of `callFlags`. */
export interface CallFlags extends KeyFlags {
  readonly 'dry-run': boolean
  readonly 'max-cost'?: bigint | undefined
  readonly confirmations?: number | undefined
  readonly from?: Address | undefined
}

/** What a command wants to send. */
export interface Spending {
  readonly network: NetworkConfig
  readonly flags: CallFlags
  /** Asked before anything is sent. */
  readonly question: string
  /** Prices and sends the calls; null when there is nothing to send. */
  readonly runner: CallRunner | null
}

/** What became of planned calls, with the mined transactions for reading their logs. */
export interface Spent extends SpentJson {
  readonly mined: readonly MinedTransaction[]
}

/** How long one transaction may take to be confirmed; public chains need seconds. */
const CONFIRM_TIMEOUT_MS = 180_000

const NOTHING_SENT: Spent = { cost: null, dryRun: false, changed: false, transactions: [], mined: [] }

/** Base of commands that send transactions: shows the plan, asks, sends, tells how far it is. */
export abstract class SpendCommand<T extends object> extends ChainCommand<T> {
  /** The signing key; null in a dry run from a given account. @throws USAGE_INVALID, and what `loadKey` throws */
  protected async senderKey(flags: CallFlags): Promise<Hex | null> {
    if (flags.from !== undefined && !flags['dry-run']) {
      throw new FlockError(
        'USAGE_INVALID',
        '--from goes with --dry-run: what is sent is sent by the account of a key.',
      )
    }
    if (flags.from !== undefined) return null
    return this.loadKey('FLOCK_PRIVATE_KEY', flags)
  }

  /**
   * Shows what the calls cost, asks, and sends them unless it is a dry run.
   * @throws FEE_TOO_HIGH, FUNDS_INSUFFICIENT, DECLINED, INPUT_MISSING, and what pricing and sending throw
   */
  protected async spend(spending: Spending): Promise<Spent> {
    const { network, flags, question, runner } = spending
    const dryRun = flags['dry-run']
    if (runner === null) {
      this.note('Nothing to send: the chain is as it should be.')
      return { ...NOTHING_SENT, dryRun }
    }
    const cost = await runner.quote()
    const lines = spendPlanLines(network, cost)
    if (dryRun) this.show(lines)
    else for (const line of lines) this.note(line)
    runner.check(cost, flags['max-cost'] ?? null)
    if (dryRun) return { ...NOTHING_SENT, cost, dryRun }
    await this.confirm(question, network)
    const { transactions, mined } = await this.follow(
      runner.send({
        confirmations: flags.confirmations ?? network.confirmations,
        timeoutMs: CONFIRM_TIMEOUT_MS,
        signal: this.signal,
      }),
    )
    return { cost, dryRun, changed: true, transactions, mined }
  }

  private async follow(
    events: AsyncGenerator<CallEvent, readonly MinedTransaction[]>,
  ): Promise<Pick<Spent, 'transactions' | 'mined'>> {
    const progress = this.progress()
    const transactions: TransactionJson[] = []
    const mined: MinedTransaction[] = []
    progress.start('Sending')
    try {
      for await (const event of events) {
        if (event.type === 'callSent') {
          progress.update(callEventText(event))
        } else {
          transactions.push(transactionJson(event.call.label, event.transaction))
          mined.push(event.transaction)
          progress.succeed(callEventText(event))
        }
      }
    } catch (error) {
      progress.stop()
      throw error
    }
    progress.stop()
    return { transactions, mined }
  }
}
