import { ChainCommand } from '../../lib/cli/chain-command.js'
import { Flags } from '../../lib/cli/flags.js'
import { usageTableLines } from '../../lib/cli/views/usage.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { findModel } from '../../lib/models/registry.js'
import { readUsage, type UsageList } from '../../lib/rewards/usage-log.js'

const MAX_RECORDS = 10_000

export default class UsageListCommand extends ChainCommand<UsageList> {
  static override summary = 'List metered usage, newest first, from the chain itself.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --model my-model --limit 100 --json',
  ]
  static override flags = {
    model: Flags.string({ summary: 'Only this model: name in flock.yaml, id, or first digits of an id.' }),
    'from-block': Flags.integer({ summary: 'First block to look at.', helpValue: '<n>', min: 0 }),
    limit: Flags.integer({
      summary: 'Most records.',
      helpValue: '<n>',
      default: 20,
      min: 1,
      max: MAX_RECORDS,
    }),
  }

  async run(): Promise<UsageList> {
    const { flags } = await this.parse(UsageListCommand)
    const { project, network, connection } = await this.place()
    const deployment = await openDeployment(network, connection)
    try {
      const models = this.modelsOf(project, deployment)
      const model = flags.model === undefined ? null : await findModel(deployment, flags.model, models)
      const usage = await readUsage(deployment, {
        modelId: model?.modelId ?? null,
        fromBlock: flags['from-block'] ?? null,
        limit: flags.limit,
      })
      if (usage.records.length === 0) {
        this.note(`No usage was recorded between blocks ${usage.fromBlock} and ${usage.toBlock}.`)
      }
      this.show(usageTableLines(usage.records, this.width))
      return usage
    } finally {
      deployment.close()
    }
  }
}
