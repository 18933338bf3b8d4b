/** Approves, counts and settles what this node's wallet stakes on answers with proofs. */
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { walletArtifact } from '../abi/wallet.js'
import { encodeCall, eventTopic, parseLogs } from '../chain/contracts.js'
import { getLogsInRanges } from '../chain/logs.js'
import type { Chain } from '../chain/provider.js'
import { readWords } from '../chain/read-words.js'
import { isFlockError, toFlockError } from '../errors.js'
import { addressWord, ZERO_ADDRESS, type Address, type Hex } from '../hex.js'
import type { Subscription } from '../infernet/subscription.js'
import { backoffMs, sleep } from '../retry.js'
import { hashKey, type IntervalKey } from './coordinator.js'
import type { DeliveryCall } from './delivery-call.js'
import type { DeliveryOutcome } from './deliver.js'
import type { EventSink } from './events.js'
import { keyOf, type Journal } from './journal.js'
import type { WalletReader } from './wallets.js'

export interface BondsOptions {
  readonly chain: Chain
  readonly coordinator: Address
  readonly node: Address
  readonly nodeWallet: Address
  readonly wallets: Pick<WalletReader, 'readBondAllowance'>
  readonly journal: Journal
  readonly emit: EventSink
  /** Sends a call from the node's account and settles when it was mined. @throws TX_REVERTED and others */
  readonly send: (call: DeliveryCall) => Promise<{ readonly hash: Hex }>
  /** Pays the gas of finalising what a verifier let expire. */
  readonly finalizesExpired: boolean
  readonly retryDelayMs: number
  /** The id under which a delegated subscription was created; 0 when it was not. */
  readonly idOnChain: (id: number) => Promise<number>
}

export interface BondedWork extends IntervalKey {
  /** Null when it is not known any more, so that the answer can only be seen through. */
  readonly subscription: Subscription | null
  /** True once a transaction was signed, whose bond was approved before. */
  readonly isSigned: boolean
  readonly block: number
  readonly signal: AbortSignal
}

export interface Bonds {
  /** Delivers with the bond approved, if there is to be one. @throws the signal's reason, and what `deliver` throws */
  around(work: BondedWork, deliver: () => Promise<DeliveryOutcome>): Promise<DeliveryOutcome>
  /** Looks after open proof requests, at times. Never throws. */
  look(now: { readonly sec: number; readonly block: number }): Promise<void>
}

/** Verifiers have a week; the operator hears of a slash within a quarter of an hour. */
const LOOK_EVERY_SEC = 900
const RETRY_AFTER_SEC = 60
const MAX_LOG_RANGE = 10_000
const RETRY_MAX_DELAY_MS = 30_000
const PROOF_VERIFIED = eventTopic(eip712CoordinatorArtifact, 'ProofVerified')

