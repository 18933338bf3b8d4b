import { posix } from 'node:path'
import type { NetworkConfig } from '../config/networks.js'
import type { FlockConfig } from '../config/schema.js'

/** The port that the service listens on inside a container. */
export const CONTAINER_PORT = 3000

/** A node waits 180 s for a container (infernet.md 2.6): no task under way is worth waiting longer for. */
const MAX_DRAIN_SEC = 180

/** From SIGTERM to SIGKILL, on top of the tasks under way: to be taken out of service before, to close files after. */
const GRACE_SEC = 30

/** The longest name that a StatefulSet may have: its pods carry it with a hash of ten digits in a label of 63. */
const MAX_CLUSTER_NAME = 52

const RECEIPT_KEY = 'FLOCK_RECEIPT_KEY'

/** What stands for the `{{names}}` of templates. Pure. */
export function templateValues(
  config: FlockConfig,
  { network, version }: { readonly network: NetworkConfig; readonly version: string },
): Record<string, string> {
  const { name, models } = config
  const keys = keyNames(config)
  const drainSec = drainSecOf(config)
  const files = tokenizerFiles(config)
  return {
    name,
    version,
    consumer: contractName(name),
    service: clusterName(name),
    network: network.name,
    chainId: String(network.chainId),
    modelName: models[0]?.name ?? 'demo',
    hostUrl: models[0]?.hosts[0]?.baseUrl ?? '',
    drainSec: String(drainSec),
    graceSec: String(drainSec + GRACE_SEC),
    healthCheck: `CMD ${JSON.stringify(HEALTH_CHECK)}`,
    healthCheckList: JSON.stringify(['CMD', ...HEALTH_CHECK]),
    modelsLabel: dockerText(models.map((model) => model.name).join(',')),
    containersLabel: dockerText(containerIds(config).join(',')),
    copies: files.map((file) => `COPY ${JSON.stringify([file, file])}\n`).join(''),
    keptFiles: files.map((file) => `!${file}\n`).join(''),
    apiKeyExamples: keys.map((key) => `\n# API key of a model server or a client.\n${key}=\n`).join(''),
    apiKeyVariables: keys.map((key) => `      ${key}: \${${key}:?set it in .env}\n`).join(''),
    secretNames: [RECEIPT_KEY, ...keys].map((key) => `  ${key}: ''`).join('\n'),
    secretVariables: [RECEIPT_KEY, ...keys].map((key) => secretVariable(key, clusterName(name))).join(''),
    hostPorts: hostPorts(config)
      .map((port) => `        - protocol: TCP\n          port: ${port}`)
      .join('\n'),
  }
}

/** Asks the service whether it is alive. Without `fetch`, whose start costs more than the question. */
const HEALTH_CHECK = [
  'node',
  '-e',
  "const exit = (ok) => process.exit(ok ? 0 : 1); const port = process.env.FLOCK_SERVICE_PORT; require('node:http')" +
    ".get({ host: '127.0.0.1', port, path: '/health' }, (answer) => exit(answer.statusCode === 200))" +
    ".on('error', () => exit(false))",
]

/** The ids that nodes know the service by, each once. */
export function containerIds({ models }: FlockConfig): string[] {
  return [...new Set(models.flatMap((model) => model.containers))]
}

/** `my-host` as `MyHost`; a name that begins with a digit gets `Host` in front. */
export function contractName(project: string): string {
  const name = project
    .split('-')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('')
  return /^\d/.test(name) ? `Host${name}` : name
}

/** What the service is called in a cluster: a DNS label (RFC 1035), which begins with a letter. */
export function clusterName(project: string): string {
  const suffix = '-workflow'
  const prefixed = /^\d/.test(project) ? `host-${project}` : project
  return `${prefixed.slice(0, MAX_CLUSTER_NAME - suffix.length).replace(/-+$/, '')}${suffix}`
}

/** Long enough for every answer that a model host may still give. */
function drainSecOf({ models }: FlockConfig): number {
  const timeouts = models.flatMap(({ hosts }) => hosts.map(({ timeoutMs }) => Math.ceil(timeoutMs / 1_000)))
  return Math.min(MAX_DRAIN_SEC, Math.max(1, ...timeouts))
}

/** Variables with API keys: of model hosts, and of clients. */
function keyNames({ models, service }: FlockConfig): string[] {
  const ofHosts = models.flatMap(({ hosts }) => hosts.flatMap(({ apiKeyEnv }) => apiKeyEnv ?? []))
  const ofClients = service.clients.flatMap(({ keyEnv }) => keyEnv ?? [])
  return [...new Set([...ofHosts, ...ofClients])].filter((key) => key !== RECEIPT_KEY)
}

/** TCP ports of the model hosts, ascending. */
function hostPorts({ models }: FlockConfig): number[] {
  const ports = models.flatMap(({ hosts }) =>
    hosts.map(({ baseUrl }) => {
      const { port, protocol } = new URL(baseUrl)
      return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
    }),
  )
  return [...new Set(ports)].sort((a, b) => a - b)
}

/** Tokenizers that the image has to hold; those outside the project cannot be copied into it. */
function tokenizerFiles({ models }: FlockConfig): string[] {
  const files = models.flatMap(({ tokenizer }) =>
    tokenizer !== null && 'file' in tokenizer ? [posix.normalize(tokenizer.file)] : [],
  )
  return [...new Set(files)].filter((file) => !posix.isAbsolute(file) && !file.startsWith('..'))
}

/** A quoted word of a Dockerfile, where `$` begins a variable. */
function dockerText(text: string): string {
  return `"${text.replace(/["\\$]/g, '\\$&')}"`
}

function secretVariable(key: string, secret: string): string {
  return [
    `            - name: ${key}`,
    '              valueFrom:',
    '                secretKeyRef:',
    `                  name: ${secret}`,
    `                  key: ${key}`,
    '',
  ].join('\n')
}
