import { Flags, urlFlag } from '../../lib/cli/flags.js'
import { NodeCommand, nodeConfigFlags } from '../../lib/cli/node-command.js'
import { nodeStatusLines } from '../../lib/cli/views/node-status.js'
import { loadNodeConfig } from '../../lib/node/load-config.js'
import { readNodeStatus, type NodeStatusJson } from '../../lib/node/read-status.js'
import { sleep } from '../../lib/retry.js'

const EVERY_SEC = 2
/** Puts the cursor into the corner and clears what is below. */
const CLEAR = '\u001b[H\u001b[J'

export default class NodeStatusCommand extends NodeCommand<NodeStatusJson> {
  static override summary = 'Show how a running Infernet node is.'
  static override description = [
    'Asks the node over its REST port: subscriptions, jobs, balances, the RPC endpoint and the last deliveries. A node',
    'tells this to its own machine alone unless it was started with --open-status. Its /metrics has the same figures for',
    'Prometheus. Under --json, --watch prints one line each time.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --watch',
    '<%= config.bin %> <%= command.id %> --url http://127.0.0.1:4000 --json',
  ]
  static override flags = {
    ...nodeConfigFlags,
    url: urlFlag({
      summary: 'Where the node listens, instead of server.port of its configuration on this machine.',
      helpValue: '<url>',
    }),
    watch: Flags.boolean({ summary: 'Show it again and again until Ctrl-C.' }),
    every: Flags.integer({
      summary: 'Seconds between two looks; by default 2.',
      helpValue: '<seconds>',
      min: 1,
      dependsOn: ['watch'],
    }),
  }

  async run(): Promise<NodeStatusJson> {
    const { flags } = await this.parse(NodeStatusCommand)
    const url = flags.url ?? (await this.#urlOf(flags['node-config']))
    const read = () => readNodeStatus(url, { timeoutMs: this.timeoutMs, signal: this.signal })
    let status = await read()
    if (!flags.watch) this.show(nodeStatusLines(status, this.width))
    while (flags.watch && !this.signal.aborted) {
      const lines = nodeStatusLines(status, this.width)
      this.emit(status, process.stdout.isTTY ? [CLEAR + (lines[0] ?? ''), ...lines.slice(1)] : [...lines, ''])
      try {
        await sleep((flags.every ?? EVERY_SEC) * 1000, this.signal)
        status = await read()
      } catch (error) {
        // Ctrl-C is how it ends.
        if (!this.signal.aborted) throw error
      }
    }
    return status
  }

  async #urlOf(nodeConfig: string | undefined): Promise<string> {
    const { configPath } = await this.nodeFiles(nodeConfig)
    const { config } = await loadNodeConfig(configPath, { env: process.env })
    return `http://127.0.0.1:${config.server.port}`
  }
}
