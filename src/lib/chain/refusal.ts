import { FlockError } from '../errors.js'
import { isHex, type Hex } from '../hex.js'
import type { Endpoint } from './endpoint.js'
import type { JsonRpcRefusal } from './rpc.js'

/** Why a node refused a call. Clients agree on few error codes, so their words are read here and nowhere else. */
export type RefusalReason =
  'reverted' | 'funds' | 'nonceTooLow' | 'underpriced' | 'alreadyKnown' | 'methodMissing' | 'other'

/** What geth, reth, erigon, nethermind, besu and anvil say. First match wins. */
const WORDS: readonly (readonly [RegExp, RefusalReason])[] = [
  [/already known|known transaction|already imported|already exists|in the (?:tx)?pool/i, 'alreadyKnown'],
  [/nonce (?:is )?too low|nonce has already|old nonce|invalid nonce|oldnonce/i, 'nonceTooLow'],
  [/underpriced|fee too low to replace|replacement/i, 'underpriced'],
  [/insufficient funds|insufficient balance|exceeds allowance|exceeds balance|upfront cost/i, 'funds'],
  [/revert|invalid opcode|out of gas|stack underflow|EVM error|execution error/i, 'reverted'],
  [/method .*(?:not found|not supported|does not exist|not available)|unsupported method/i, 'methodMissing'],
]

/** JSON-RPC code of geth for a reverted call. */
const REVERTED_CODE = 3
const METHOD_NOT_FOUND_CODE = -32601
/** Code of EIP-1474 for a limit on requests, and what HTTP calls the same. */
const LIMIT_CODES = [-32005, 429]

export function refusalReason(refusal: JsonRpcRefusal): RefusalReason {
  if (refusal.code === REVERTED_CODE || revertDataOf(refusal) !== null) return 'reverted'
  if (refusal.code === METHOD_NOT_FOUND_CODE) return 'methodMissing'
  return WORDS.find(([words]) => words.test(refusal.message))?.[1] ?? 'other'
}

/** True for limits that a pause lifts. A limit on the size of an answer is none of them. */
export function isTransientRefusal(refusal: JsonRpcRefusal): boolean {
  return (
    LIMIT_CODES.includes(refusal.code) && /rate|too many requests|per second|capacity/i.test(refusal.message)
  )
}

/** What clients say of a block, or of its state, that they do not have: because they lag behind, or have dropped it. */
const BLOCK_MISSING =
  /(?:header|block)\b.{0,80}\bnot (?:found|available|exist)|unknown block|missing trie node|block ?out ?of ?range|(?:after|beyond) (?:the )?(?:last|latest|head) (?:accepted )?block|state .*(?:not available|is not available|pruned)|no state available|could not find block/i

/** True when another endpoint may well answer what this one cannot, as it knows another part of the chain. */
export function isMissingBlock(refusal: JsonRpcRefusal): boolean {
  return revertDataOf(refusal) === null && BLOCK_MISSING.test(refusal.message)
}

/** Revert data, which clients put at different depths; null when there is none, `0x` for a bare revert. */
export function revertDataOf(refusal: JsonRpcRefusal): Hex | null {
  let data = refusal.data
  for (let depth = 0; depth < 3; depth += 1) {
    if (typeof data === 'string') {
      const hex = /0x[0-9a-fA-F]*/.exec(data)?.[0]
      return isHex(hex) ? hex : null
    }
    if (typeof data !== 'object' || data === null) return null
    data = (data as Record<string, unknown>)['data'] ?? (data as Record<string, unknown>)['result']
  }
  return null
}

/** The error of a refused call: TX_REVERTED (undecoded), FUNDS_INSUFFICIENT, NONCE_CONFLICT or RPC_FAILED. */
export function refusalError(endpoint: Endpoint, method: string, refusal: JsonRpcRefusal): FlockError {
  const reason = refusalReason(refusal)
  const said = endpoint.redact(refusal.message)
  const details = { endpoint: endpoint.label, method, reason, rpcCode: refusal.code, rpcMessage: said }
  switch (reason) {
    case 'reverted': {
      const data = revertDataOf(refusal)
      const message =
        data === null || data === '0x' ? `The call was refused: ${said}.` : `The call was refused (${data}).`
      return new FlockError('TX_REVERTED', message, { details: { ...details, data: data ?? '0x' } })
    }
    case 'funds':
      return new FlockError('FUNDS_INSUFFICIENT', `The account cannot pay for the transaction: ${said}.`, {
        details,
      })
    case 'nonceTooLow':
    case 'underpriced':
      return new FlockError('NONCE_CONFLICT', `Another transaction took the nonce: ${said}.`, {
        details,
        hint: 'Wait until pending transactions of the account are mined, then run the command again.',
      })
    case 'alreadyKnown':
    case 'methodMissing':
    case 'other':
      return new FlockError('RPC_FAILED', `The RPC endpoint ${endpoint.label} refused ${method}: ${said}.`, {
        details,
      })
  }
}
