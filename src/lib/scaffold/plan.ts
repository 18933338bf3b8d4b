import { parseConfig, renderConfig } from '../config/document.js'
import type { NetworkConfig } from '../config/networks.js'
import type { FlockConfig } from '../config/schema.js'
import { FlockError } from '../errors.js'
import { parseNodeConfig, renderNodeConfig } from '../infernet/node-config.js'
import { fillTemplate } from './template.js'

export interface PlannedFile {
  /** Inside the project, with forward slashes. */
  readonly path: string
  readonly content: string
}

export interface Templates {
  readonly project: Readonly<Record<string, string>>
  readonly consumer: Readonly<Record<string, string>>
}

/** The port that services listen on inside their containers. */
const SERVICE_PORT = 3000

/** All files of a project. Pure: the same configuration gives the same bytes. None holds a secret. */
export function planProject(
  config: FlockConfig,
  options: { readonly templates: Templates; readonly version: string },
): PlannedFile[] {
  const network = networkOf(config)
  const consumer = contractName(config.name)
  const values = {
    name: config.name,
    version: options.version,
    consumer,
    network: network.name,
    chainId: String(network.chainId),
    modelName: config.models[0]?.name ?? 'demo',
    hostUrl: config.models[0]?.hosts[0]?.baseUrl ?? '',
    port: String(config.service.port),
    apiKeyExamples: apiKeyNames(config)
      .map((name) => `\n# API key of a model server.\n${name}=\n`)
      .join(''),
    apiKeyVariables: apiKeyNames(config)
      .map((name) => `      ${name}: \${${name}:?set it in .env}\n`)
      .join(''),
  }
  const filled = (templates: Readonly<Record<string, string>>) =>
    Object.entries(templates).map(([path, text]) => ({
      path: targetPath(path, consumer),
      content: fillTemplate(text, values),
    }))
  const files = [
    { path: 'flock.yaml', content: checkedConfig(config) },
    { path: config.node.config, content: nodeConfig(config, network) },
    ...filled(options.templates.project),
    ...filled(options.templates.consumer),
  ]
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function networkOf({ network, networks }: FlockConfig): NetworkConfig {
  const found = networks[network]
  if (found === undefined) throw new FlockError('NETWORK_UNKNOWN', `There is no network "${network}".`)
  return found
}

/** `Consumer` stands for the contract's own name. */
function targetPath(path: string, consumer: string): string {
  return path.replace(/Consumer(?=(?:\.t)?\.sol$)/, consumer)
}

/** `my-host` as `MyHost`; a name that begins with a digit gets `Host` in front. */
export function contractName(project: string): string {
  const name = project
    .split('-')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('')
  return /^\d/.test(name) ? `Host${name}` : name
}

/** What is written must read back as what was meant. */
function checkedConfig(config: FlockConfig): string {
  const text = renderConfig(config)
  parseConfig(text)
  return text
}

function nodeConfig(config: FlockConfig, network: NetworkConfig): string {
  const ids = [...new Set(config.models.flatMap((model) => model.containers))]
  const isLocal = network.chainId === 31_337
  const { config: parsed } = parseNodeConfig({
    manage_containers: false,
    startup_wait: 1,
    // The reference node reports to a third party by default.
    forward_stats: false,
    chain: {
      enabled: network.infernetRegistry !== null,
      rpc_url: network.rpcUrl,
      registry_address: network.infernetRegistry,
      // Public chains: the values of Ritual's own recipes. A local chain has neither reorgs nor rate limits.
      trail_head_blocks: isLocal ? 0 : 3,
      wallet: { max_gas_limit: 5_000_000 },
      snapshot_sync: isLocal
        ? { sleep: 0.5, batch_size: 50, sync_period: 0.5 }
        : { sleep: 1, batch_size: 1800, sync_period: 1 },
    },
    containers: ids.map((id) => ({
      id,
      port: config.service.port === 0 ? SERVICE_PORT : config.service.port,
      external: true,
      description: `FlockWorkflow of ${config.name}`,
    })),
  })
  return renderNodeConfig(parsed)
}

function apiKeyNames({ models }: FlockConfig): string[] {
  const names = models.flatMap(({ hosts }) => hosts.flatMap(({ apiKeyEnv }) => apiKeyEnv ?? []))
  return [...new Set(names)]
}
