import { dirname, join, resolve } from 'node:path'
import { FlockError } from '../errors.js'
import { Flags } from './flags.js'
import { FlockCommand } from './flock-command.js'

/** Where the configuration is, and the project around it, if any. */
export interface NodeFiles {
  readonly configPath: string
  /** Folder of the journal. */
  readonly stateDir: string
  /** The chain that the project expects; null when nothing says so. */
  readonly chainId: number | null
}

export const nodeConfigFlags = {
  'node-config': Flags.string({
    summary:
      'Node configuration; by default node.config of flock.yaml. --config takes it as well when it is .json.',
    helpValue: '<file>',
    env: 'FLOCK_NODE_CONFIG',
  }),
}

/** What the REST face tells whom. */
export const nodeFaceFlags = {
  'open-status': Flags.boolean({
    summary: 'Answer /metrics and flock node status to other machines, too.',
    env: 'FLOCK_NODE_OPEN_STATUS',
  }),
  'trusted-proxy': Flags.string({
    summary: 'Proxy whose X-Forwarded-For tells who a REST client is, repeatable; none by default.',
    helpValue: '<ip or block>',
    multiple: true,
  }),
}

/** Base of the commands that run a node or look at one. */
export abstract class NodeCommand<T extends object> extends FlockCommand<T> {
  /** @throws NODE_CONFIG_INVALID when nothing says where it is */
  protected async nodeFiles(nodeConfig: string | undefined): Promise<NodeFiles> {
    const { config } = this.globals
    const given = nodeConfig ?? (config?.endsWith('.json') === true ? config : undefined)
    const project = given !== undefined && given === config ? null : await this.loadProjectIfAny()
    if (given === undefined && project === null)
      throw new FlockError(
        'NODE_CONFIG_INVALID',
        'No node configuration is named and there is no flock.yaml.',
        {
          hint: 'Run flock init, or name one with --node-config <file>.',
        },
      )
    const dir = project?.dir ?? dirname(resolve(given ?? ''))
    const isKnownChain = project !== null || this.globals.network !== undefined
    return {
      configPath: given ?? resolve(dir, project?.config.node.config ?? ''),
      stateDir: join(dir, '.flock'),
      chainId: isKnownChain ? (await this.networkOf(project?.config ?? null)).chainId : null,
    }
  }
}
