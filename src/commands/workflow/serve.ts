import { resolve } from 'node:path'
import { addressFlag, Flags, keyFlags, portFlag } from '../../lib/cli/flags.js'
import { FlockCommand } from '../../lib/cli/flock-command.js'
import { workflowServeJson, type WorkflowServeJson } from '../../lib/cli/views/workflow.js'
import type { LoadedProject } from '../../lib/config/load.js'
import type { ModelConfig } from '../../lib/config/model-schema.js'
import { apiKeySources } from '../../lib/config/secrets.js'
import { recordDirOf } from '../../lib/deploy/connect.js'
import { servedContracts } from '../../lib/deploy/served-contracts.js'
import { sameAddress, type Address } from '../../lib/hex.js'
import { speedUpKeccak } from '../../lib/keccak.js'
import { chooseModels } from '../../lib/models/model.js'
import { type ServiceSettings, openService } from '../../lib/service/open-service.js'
import { createServiceServer } from '../../lib/service/server.js'
import { createReceiptKey } from '../../lib/usage/receipt-key.js'

const MAX_DRAIN_SEC = 600
/** What a host may take for an answer when its configuration says nothing else. */
const DEFAULT_DRAIN_SEC = 120

export default class WorkflowServeCommand extends FlockCommand<WorkflowServeJson> {
  static override summary =
    'Run the FlockWorkflow service, which routes tasks to model hosts and signs usage receipts.'
  static override description = [
    'Serves the routes of an Infernet container and those of OpenAI for clients with keys, until Ctrl-C or SIGTERM; what',
    'is under way is finished first. On SIGHUP models, hosts and clients are read again from flock.yaml; address, folders',
    'and the key of the receipt signer stay. Needs no RPC endpoint. The key of the receipt signer comes from',
    'FLOCK_RECEIPT_KEY or a keystore. Each setting under service in flock.yaml has a variable that stands over it, for',
    'instance FLOCK_SERVICE_PORT: see README.md.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --host 0.0.0.0 --port 3000 --account receipts',
    '<%= config.bin %> <%= command.id %> --model my-model --usage-meter 0x... --model-host 0x...',
  ]
  static override flags = {
    ...keyFlags,
    port: portFlag({ summary: 'Port to listen on instead of service.port; 0 takes a free one.' }),
    host: Flags.string({ summary: 'Address to listen on instead of service.host.', helpValue: '<address>' }),
    model: Flags.string({
      summary: 'Model of flock.yaml to serve, repeatable; by default all.',
      helpValue: '<name>',
      multiple: true,
    }),
    'usage-meter': addressFlag({
      summary: 'Usage meter that receipts are signed for; by default the recorded one.',
      env: 'FLOCK_USAGE_METER',
    }),
    'model-host': addressFlag({
      summary: 'Account that registered the models; by default the host of the recorded consumer.',
      env: 'FLOCK_MODEL_HOST',
    }),
    'drain-timeout': Flags.integer({
      summary: 'Seconds that tasks under way may take once the service is stopped.',
      helpValue: '<s>',
      env: 'FLOCK_DRAIN_TIMEOUT',
      default: DEFAULT_DRAIN_SEC,
      min: 0,
      max: MAX_DRAIN_SEC,
    }),
  }
  static override logLevel = 'info' as const
  /** The way down has a limit of its own, `--drain-timeout`. */
  static override cleanUpMs = (MAX_DRAIN_SEC + 10) * 1_000

  async run(): Promise<WorkflowServeJson> {
    const { flags } = await this.parse(WorkflowServeCommand)
    // A signal that comes before there is anything to read again must not end the process.
    let reload = async (): Promise<void> => Promise.resolve()
    this.onHangup(async () => reload())
    const project = await this.loadProject()
    const { chainId, name } = await this.networkOf(project.config)
    const { usageMeter, modelHost } = servedContracts(recordDirOf(project.dir), { chainId, name, ...flags })
    await speedUpKeccak()
    const receiptKey = createReceiptKey(await this.loadKey('FLOCK_RECEIPT_KEY', flags))
    const { service } = project.config
    const at = { host: flags.host ?? service.host, port: flags.port ?? service.port }
    const common = {
      ...at,
      maxBodyBytes: service.maxBodyBytes,
      version: this.config.version,
      nowMs: () => performance.now(),
      log: this.logger,
    }
    const opened = await openService(this.#settingsOf(project, flags.model, receiptKey.address), {
      ...common,
      chainId,
      usageMeter,
      modelHost,
      receiptKey,
      keys: apiKeySources(process.env, project.dir),
      answers: { ...service.answers, dir: resolve(project.dir, service.answers.dir) },
      usageDir: resolve(project.dir, service.usageDir),
      unixMs: Date.now,
      random: Math.random,
    })
    try {
      const timeouts = { drainMs: flags['drain-timeout'] * 1_000 }
      const server = await createServiceServer({
        ...common,
        service: opened.service,
        signal: this.signal,
        timeouts,
      })
      reload = async () => {
        const next = this.#settingsOf(await this.loadProject(), flags.model, receiptKey.address)
        server.use(await opened.reload(next))
        this.logger.info('The configuration was read again.', {
          models: next.models.map((model) => model.name),
        })
      }
      const result = workflowServeJson(server, opened.service.workflow, { chainId, usageMeter })
      this.announce(result, [server.url])
      await server.closed
      return result
    } finally {
      await opened.close()
    }
  }

  #settingsOf(
    { config }: LoadedProject,
    names: readonly string[] | undefined,
    signer: Address,
  ): ServiceSettings {
    const models = chooseModels(config.models, names ?? [])
    this.#warnOfSigner(models, signer)
    return { models, clients: config.service.clients, stockTasks: config.service.stockTasks }
  }

  /** A signer that the chain does not expect makes every receipt worthless, but may be about to be registered. */
  #warnOfSigner(models: readonly ModelConfig[], signer: Address): void {
    for (const { name, receiptSigner } of models) {
      if (receiptSigner === null || sameAddress(receiptSigner, signer)) continue
      this.warnUser({
        code: 'RECEIPT_SIGNER_DIFFERS',
        message: `The receipts of ${name} are signed by ${signer}; flock.yaml names ${receiptSigner}.`,
      })
    }
  }
}
