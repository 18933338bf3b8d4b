import { homedir } from 'node:os'
import { join } from 'node:path'
import { createSigner } from '../../lib/chain/signer.js'
import { Flags, keyFlags, parseRpcUrl, portFlag, type KeyFlags } from '../../lib/cli/flags.js'
import { NodeCommand, nodeConfigFlags, nodeFaceFlags } from '../../lib/cli/node-command.js'
import {
  countNodeEvent,
  nodeEventRecord,
  nodeReadyLine,
  type NodeStartJson,
} from '../../lib/cli/views/node.js'
import { parsePrivateKey } from '../../lib/config/secrets.js'
import type { Hex } from '../../lib/hex.js'
import type { NodeConfig } from '../../lib/infernet/node-config.js'
import { parseContainerOverrides } from '../../lib/node/container-urls.js'
import type { NodeEvent } from '../../lib/node/events.js'
import { dockerSocketPath } from '../../lib/node/docker-socket.js'
import { loadNodeConfig } from '../../lib/node/load-config.js'
import { startManagedContainers, STOP_GRACE_SEC } from '../../lib/node/managed-containers.js'
import { openNodeChain } from '../../lib/node/open-chain.js'
import { createInfernetNode } from '../../lib/node/node.js'
import type { InfernetNode } from '../../lib/node/node-options.js'

/** How long transactions that were sent are waited for at the end. */
const DRAIN_MS = 30_000

export default class NodeStartCommand extends NodeCommand<NodeStartJson> {
  static override summary =
    'Run an Infernet node that answers requests on chain with the configured containers.'
  static override description = [
    "Reads the reference node's config.json and needs no Redis. With manage_containers it starts the containers in Docker",
    'and stops them at the end, otherwise they have to run already. Answers are kept in a journal, so that a restart',
    'neither computes nor delivers twice. Runs until Ctrl-C or SIGTERM and then waits for transactions under way. The key',
    'comes from a keystore, FLOCK_NODE_KEY or the configuration, in which "${NAME}" stands for an environment variable.',
    'Under --json each event is one line, "started" when the node is ready, and the result is the last.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --config config.json --account my-node',
    '<%= config.bin %> <%= command.id %> --containers flock-workflow=http://127.0.0.1:3000 --json',
  ]
  static override flags = {
    ...keyFlags,
    ...nodeConfigFlags,
    containers: Flags.string({
      summary: 'Where a container is reached instead of what the configuration says, repeatable.',
      helpValue: '<id=url>',
      multiple: true,
    }),
    port: portFlag({
      summary: 'REST port instead of server.port; 0 takes a free one.',
      env: 'FLOCK_NODE_PORT',
    }),
    'fallback-rpc-url': Flags.string({
      summary:
        'Endpoint to ask when the first one is not well, repeatable; instead of chain.fallback_rpc_urls.',
      helpGroup: 'NETWORK',
      helpValue: '<url>',
      multiple: true,
      parse: async (input) => parseRpcUrl(input, '--fallback-rpc-url'),
    }),
    ...nodeFaceFlags,
    journal: Flags.string({
      summary:
        'Journal file; by default one per chain and account in .flock beside flock.yaml or the configuration.',
      helpValue: '<file>',
      env: 'FLOCK_NODE_JOURNAL',
    }),
  }
  static override logLevel = 'info' as const
  static override cleanUpMs = DRAIN_MS + STOP_GRACE_SEC * 1000 + 5_000

  async run(): Promise<NodeStartJson> {
    const { flags } = await this.parse(NodeStartCommand)
    const { configPath, stateDir, chainId } = await this.nodeFiles(flags['node-config'])
    const overrides = {
      rpcUrl: this.globals['rpc-url'],
      fallbackRpcUrls: flags['fallback-rpc-url'],
      port: flags.port,
      env: process.env,
    }
    const { config, notices, secrets } = await loadNodeConfig(configPath, overrides)
    for (const secret of secrets) this.redactor.add(secret)
    for (const notice of notices) this.warnUser(notice)
    const containers = parseContainerOverrides(flags.containers ?? [])
    const key = await this.#key(config, flags)
    const containerHost = process.env.RUNTIME === 'docker' ? 'host.docker.internal' : 'localhost'
    const now = () => performance.now()
    const chain = await openNodeChain(config, { chainId, timeoutMs: this.timeoutMs, now })
    try {
      const signer = createSigner(key, chain)
      const node = await createInfernetNode({
        chain,
        signer,
        config,
        containers,
        containerHost,
        startContainers: (see) =>
          startManagedContainers(config, {
            socketPath: () => dockerSocketPath(process.env, homedir(), process.platform),
            containerHost,
            except: Object.keys(containers),
            emit: (event) => {
              see(event)
              this.#tell(event)
            },
            now,
            signal: this.signal,
          }),
        journalPath: flags.journal ?? join(stateDir, `node-${chain.chainId}-${signer.address}.ndjson`),
        signal: this.signal,
        now,
        unixMs: () => Date.now(),
        isStatusOpen: flags['open-status'],
        trustedProxies: flags['trusted-proxy'] ?? [],
        drainMs: DRAIN_MS,
      })
      return await this.#serve(node).finally(() => node.close())
    } finally {
      chain.close()
    }
  }

  async #serve(node: InfernetNode): Promise<NodeStartJson> {
    let result: NodeStartJson = { ...node.about, delivered: 0, closed: {} }
    this.show([nodeReadyLine(result)])
    for await (const event of node.run()) {
      result = countNodeEvent(result, event)
      this.#tell(event)
    }
    return result
  }

  async #key({ chain }: NodeConfig, flags: KeyFlags): Promise<Hex> {
    const inFile = chain.wallet?.private_key ?? null
    const isNamed = flags.account !== undefined || flags.keystore !== undefined || process.env.FLOCK_NODE_KEY
    if (inFile === null || isNamed) return this.loadKey('FLOCK_NODE_KEY', flags)
    return parsePrivateKey(inFile, 'chain.wallet.private_key')
  }

  #tell(event: NodeEvent): void {
    if (this.mode.json) return this.emit(event, [])
    const { level, message, fields } = nodeEventRecord(event)
    this.logger[level](message, fields)
  }
}
