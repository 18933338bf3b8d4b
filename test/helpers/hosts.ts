import { type Host, type HostSettings, parseHosts } from '../../src/lib/router/hosts.js'
import type { ModelRoute, RoutingSettings } from '../../src/lib/router/route-table.js'

/** Settings of a host that never asks by itself whether the model server lives. */
export function hostSettings(settings: Partial<HostSettings> = {}): HostSettings {
  return {
    id: 'a',
    kind: 'openai',
    baseUrl: 'http://127.0.0.1:1/v1',
    model: 'org/model',
    auth: 'none',
    apiKeyEnv: null,
    apiKeyFile: null,
    weight: 1,
    priority: 0,
    maxConcurrent: 64,
    maxQueued: 64,
    queueTimeoutMs: 20_000,
    connectTimeoutMs: 20_000,
    firstTokenTimeoutMs: 20_000,
    timeoutMs: 20_000,
    maxPromptTokens: null,
    maxCompletionTokens: null,
    headers: {},
    body: {},
    healthPath: '/models',
    healthIntervalMs: 0,
    ...settings,
  }
}

export function hostOf(settings: Partial<HostSettings> = {}): Host {
  const [host] = parseHosts([hostSettings(settings)], noKeys)
  if (host === undefined) throw new Error('no host')
  return host
}

/** A model with these hosts. */
export function routeOf(hosts: readonly Host[], routing: Partial<RoutingSettings> = {}): ModelRoute {
  return {
    name: 'model',
    hosts,
    routing: { policy: 'least-outstanding', retryRatio: 10, hedge: false, ...routing },
  }
}

/** Looks up nothing. */
export const noKeys = {
  env: {},
  readFile(): string {
    throw new Error('no files here')
  },
}
