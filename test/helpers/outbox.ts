import { createOutbox, type Outbox } from '../../src/lib/chain/outbox.js'
import type { OutboxOptions } from '../../src/lib/chain/outbox-core.js'
import type { OutboxCall, OutboxTask, SignedAttempt } from '../../src/lib/chain/outbox-entry.js'
import { OPEN_FEE_POLICY } from '../../src/lib/chain/fee-policy.js'
import type { Chain } from '../../src/lib/chain/provider.js'
import { createSigner } from '../../src/lib/chain/signer.js'
import type { FlockError } from '../../src/lib/errors.js'
import type { Hex } from '../../src/lib/hex.js'

/** An outbox that finds blocks itself, and what it told. */
export interface TestOutbox extends Outbox {
  readonly faults: readonly FlockError[]
  stop(): void
}

export function openTestOutbox(
  chain: Chain,
  privateKey: Hex,
  options: Partial<OutboxOptions> = {},
): TestOutbox {
  const stop = new AbortController()
  const faults: FlockError[] = []
  const outbox = createOutbox({
    chain,
    signer: createSigner(privateKey, chain),
    policy: OPEN_FEE_POLICY,
    reserved: [],
    replaceAfterBlocks: 2,
    onFault: (fault) => {
      faults.push(fault)
      return 20
    },
    limit: (ask) => ask(),
    quietMs: 10,
    stop: stop.signal,
    ...options,
  })
  return { ...outbox, faults, stop: () => stop.abort() }
}

/** A task that keeps what it is told. */
export interface TestTask extends OutboxTask {
  /** All that was signed, in order. */
  readonly signed: readonly SignedAttempt[]
  /** For each signature those that it stands in for. */
  readonly replaced: readonly (readonly SignedAttempt[])[]
  readonly sent: readonly Hex[]
  readonly stalled: readonly Hex[]
}

export function testTask(call: OutboxCall, options: Partial<OutboxTask> = {}): TestTask {
  const signed: SignedAttempt[] = []
  const replaced: (readonly SignedAttempt[])[] = []
  const sent: Hex[] = []
  const stalled: Hex[] = []
  return {
    call,
    revertInterfaces: [],
    maxGasLimit: 1_000_000n,
    admit: async () => true,
    isWanted: () => true,
    onSigned: async (attempt, others) => {
      signed.push(attempt)
      replaced.push(others)
    },
    onSent: ({ hash }) => void sent.push(hash),
    onStalled: ({ hash }) => void stalled.push(hash),
    signal: new AbortController().signal,
    signed,
    replaced,
    sent,
    stalled,
    ...options,
  }
}
