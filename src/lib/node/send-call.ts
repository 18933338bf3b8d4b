import type { OutboxCall } from '../chain/outbox-entry.js'
import type { Outbox } from '../chain/outbox.js'
import type { ContractArtifact } from '../chain/artifact.js'
import { FlockError } from '../errors.js'
import type { Hex } from '../hex.js'

export interface SendCallOptions {
  readonly maxGasLimit: bigint
  readonly revertInterfaces: readonly ContractArtifact[]
  readonly stop: AbortSignal
}

/**
 * Sends a call that is no delivery and that may be made twice, among the deliveries of the account, and waits until it is mined.
 * @throws TX_REVERTED, FEE_TOO_HIGH, NONCE_CONFLICT, RPC_UNREACHABLE, RPC_FAILED, INTERRUPTED
 */
export async function sendCall(
  outbox: Outbox,
  call: OutboxCall,
  { maxGasLimit, revertInterfaces, stop }: SendCallOptions,
): Promise<{ readonly hash: Hex }> {
  const mined = await outbox.send({
    call,
    revertInterfaces,
    maxGasLimit,
    signal: stop,
    admit: async () => true,
    isWanted: () => true,
    onSigned: async () => undefined,
    onSent: () => undefined,
    onStalled: () => undefined,
  })
  if (mined === null) throw new FlockError('INTERNAL', 'A call that is always wanted was not sent.')
  return { hash: mined.signed.hash }
}
