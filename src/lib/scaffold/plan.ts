import { parseConfig, renderConfig } from '../config/document.js'
import type { NetworkConfig } from '../config/networks.js'
import type { FlockConfig } from '../config/schema.js'
import { FlockError } from '../errors.js'
import { parseNodeConfig, renderNodeConfig } from '../infernet/node-config.js'
import { TARGET_FOLDERS } from './targets.js'
import type { Target } from './targets.js'
import { fillTemplate } from './template.js'
import { containerIds, CONTAINER_PORT, contractName, templateValues } from './values.js'

export interface PlannedFile {
  /** Inside the project, with forward slashes. */
  readonly path: string
  readonly content: string
}

export const TEMPLATE_FOLDERS = [
  'project',
  'consumer',
  'container',
  'compose',
  'kubernetes',
  'systemd',
] as const

/** Templates by folder and path. */
export type Templates = Readonly<Record<(typeof TEMPLATE_FOLDERS)[number], Readonly<Record<string, string>>>>

/** In the folder of a target: what README.md says about it. */
const README_PART = 'README.part.md'

/** All files of a project. Pure: the same configuration and targets give the same bytes. None holds a secret. */
export function planProject(
  config: FlockConfig,
  options: {
    readonly templates: Templates
    readonly targets: readonly Target[]
    readonly version: string
  },
): PlannedFile[] {
  const { templates, targets, version } = options
  const network = networkOf(config)
  const folders = new Set(targets.flatMap((target) => [...TARGET_FOLDERS[target]]))
  const added = Object.assign({}, ...[...folders].map((name) => templates[name])) as Record<string, string>
  const values = templateValues(config, { network, version })
  const parts = [...folders].map((name) => fillTemplate(templates[name][README_PART] ?? '', values))
  const fill = ([path, text]: [string, string]) => ({
    path: targetPath(path, contractName(config.name)),
    content: fillTemplate(text, { ...values, targets: parts.join('') }),
  })
  const chosen = { ...templates.project, ...templates.consumer, ...added }
  const files = [
    { path: 'flock.yaml', content: checkedConfig(config) },
    { path: config.node.config, content: nodeConfig(config, network) },
    ...Object.entries(chosen)
      .filter(([path]) => path !== README_PART)
      .map(fill),
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

/** What is written must read back as what was meant. */
function checkedConfig(config: FlockConfig): string {
  const text = renderConfig(config)
  parseConfig(text)
  return text
}

function nodeConfig(config: FlockConfig, network: NetworkConfig): string {
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
    containers: containerIds(config).map((id) => ({
      id,
      port: config.service.port === 0 ? CONTAINER_PORT : config.service.port,
      external: true,
      description: `FlockWorkflow of ${config.name}`,
    })),
  })
  return renderNodeConfig(parsed)
}
