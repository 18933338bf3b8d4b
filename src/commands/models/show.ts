import { ChainCommand } from '../../lib/cli/chain-command.js'
import { Args } from '../../lib/cli/flags.js'
import { modelLines, withNames, type NamedModel } from '../../lib/cli/views/models.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { readContributors, type TableInForce } from '../../lib/models/contributors.js'
import { artifactIdOf } from '../../lib/models/model.js'
import { findModel } from '../../lib/models/registry.js'

export interface ModelsShowJson extends NamedModel {
  readonly contributors: TableInForce
}

export default class ModelsShowCommand extends ChainCommand<ModelsShowJson> {
  static override summary = 'Show a model: host, price, caps, split, nodes and contributors.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-model',
    '<%= config.bin %> <%= command.id %> 0x3f2a --json',
  ]
  static override args = {
    model: Args.string({ description: 'Name in flock.yaml, id, or the first digits of an id.' }),
  }

  async run(): Promise<ModelsShowJson> {
    const { args } = await this.parse(ModelsShowCommand)
    const { project, network, connection } = await this.place()
    const deployment = await openDeployment(network, connection)
    try {
      const found = await findModel(deployment, args.model ?? null, this.modelsOf(project, deployment))
      const { chain, rewardDistributor } = deployment
      const contributors = await readContributors(chain, rewardDistributor, found.modelId)
      const names = new Map((project?.config.models ?? []).map((model) => [artifactIdOf(model), model.name]))
      const [model = { ...found, name: null }] = withNames([found], names)
      this.show(modelLines(model, contributors))
      return { ...model, contributors }
    } finally {
      deployment.close()
    }
  }
}
