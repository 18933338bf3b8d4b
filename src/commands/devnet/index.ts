import { Flags, portFlag } from '../../lib/cli/flags.js'
import { FlockCommand } from '../../lib/cli/flock-command.js'
import { devnetJson, devnetLines, type DevnetJson } from '../../lib/cli/views/devnet.js'
import { recordDirOf } from '../../lib/deploy/connect.js'
import { startDevnet, type Devnet } from '../../lib/devnet/devnet.js'
import { FlockError } from '../../lib/errors.js'

/** Where wallets and configurations expect a local chain. */
const DEFAULT_PORT = 8545

export default class DevnetCommand extends FlockCommand<DevnetJson> {
  static override summary = 'Run a local chain with Infernet, the FLock contracts and funded accounts.'
  static override description = [
    'Runs until Ctrl-C or SIGTERM, then stops the chain and exits with status 0. Infernet stands at the addresses of',
    "Ritual's starter kit. The keys are public: never use them on another chain. Under --json one document is printed",
    'when the chain is ready.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --port 0 --json',
    '<%= config.bin %> <%= command.id %> --state .flock/chain.json --block-time 2',
  ]
  static override flags = {
    port: portFlag({
      summary: 'Port to listen on; 0 takes a free one.',
      env: 'FLOCK_DEVNET_PORT',
      default: DEFAULT_PORT,
    }),
    host: Flags.string({
      summary: 'Address to listen on.',
      helpValue: '<address>',
      env: 'FLOCK_DEVNET_HOST',
      default: '127.0.0.1',
    }),
    'block-time': Flags.integer({
      summary: 'Seconds between blocks; by default each transaction is mined at once.',
      helpValue: '<s>',
      env: 'FLOCK_DEVNET_BLOCK_TIME',
      min: 1,
      max: 3600,
    }),
    state: Flags.string({
      summary: 'File that keeps the chain between runs.',
      helpValue: '<file>',
      env: 'FLOCK_DEVNET_STATE',
    }),
    deployments: Flags.string({
      summary: 'Folder of the deployment record; by default deployments beside flock.yaml, or here.',
      helpValue: '<dir>',
      env: 'FLOCK_DEPLOYMENTS',
    }),
  }
  /** A long chain takes time to be written to its state file. */
  static override cleanUpMs = 15_000

  async run(): Promise<DevnetJson> {
    const { flags } = await this.parse(DevnetCommand)
    const progress = this.progress()
    progress.start('Starting the local chain')
    const devnet = await startDevnet({
      port: flags.port,
      host: flags.host,
      recordDir: flags.deployments ?? (await this.#recordDir()),
      ...(flags['block-time'] === undefined ? {} : { blockTimeSec: flags['block-time'] }),
      ...(flags.state === undefined ? {} : { statePath: flags.state }),
      log: this.logger,
      signal: this.signal,
    }).finally(() => progress.stop())
    try {
      const result = devnetJson(devnet)
      this.announce(result, devnetLines(result, this.width))
      this.note('These keys are public. Press Ctrl-C to stop.')
      await this.#untilStopped(devnet)
      return result
    } finally {
      await devnet.close()
    }
  }

  async #recordDir(): Promise<string> {
    const project = await this.loadProjectIfAny()
    return recordDirOf(project?.dir ?? process.cwd())
  }

  /** @throws CHAIN_START_FAILED when the chain ends by itself */
  async #untilStopped({ exited }: Devnet): Promise<void> {
    const { signal } = this
    const stopped = new Promise<'stopped'>((resolve) => {
      if (signal.aborted) resolve('stopped')
      signal.addEventListener('abort', () => resolve('stopped'), { once: true })
    })
    const outcome = await Promise.race([stopped, exited])
    if (outcome === 'stopped') return
    throw new FlockError('CHAIN_START_FAILED', 'The local chain ended by itself.', {
      details: { exitCode: outcome },
      hint: 'Start it again.',
    })
  }
}
