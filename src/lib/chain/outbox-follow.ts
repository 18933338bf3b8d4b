/** Follows the blocks of the chain and finds in them what an outbox sent. */
import { toFlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import type { FeeHead } from './fee-source.js'
import type { OutboxCore } from './outbox-core.js'
import type { Entry } from './outbox-entry.js'
import { rescue } from './outbox-rescue.js'
import { settle } from './outbox-settle.js'
import type { Chain } from './provider.js'
import { createReceiptReader } from './receipts.js'

export interface OutboxHead extends FeeHead {
  readonly hash: Hex
  readonly parentHash: Hex
}

export interface Follower {
  see(head: OutboxHead): void
  /** Looks for a block itself unless it is told of one in time. */
  arm(): void
  disarm(): void
  lookAlone(): void
}

/** Blocks that are looked through again when blocks were replaced; deeper ones show as soon as nothing gets mined. */
const REORG_BLOCKS = 8

/** @param onHead called before a block is looked through */
export function createFollower(
  core: OutboxCore,
  { quietMs, onHead }: { readonly quietMs: number; readonly onHead: (head: OutboxHead) => void },
): Follower {
  const { chain, stop, onFault } = core
  const receipts = createReceiptReader(chain)
  let head: OutboxHead | null = null
  let looked: OutboxHead | null = null
  let isFollowing = false
  let faults = 0
  let pauseMs = quietMs
  let timer: NodeJS.Timeout | undefined

  async function follow(): Promise<void> {
    if (isFollowing) return
    isFollowing = true
    try {
      while (head !== null && head !== looked && !stop.aborted) {
        const at = head
        if (core.entries().length > 0) {
          await lookThrough(at)
          await rescue(core, at)
        }
        looked = at
      }
      faults = 0
      arm()
    } catch (error) {
      retryLater(error)
    } finally {
      isFollowing = false
    }
  }

  async function lookThrough(at: OutboxHead): Promise<void> {
    const byHash = new Map<string, Entry>()
    for (const entry of core.entries()) for (const { hash } of entry.attempts) byHash.set(hash, entry)
    const found = await receipts.read([...byHash.keys()] as Hex[], firstUnseen(at), at.number)
    await Promise.all(
      found.map(async (receipt) => {
        const entry = byHash.get(receipt.transactionHash)
        if (entry !== undefined) await settle(core, entry, receipt)
      }),
    )
  }

  function firstUnseen(at: OutboxHead): number {
    if (looked === null) return at.number
    const isNext = at.number > looked.number + 1 || at.parentHash === looked.hash
    return isNext ? looked.number + 1 : Math.max(0, Math.min(looked.number, at.number) - REORG_BLOCKS)
  }

  async function look(): Promise<void> {
    try {
      const latest = await readLatest(chain)
      if (latest !== null && latest.hash !== head?.hash) see(latest)
      else if (head === looked) arm()
      else await follow()
    } catch (error) {
      retryLater(error)
    }
  }

  function see(latest: OutboxHead): void {
    if (latest.hash === head?.hash) return
    head = latest
    onHead(latest)
    arm()
    void follow()
  }

  function retryLater(error: unknown): void {
    if (stop.aborted) return
    faults += 1
    arm(onFault(toFlockError(error), faults))
  }

  function arm(delayMs = pauseMs): void {
    clearTimeout(timer)
    if (core.entries().length > 0 && !stop.aborted) timer = setTimeout(() => void look(), delayMs)
  }

  return {
    see,
    arm: () => arm(),
    disarm: () => clearTimeout(timer),
    lookAlone() {
      pauseMs = chain.pollIntervalMs
      arm()
    },
  }
}

interface RpcHead {
  readonly number: string
  readonly hash: string
  readonly parentHash: string
  readonly baseFeePerGas?: string
}

async function readLatest(chain: Chain): Promise<OutboxHead | null> {
  const block = (await chain.provider.send('eth_getBlockByNumber', ['latest', false])) as RpcHead | null
  if (block === null) return null
  const { number, hash, parentHash, baseFeePerGas } = block
  return {
    number: Number(number),
    hash: hash as Hex,
    parentHash: parentHash as Hex,
    ...(baseFeePerGas === undefined ? {} : { baseFeePerGas: BigInt(baseFeePerGas) }),
  }
}
