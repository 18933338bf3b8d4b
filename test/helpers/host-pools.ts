import { Pool } from 'undici'
import { type FakeHost, type HostAnswer, startFakeHost } from './fake-host.js'

/** Hosts and pools of one test. */
export interface HostPools {
  /** A host that gives these answers in turn, and a pool with one connection to it. */
  readonly setUp: (...answers: HostAnswer[]) => Promise<{ host: FakeHost; pool: Pool }>
  /** @param close ends what the pool is connected to */
  readonly poolOf: (url: string, close: () => Promise<void>, connections?: number) => Pool
  /** Ends all of them, the last one first. */
  close(): Promise<void>
}

export function createHostPools(): HostPools {
  const closers: (() => Promise<void>)[] = []
  const poolOf: HostPools['poolOf'] = (url, close, connections = 1) => {
    const pool = new Pool(url, { connections, headersTimeout: 0, bodyTimeout: 0 })
    closers.push(close, () => pool.destroy())
    return pool
  }
  return {
    poolOf,
    async setUp(...answers) {
      const host = await startFakeHost(...answers)
      return { host, pool: poolOf(host.url, () => host.close()) }
    },
    async close() {
      for (const close of closers.splice(0).reverse()) await close()
    },
  }
}

export const outgoing = { method: 'POST', path: '/x', headers: ['x-a', '1'], body: '{"a":1}' } as const
