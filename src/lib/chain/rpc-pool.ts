/** Sends JSON-RPC to the first of several endpoints that is well, and to the next when it is not. */
import { FlockError, isFlockError } from '../errors.js'
import { backoffMs, sleep } from '../retry.js'
import type { Endpoint } from './endpoint.js'
import { chooseMember, noteAnswer, noteFailure, noteHead, type Member } from './health.js'
import { isMissingBlock, refusalError } from './refusal.js'
import {
  failed,
  interruption,
  unreachable,
  type HeadFeed,
  type JsonRpcCall,
  type JsonRpcReply,
} from './rpc.js'

/** A reply, a refusal included, and who gave it. */
export interface PoolReply {
  readonly reply: JsonRpcReply
  readonly endpoint: Endpoint
}

export interface RpcPool {
  /**
   * Sends one call.
   * @throws RPC_UNREACHABLE when no answer came, RPC_FAILED when the answer is not JSON-RPC, CHAIN_MISMATCH, INTERRUPTED
   */
  call(method: string, params: unknown): Promise<PoolReply>
  /** Asks each member that was not asked yet which chain it serves; those that give no answer are asked later. @throws CHAIN_MISMATCH */
  verify(): Promise<void>
  /** Null when no endpoint can push. */
  readonly heads: HeadFeed | null
  close(reason: FlockError): void
}

export interface RpcPoolOptions {
  /** In the order of preference, at least one. */
  readonly members: readonly Member[]
  /** Null takes the chain of whichever member answers first. */
  readonly chainId: number | null
  /** For all tries of one call together. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly now: () => number
}

/** Tries of a read, and as many more as there are other endpoints. `broadcast` looks before it sends again. */
const READ_ATTEMPTS = 3
const RETRY = { delayMs: 150, maxDelayMs: 2_000 }
/** While others can be asked, one endpoint has this share of the time. */
const SHARE_OF_TIME = 3
/** When no new block came for so long, another endpoint is asked as well: the chain may stand still, or only this one. */
const STANDSTILL_MS = 10_000

export function createRpcPool(options: RpcPoolOptions): RpcPool {
  const { members, now } = options
  const [first] = members as readonly [Member, ...Member[]]
  const active = new Set<AbortController>()
  let chainId = options.chainId
  let hasAnswered = false
  let fatal: FlockError | null = null
  let lastId = 0
  let newest = { number: -1, atMs: now() }
  let comparedAtMs = now()

  const onAbort = () => endAll(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })

  function endAll(reason: unknown): void {
    for (const stop of active) stop.abort(reason)
  }

  async function call(method: string, params: unknown): Promise<PoolReply> {
    const stop = new AbortController()
    if (fatal !== null) throw fatal
    if (options.signal?.aborted) throw interruption(options.signal)
    const timer = setTimeout(() => stop.abort(TIMED_OUT), options.timeoutMs)
    active.add(stop)
    try {
      return await attempt(method, params, stop.signal)
    } finally {
      clearTimeout(timer)
      active.delete(stop)
    }
  }

