import { type LogRecord, createLogger } from '../../src/lib/log.js'
import { newClientKey } from '../../src/lib/service/client-keys.js'
import type { ClientSettings } from '../../src/lib/service/clients.js'
import { type ServiceServer, createServiceServer } from '../../src/lib/service/server.js'
import { type FakeHost, type HostAnswer, startFakeHost } from './fake-host.js'
import { type ServiceParts, type ServiceWorld, createServiceWorld, tinyModel } from './service-world.js'

/** A key that is the same on every run; keys of different numbers differ. */
export const keyNumber = (number: number) => newClientKey((size) => new Uint8Array(size).fill(number))

/** A client without limits, with the key of that number. */
export function clientNumber(number: number, settings: Partial<ClientSettings> = {}): ClientSettings {
  return {
    name: `client-${number}`,
    keyHash: keyNumber(number).keyHash,
    keyEnv: null,
    models: null,
    requestsPerMinute: null,
    tokensPerMinute: null,
    maxConcurrent: null,
    ...settings,
  }
}

/** The OpenAI-compatible routes on a port, in front of one fake host. */
export interface OpenAiWorld {
  readonly url: string
  readonly host: FakeHost
  readonly server: ServiceServer
  readonly service: ServiceWorld
  readonly records: readonly LogRecord[]
  /** Sends JSON, by default with the key of client 1. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>
  get(path: string, key?: string): Promise<Response>
  close(): Promise<void>
}

const CHAT = '/v1/chat/completions'

export async function createOpenAiWorld(
  answers: readonly HostAnswer[],
  { stallMs = 30_000, ...parts }: Partial<ServiceParts> & { readonly stallMs?: number } = {},
): Promise<OpenAiWorld> {
  const host = await startFakeHost(...answers)
  const records: LogRecord[] = []
  const log = createLogger('debug', (record) => records.push(record))
  const models = [tinyModel({ baseUrl: host.baseUrl, model: 'org/tiny' }, { aliases: ['gpt-4o-mini'] })]
  const service = await createServiceWorld({ models, log, clients: [clientNumber(1)], ...parts })
  const server = await createServiceServer({
    service: service.service,
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 65_536,
    version: '1.2.3',
    nowMs: () => performance.now(),
    log,
    timeouts: { stallMs },
  })
  return {
    url: server.url,
    host,
    server,
    service,
    records,
    post: async (path, body, init = {}) =>
      fetch(server.url + path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...bearer(keyNumber(1).key), ...init.headers },
      }),
    get: async (path, key = keyNumber(1).key) => fetch(server.url + path, { headers: bearer(key) }),
    async close() {
      await server.close()
      await service.close()
      await host.close()
    },
  }
}

export const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** A chat of one question. */
export function askChat(
  world: OpenAiWorld,
  fields: Readonly<Record<string, unknown>> = {},
  init?: RequestInit,
): Promise<Response> {
  return world.post(CHAT, { model: 'tiny', messages: [{ role: 'user', content: 'hi' }], ...fields }, init)
}

/** The data of server-sent events, in order; what is JSON is parsed. */
export function dataOfEvents(text: string): unknown[] {
  return text
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => {
      if (!event.startsWith('data: ')) throw new Error(`no data in ${JSON.stringify(event)}`)
      const data = event.slice('data: '.length)
      return data === '[DONE]' ? data : (JSON.parse(data) as unknown)
    })
}