export function createBonds(options: BondsOptions): Bonds {
  const { chain, coordinator, node, nodeWallet, journal, emit } = options
  /** Bonds that the wallet will lock with deliveries that are not mined yet. */
  const pending = new Map<string, { readonly paymentToken: Address; readonly amount: bigint }>()
  const reported = new Set<string>()
  let lastApproval: Promise<void> = Promise.resolve()
  let nextLookSec = 0
  let isLooking = false

  /** One after the other: an approval replaces the one before it. */
  function approve(paymentToken: Address): Promise<void> {
    const turn = async () => {
      const amounts = [...pending.values()].filter((bond) => bond.paymentToken === paymentToken)
      const sum = amounts.reduce((total, { amount }) => total + amount, 0n)
      if ((await options.wallets.readBondAllowance(paymentToken)) >= sum) return
      const { hash } = await options.send({
        to: nodeWallet,
        data: encodeCall(walletArtifact, 'approve', [node, paymentToken, sum]),
      })
      emit({ type: 'bondApproved', paymentToken, amount: sum, txHash: hash })
    }
    lastApproval = lastApproval.then(turn, turn)
    return lastApproval
  }

  async function approvePatiently(paymentToken: Address, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted()
      try {
        return await approve(paymentToken)
      } catch (error) {
        const fault = toFlockError(error)
        if (fault.code === 'TX_REVERTED' || fault.kind === 'bug') throw fault
        const delays = { delayMs: options.retryDelayMs, maxDelayMs: RETRY_MAX_DELAY_MS }
        const retryInMs = Math.round(backoffMs(attempt, delays))
        emit({ type: 'rpcFailed', code: fault.code, message: fault.message, retryInMs })
        await sleep(retryInMs, signal)
      }
    }
  }

  async function around(work: BondedWork, deliver: () => Promise<DeliveryOutcome>): Promise<DeliveryOutcome> {
    const { subscription, id, interval } = work
    if (subscription === null || subscription.verifier === ZERO_ADDRESS || subscription.paymentAmount === 0n)
      return deliver()
    const { paymentToken, paymentAmount: amount } = subscription
    const key = keyOf(work)
    pending.set(key, { paymentToken, amount })
    try {
      if (!work.isSigned) await approvePatiently(paymentToken, work.signal)
      if (!journal.state.bonds.has(key))
        await journal.append({ type: 'bonded', id, interval, block: work.block })
      const outcome = await deliver()
      if (outcome.kind === 'delivered') {
        await journal.append({ type: 'bonded', id, interval, block: outcome.blockNumber })
        // Some verifiers settle within the delivery.
        nextLookSec = 0
      } else if (outcome.reason !== 'stopped') await forget(work)
      return outcome
    } catch (error) {
      if (!isFlockError(error) || error.code !== 'TX_REVERTED') throw error
      return { kind: 'closed', reason: 'bondRefused', message: error.message }
    } finally {
      pending.delete(key)
    }
  }

  async function look(now: { readonly sec: number; readonly block: number }): Promise<void> {
    if (isLooking || now.sec < nextLookSec || journal.state.bonds.size === 0) return
    isLooking = true
    nextLookSec = now.sec + LOOK_EVERY_SEC
    try {
      const open = [...journal.state.bonds.values()].filter((bond) => !pending.has(keyOf(bond)))
      // What was mined in a block that is not seen yet would pass for settled.
      const seen = open.filter(({ block }) => block <= now.block)
      if (seen.length < open.length) nextLookSec = 0
      const keys = await Promise.all(seen.map(toChainKey))
      const expiries = await readExpiries(keys, now.block)
      for (const [index, bond] of seen.entries()) {
        const key = keys[index]
        const expirySec = Number(expiries[index] ?? 0n)
        if (key === undefined) continue
        if (expirySec === 0) await settle(bond, key, now.block)
        else if (expirySec <= now.sec) await finalize(bond, key, expirySec)
        else nextLookSec = Math.min(nextLookSec, expirySec)
      }
    } catch (error) {
      const { code, message } = toFlockError(error)
      nextLookSec = now.sec + RETRY_AFTER_SEC
      emit({ type: 'rpcFailed', code, message, retryInMs: RETRY_AFTER_SEC * 1_000 })
    } finally {
      isLooking = false
    }
  }

  async function toChainKey({ id, interval }: IntervalKey): Promise<IntervalKey> {
    return { id: await options.idOnChain(id), interval }
  }

  function readExpiries(keys: readonly IntervalKey[], block: number): Promise<(bigint | null)[]> {
    const types = ['uint32', 'uint32', 'address']
    const questions = keys.map(({ id, interval }) => ({
      to: coordinator,
      data: encodeCall(eip712CoordinatorArtifact, 'proofRequests', [hashKey(types, [id, interval, node])]),
    }))
    return readWords(chain, questions, block)
  }

  /** Tells how the request of a proof ended that is not open any more, or never was. */
  async function settle(bond: IntervalKey & { readonly block: number }, key: IntervalKey, toBlock: number) {
    const { id, interval } = bond
    const topics = [PROOF_VERIFIED, word(key.id), word(interval), addressWord(node)]
    const query = { address: coordinator, topics, fromBlock: bond.block, toBlock, maxRange: MAX_LOG_RANGE }
    for await (const logs of getLogsInRanges(chain, query)) {
      const [verified] = parseLogs(eip712CoordinatorArtifact, logs)
      if (verified === undefined) continue
      const { active, valid } = verified.args
      // After the expiry the node is paid whatever is said of the proof.
      const isPaid = active !== true || valid === true
      emit({ type: 'proofSettled', id, interval, isPaid, txHash: verified.log.transactionHash })
      break
    }
    await forget(bond)
  }

  async function finalize(bond: IntervalKey, key: IntervalKey, expirySec: number): Promise<void> {
    const { id, interval } = bond
    if (options.finalizesExpired) {
      const args = [key.id, interval, node, true]
      const data = encodeCall(eip712CoordinatorArtifact, 'finalizeProofVerification', args)
      await options.send({ to: coordinator, data })
      nextLookSec = 0
      return
    }
    if (reported.has(keyOf(bond))) return
    reported.add(keyOf(bond))
    emit({ type: 'proofExpired', id, interval, expirySec })
  }

  async function forget({ id, interval }: IntervalKey): Promise<void> {
    if (journal.state.bonds.has(keyOf({ id, interval })))
      await journal.append({ type: 'released', id, interval })
  }

  return { around, look }
}

function word(value: number): Hex {
  return `0x${value.toString(16).padStart(64, '0')}`
}