  async function attempt(method: string, params: unknown, stop: AbortSignal): Promise<PoolReply> {
    const isSend = method === 'eth_sendRawTransaction'
    const attempts = (isSend ? 0 : READ_ATTEMPTS - 1) + members.length
    const endsAtMs = now() + options.timeoutMs
    const asked: Member[] = []
    /** Taken when nobody knows better. */
    let second: (PoolReply & { readonly headNumber: number }) | null = null
    let last: FlockError | null = null
    while (asked.length < attempts) {
      const member = chooseMember(members, asked, now()) ?? first
      const isRepeated = asked.includes(member)
      if (isRepeated && second !== null) return second
      const { endpoint } = member.transport
      const backoff = isRepeated ? backoffMs(asked.length - members.length + 1, RETRY) : 0
      const pauseMs = Math.max(member.throttle.delayMs(), backoff)
      if (now() + pauseMs > endsAtMs) throw last ?? failed(endpoint, 'is limiting requests', { pauseMs })
      asked.push(member)
      try {
        if (pauseMs > 0) await sleep(pauseMs, stop)
        const answer = await ask(member, method, params, { stop, isLast: asked.length === attempts })
        if (members.length === 1 || isSend) return answer
        const headNumber = headOf(method, params, answer.reply)
        const isDoubtful =
          headNumber === null ? isUnknowing(method, params, answer.reply) : isBehind(member, headNumber)
        const isBetter = second === null || headNumber === null || headNumber >= second.headNumber
        if (!isDoubtful) return isBetter ? answer : (second ?? answer)
        if (isBetter) second = { ...answer, headNumber: headNumber ?? -1 }
      } catch (error) {
        if (options.signal?.aborted) throw interruption(options.signal)
        if (stop.aborted && stop.reason !== TIMED_OUT) throw stop.reason
        const fault = isFlockError(error) ? error : unreachable(endpoint, 'no answer', error)
        noteFault(member, fault)
        if (stop.aborted && second === null)
          throw last ?? unreachable(endpoint, `timed out after ${options.timeoutMs} ms`, error)
        if (second !== null) return second
        last = fault
        // What answered well before may be a proxy's page by now; what never did is no endpoint.
        const { transient, isMalformed } = fault.details
        const isWorthATry = transient === true || (isMalformed === true && hasAnswered)
        if (!isWorthATry && asked.length >= members.length) throw fault
      }
    }
    if (second !== null) return second
    throw last ?? unreachable(first.transport.endpoint, 'no answer', 'no answer')
  }

  /** @throws RPC_FAILED as well when the member is limiting requests and another try is left */
  async function ask(
    member: Member,
    method: string,
    params: unknown,
    { stop, isLast }: { readonly stop: AbortSignal; readonly isLast: boolean },
  ): Promise<PoolReply> {
    const { endpoint } = member.transport
    const { reply, isLimited, retryAfterMs } = await exchange(member, method, params, stop)
    if (isLimited && !isLast)
      throw failed(endpoint, 'is limiting requests', { transient: true, isLimited, retryAfterMs })
    if (isLimited) member.throttle.limited(retryAfterMs)
    else noteAnswer(member)
    hasAnswered = true
    return { reply, endpoint }
  }

  function noteFault(member: Member, { details }: FlockError): void {
    const { isLimited, retryAfterMs, status } = details
    if (isLimited === true || status === 429 || typeof retryAfterMs === 'number')
      member.throttle.limited(typeof retryAfterMs === 'number' ? retryAfterMs : null)
    else noteFailure(member, now())
  }

  /** Asks one member, within its share of the time. */
  async function exchange(member: Member, method: string, params: unknown, stop: AbortSignal) {
    if (members.length > 1 && !member.isVerified) await verify(member, stop)
    return limited(member, stop, (signal) => member.transport.exchange(nextCall(method, params), signal))
  }

  async function limited<T>(member: Member, stop: AbortSignal, ask: (stop: AbortSignal) => Promise<T>) {
    member.throttle.take()
    if (members.length === 1) return ask(stop)
    const share = new AbortController()
    const end = () => share.abort(stop.reason)
    const timer = setTimeout(end, options.timeoutMs / SHARE_OF_TIME)
    stop.addEventListener('abort', end, { once: true })
    try {
      return await ask(share.signal)
    } finally {
      clearTimeout(timer)
      stop.removeEventListener('abort', end)
    }
  }

  /** @throws CHAIN_MISMATCH, which ends the whole pool: answers of two chains must not be mixed */
  async function verify(member: Member, stop: AbortSignal): Promise<void> {
    const { endpoint } = member.transport
    const { reply } = await limited(member, stop, (signal) =>
      member.transport.exchange(nextCall('eth_chainId', []), signal),
    )
    if ('error' in reply) throw refusalError(endpoint, 'eth_chainId', reply.error)
    const actual = chainIdOf(reply.result, endpoint)
    chainId ??= actual
    if (actual !== chainId) {
      fatal = chainMismatch(endpoint, actual, chainId)
      endAll(fatal)
      throw fatal
    }
    member.isVerified = true
  }

