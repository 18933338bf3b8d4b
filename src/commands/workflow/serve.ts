import { addressFlag, Flags, keyFlags, portFlag } from '../../lib/cli/flags.js'
import { FlockCommand } from '../../lib/cli/flock-command.js'
import { workflowServeJson, type WorkflowServeJson } from '../../lib/cli/views/workflow.js'
import type { LoadedProject } from '../../lib/config/load.js'
import type { ModelConfig } from '../../lib/config/schema.js'
import { apiKeySources } from '../../lib/config/secrets.js'
import { recordDirOf } from '../../lib/deploy/connect.js'
import { deployedAddress, deployedContractOf, readDeploymentRecord } from '../../lib/deploy/record.js'
import { FlockError } from '../../lib/errors.js'
import { parseAddress, sameAddress, type Address } from '../../lib/hex.js'
import { chooseModel } from '../../lib/models/model.js'
import { createForward } from '../../lib/router/forward.js'
import { createFlockWorkflow } from '../../lib/service/flock-workflow.js'
import { buildServedModel } from '../../lib/service/models.js'
import { createServiceServer } from '../../lib/service/server.js'
import { createReceiptKey } from '../../lib/usage/receipt-key.js'

const MAX_DRAIN_SEC = 600

export default class WorkflowServeCommand extends FlockCommand<WorkflowServeJson> {
  static override summary =
    'Run the FlockWorkflow service, which routes tasks to model hosts and signs usage receipts.'
  static override description = [
    'Serves POST /service_output, GET /service-resources and GET /health until Ctrl-C or SIGTERM; tasks under way are',
    'finished first. Needs no RPC endpoint. The key of the receipt signer comes from FLOCK_RECEIPT_KEY or a keystore.',
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
      default: 30,
      min: 0,
      max: MAX_DRAIN_SEC,
    }),
  }
  static override logLevel = 'info' as const
  /** The way down has a limit of its own, `--drain-timeout`. */
  static override cleanUpMs = (MAX_DRAIN_SEC + 10) * 1_000

  async run(): Promise<WorkflowServeJson> {
    const { flags } = await this.parse(WorkflowServeCommand)
    const project = await this.loadProject()
    const { chainId, name } = await this.networkOf(project.config)
    const keys = apiKeySources(process.env, project.dir)
    const chosen = chosenModels(project.config.models, flags.model ?? [])
    const { usageMeter, modelHost } = contractsOf(project, { chainId, name, ...flags })
    const models = chosen.map((model) => buildServedModel(model, { modelHost, keys }))
    const receiptKey = createReceiptKey(await this.loadKey('FLOCK_RECEIPT_KEY', flags))
    this.#warnOfSigner(chosen, receiptKey.address)
    const forward = createForward({
      nowMs: () => performance.now(),
      random: Math.random,
      log: this.logger,
    })
    forward.use(models.map(({ route }) => route))
    const workflow = createFlockWorkflow({
      chainId,
      usageMeter,
      models,
      receiptKey,
      forward,
      log: this.logger,
    })
    const { service } = project.config
    try {
      const server = await createServiceServer({
        workflow,
        host: flags.host ?? service.host,
        port: flags.port ?? service.port,
        maxBodyBytes: service.maxBodyBytes,
        version: this.config.version,
        log: this.logger,
        signal: this.signal,
        timeouts: { drainMs: flags['drain-timeout'] * 1_000 },
      })
      const result = workflowServeJson(server, workflow, { chainId, usageMeter })
      this.announce(result, [server.url])
      await server.closed
      return result
    } finally {
      await forward.close()
    }
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

function chosenModels(models: readonly ModelConfig[], names: readonly string[]): readonly ModelConfig[] {
  const chosen = names.length === 0 ? models : [...new Set(names)].map((name) => chooseModel(models, name))
  if (chosen.length > 0) return chosen
  throw new FlockError('MODEL_NOT_FOUND', 'flock.yaml names no model to serve.', {
    hint: 'Add one under models.',
  })
}

interface Wish {
  readonly chainId: number
  readonly name: string
  readonly 'usage-meter'?: Address | undefined
  readonly 'model-host'?: Address | undefined
}

/** The meter to sign for and the account behind the models: as given, else as recorded for the network. */
function contractsOf({ dir }: LoadedProject, wish: Wish): { usageMeter: Address; modelHost: Address } {
  const { 'usage-meter': usageMeter, 'model-host': modelHost } = wish
  if (usageMeter !== undefined && modelHost !== undefined) return { usageMeter, modelHost }
  const record = readDeploymentRecord(recordDirOf(dir), wish.chainId)
  if (record === null) {
    throw new FlockError('DEPLOYMENT_NOT_FOUND', `Nothing is recorded as deployed on ${wish.name}.`, {
      details: { network: wish.name, chainId: wish.chainId },
      hint: 'flock deploy, or give --usage-meter and --model-host.',
    })
  }
  return {
    usageMeter: usageMeter ?? deployedAddress(record, 'UsageMeter'),
    // Third argument of ModelHostConsumer's constructor: its host.
    modelHost: modelHost ?? parseAddress(deployedContractOf(record, 'ModelHostConsumer').args[2], 'host'),
  }
}
