import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startHttpServer, type TestServer } from './http-server.js'
import { startNode, type NodeSettings, type WatchedNode } from './node-world.js'
import type { PaidWorld } from './paid-world.js'
import { createTempDir } from './temp-dir.js'

/** A container and the nodes that a test starts beside it, in a folder of their own. */
export interface PaidStage {
  readonly container: TestServer
  /** What the container was asked, in order. */
  readonly asked: readonly Record<string, unknown>[]
  /** Starts a node and waits until it knows the chain. One of another account has a journal of its own. */
  start(settings?: Partial<NodeSettings>): Promise<WatchedNode>
  close(): Promise<void>
}

/** The first devnet account that nodes sign with. */
const FIRST_ACCOUNT = 1

/** @param defaults settings of all nodes, unless a start names others */
export async function openPaidStage(
  world: PaidWorld,
  defaults: Partial<NodeSettings> = {},
): Promise<PaidStage> {
  const dir = await createTempDir()
  const asked: Record<string, unknown>[] = []
  const nodes: WatchedNode[] = []
  const container = await startHttpServer((body, response) => {
    asked.push(JSON.parse(body) as Record<string, unknown>)
    response.writeHead(200, { 'content-type': 'application/json' })
    const fields = { raw_input: '', processed_input: '', processed_output: '' }
    response.end(JSON.stringify({ ...fields, raw_output: 'c0de', proof: 'beef' }))
  })
  return {
    container,
    asked,
    async start(settings = {}) {
      const node = await startNode(world, {
        journalPath: join(dir, `node-${settings.account ?? FIRST_ACCOUNT}.ndjson`),
        containers: { echo: container.url },
        ...defaults,
        ...settings,
        wallet: { payment_address: world.nodeWallet, ...settings.wallet },
        options: { fundsRecheckMs: 25, ...settings.options },
      })
      nodes.push(node)
      await node.waitFor('synced')
      return node
    },
    async close() {
      await Promise.all(nodes.map((node) => node.stop()))
      await container.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
