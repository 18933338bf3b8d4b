import { join } from 'node:path'
import { parseNodeConfig } from '../../src/lib/infernet/node-config.js'
import { createContainerClient } from '../../src/lib/node/container-client.js'
import type { DelegatedIntake } from '../../src/lib/node/delegated-intake.js'
import { openFace } from '../../src/lib/node/face.js'

export const NODE_ADDRESS = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

export interface FaceSettings {
  readonly dir: string
  readonly containers: readonly object[]
  /** Of `server` in the configuration. */
  readonly server?: object
  readonly intake?: DelegatedIntake
  readonly trustedProxies?: readonly string[]
  readonly timeoutMs?: number
}

export interface OpenFace {
  readonly port: number
  readonly url: string
  /** `fetch` of a path. */
  ask(path: string, init?: RequestInit): Promise<Response>
  /** POST of a JSON text, or of a value. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>
  close(): Promise<void>
}

const NO_CHAIN: DelegatedIntake = {
  accept: () => Promise.resolve({ error: 'Chain not enabled', params: {} }),
}

/** A REST face without a node behind it, and without a limit unless one is given. */
export async function openTestFace(settings: FaceSettings): Promise<OpenFace> {
  const { config } = parseNodeConfig({
    manage_containers: false,
    server: { port: 0, rate_limit: { num_requests: 100_000, period: 1 }, ...settings.server },
    containers: settings.containers,
  })
  const client = createContainerClient({ timeoutMs: settings.timeoutMs ?? 20_000, maxBodyBytes: 1_000_000 })
  const face = await openFace({
    config,
    host: '127.0.0.1',
    client,
    urlOf: ({ url }) => url,
    intake: settings.intake ?? NO_CHAIN,
    status: () => ({ address: NODE_ADDRESS, isChainEnabled: true, pendingOnChain: 3 }),
    resultsPath: join(settings.dir, 'results.ndjson'),
    trustedProxies: settings.trustedProxies ?? [],
    now: Date.now,
    unixMs: Date.now,
    onResultsFault: (error) => {
      throw error
    },
  })
  const url = `http://127.0.0.1:${face.port}`
  const ask = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init)
  return {
    port: face.port,
    url,
    ask,
    post: (path, body, headers = { 'content-type': 'application/json' }) =>
      ask(path, {
        method: 'POST',
        headers,
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    close: async () => {
      await face.close()
      client.close()
    },
  }
}

interface Job {
  readonly id: string
  readonly status: string
}

/** Asks for a job until it ended, and gives the text of the last answer. */
export async function endOf(face: Pick<OpenFace, 'ask'>, id: string, query = ''): Promise<string> {
  for (;;) {
    const text = await (await face.ask(`/api/jobs?id=${id}${query}`)).text()
    const [job] = JSON.parse(text) as Job[]
    if (job?.status !== 'running') return text
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