  function isBehind(member: Member, headNumber: number): boolean {
    const nowMs = now()
    if (noteHead(member, headNumber, { members, nowMs })) return true
    if (headNumber > newest.number) {
      newest = { number: headNumber, atMs: nowMs }
      return false
    }
    if (nowMs - Math.max(newest.atMs, comparedAtMs) < STANDSTILL_MS) return false
    comparedAtMs = nowMs
    return true
  }

  function nextCall(method: string, params: unknown): JsonRpcCall {
    lastId += 1
    return { jsonrpc: '2.0', id: lastId, method, params }
  }

  async function verifyAll(): Promise<void> {
    if (members.length === 1) return
    const stop = new AbortController()
    active.add(stop)
    const unknown = members.filter(({ isVerified }) => !isVerified)
    await Promise.allSettled(unknown.map((member) => verify(member, stop.signal)))
    active.delete(stop)
    if (fatal !== null) throw fatal
  }

  return {
    call,
    verify: verifyAll,
    heads: joinFeeds(members),
    close(reason) {
      options.signal?.removeEventListener('abort', onAbort)
      fatal ??= reason
      endAll(reason)
      for (const { transport } of members) transport.close()
    },
  }
}

const TIMED_OUT = Symbol('timed out')

/** The number of the head that a reply tells of; null for other calls. */
function headOf(method: string, params: unknown, reply: JsonRpcReply): number | null {
  if (!('result' in reply)) return null
  const { result } = reply
  if (method === 'eth_blockNumber') return Number(result)
  if (method !== 'eth_getBlockByNumber' || (params as readonly unknown[])[0] !== 'latest') return null
  const { number } = (result ?? {}) as { number?: unknown }
  return number === undefined ? null : Number(number)
}

/** True for a reply that speaks of a block which this endpoint does not have, and another one may. */
function isUnknowing(method: string, params: unknown, reply: JsonRpcReply): boolean {
  if ('error' in reply) return isMissingBlock(reply.error)
  const isBlock = method === 'eth_getBlockByNumber' && (params as readonly unknown[])[0] !== 'latest'
  return isBlock && reply.result === null
}

/** @throws RPC_FAILED when it is none */
export function chainIdOf(result: unknown, endpoint: Endpoint): number {
  const chainId = typeof result === 'string' ? Number(result) : Number.NaN
  if (Number.isSafeInteger(chainId) && chainId > 0) return chainId
  throw new FlockError('RPC_FAILED', `The RPC endpoint ${endpoint.label} gave no chain id.`, {
    details: { endpoint: endpoint.label },
    hint: 'Check that the RPC URL of the network is that of an Ethereum node.',
  })
}

export function chainMismatch(endpoint: Endpoint, actual: number, expected: number): FlockError {
  return new FlockError(
    'CHAIN_MISMATCH',
    `The RPC endpoint ${endpoint.label} serves chain ${actual}, the network asks for chain ${expected}.`,
    {
      details: { endpoint: endpoint.label, actual, expected },
      hint: 'Choose the network that belongs to this endpoint, or the endpoint of this network.',
    },
  )
}

function joinFeeds(members: readonly Member[]): HeadFeed | null {
  const feeds = members.flatMap(({ transport }) => (transport.heads === null ? [] : [transport.heads]))
  if (feeds.length === 0) return null
  return {
    isLive: () => feeds.some((feed) => feed.isLive()),
    listen(onHead) {
      const ends = feeds.map((feed) => feed.listen(onHead))
      return () => {
        for (const end of ends) end()
      }
    },
  }
}
