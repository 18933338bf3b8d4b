import type { LogRecord } from '../../src/lib/log.js'
import { createLogger } from '../../src/lib/log.js'
import { type Forward, type HostCall, createForward } from '../../src/lib/router/forward.js'
import type { Host, HostSettings } from '../../src/lib/router/hosts.js'
import type { StreamEvent } from '../../src/lib/router/openai.js'
import { type FakeHost, type HostAnswer, startFakeHost } from './fake-host.js'
import { hostOf } from './hosts.js'

/** A router with a clock that stands still, model servers for it, and what it tells. */
export interface RouterWorld {
  readonly forward: Forward
  readonly records: readonly LogRecord[]
  readonly calls: readonly HostCall[]
  /** Milliseconds of the router's clock. */
  clockMs: number
  /** A model server; the host of that id leads to it. */
  host(id: string, answers: readonly HostAnswer[], settings?: Partial<HostSettings>): Promise<Served>
  close(): Promise<void>
}

export interface Served {
  readonly host: Host
  readonly server: FakeHost
}

export function createRouterWorld(random: () => number = () => 0): RouterWorld {
  const records: LogRecord[] = []
  const calls: HostCall[] = []
  const servers: FakeHost[] = []
  const forward = createForward({
    nowMs: () => world.clockMs,
    random,
    log: createLogger('debug', (record) => records.push(record)),
    onCall: (call) => calls.push(call),
  })
  const world: RouterWorld = {
    forward,
    records,
    calls,
    clockMs: 0,
    async host(id, answers, settings = {}) {
      const server = await startFakeHost(...answers)
      servers.push(server)
      const baseUrl = settings.kind === 'infernet' ? server.url : server.baseUrl
      return { host: hostOf({ id, baseUrl, ...settings }), server }
    },
    async close() {
      await forward.close()
      await Promise.all(servers.map((server) => server.close()))
    },
  }
  return world
}

export async function readEvents(stream: AsyncIterable<readonly StreamEvent[]>): Promise<StreamEvent[]> {
  const all: StreamEvent[] = []
  for await (const events of stream) all.push(...events)
  return all
}
