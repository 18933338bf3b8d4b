import { FlockError, isFlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import { retry } from '../retry.js'
import type { Chain } from './provider.js'
import { interruption } from './rpc.js'

/** Tries to hand a transaction over. All tries send the same bytes, so at most one of them counts. */
const BROADCAST_ATTEMPTS = 4
const RETRY_DELAY_MS = 250

/**
 * Hands a signed transaction to the node; one that the chain or its pool holds already is a success.
 * @throws NONCE_CONFLICT, FUNDS_INSUFFICIENT, RPC_UNREACHABLE, RPC_FAILED, INTERRUPTED; `details.txHash` is set
 */
export async function broadcast(
  chain: Chain,
  transaction: { readonly hash: Hex; readonly raw: Hex },
  signal?: AbortSignal,
): Promise<void> {
  const { hash, raw } = transaction
  try {
    await retry(
      async () => {
        try {
          await chain.provider.send('eth_sendRawTransaction', [raw])
        } catch (error) {
          if (!(await isTaken(chain, hash, error))) throw error
        }
      },
      {
        attempts: BROADCAST_ATTEMPTS,
        delayMs: RETRY_DELAY_MS,
        ...(signal === undefined ? {} : { signal }),
        isRetryable: (error) => isFlockError(error) && error.code === 'RPC_UNREACHABLE',
      },
    )
  } catch (error) {
    if (signal?.aborted) throw interruption(signal, { txHash: hash })
    throw withHash(error, hash)
  }
}

/** True when the refusal only says that the node has this very transaction, from an earlier try. */
async function isTaken(chain: Chain, hash: Hex, error: unknown): Promise<boolean> {
  if (!isFlockError(error) || error.code === 'INTERRUPTED') return false
  if (error.details['reason'] === 'alreadyKnown') return true
  try {
    return (await chain.provider.send('eth_getTransactionByHash', [hash])) !== null
  } catch {
    // The refusal itself says more than the failure to look.
    return false
  }
}

function withHash(error: unknown, hash: Hex): unknown {
  if (!isFlockError(error)) return error
  return new FlockError(error.code, error.message, {
    cause: error.cause,
    details: { ...error.details, txHash: hash },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}
