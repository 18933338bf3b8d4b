import { ChainCommand } from '../../lib/cli/chain-command.js'
import { Flags, addressFlag } from '../../lib/cli/flags.js'
import { modelsTableLines, withNames, type NamedModel } from '../../lib/cli/views/models.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { sameAddress } from '../../lib/hex.js'
import { artifactIdOf } from '../../lib/models/model.js'
import { listModels } from '../../lib/models/registry.js'

export interface ModelsListJson {
  readonly chainId: number
  readonly models: readonly NamedModel[]
}

export default class ModelsListCommand extends ChainCommand<ModelsListJson> {
  static override summary = 'List the registered models.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --status active --json',
  ]
  static override flags = {
    status: Flags.option({
      summary: 'Only models in this state.',
      options: ['active', 'paused', 'retired'] as const,
    })(),
    host: addressFlag({ summary: 'Only models of this host.' }),
  }

  async run(): Promise<ModelsListJson> {
    const { flags } = await this.parse(ModelsListCommand)
    const { project, network, connection } = await this.place()
    const deployment = await openDeployment(network, connection)
    try {
      const registered = await listModels(deployment)
      const wanted = registered.filter(
        ({ status, host }) =>
          (flags.status === undefined || status === flags.status) &&
          (flags.host === undefined || sameAddress(host, flags.host)),
      )
      const names = new Map((project?.config.models ?? []).map((model) => [artifactIdOf(model), model.name]))
      const models = withNames(wanted, names)
      if (models.length === 0) this.note('No such model is registered.')
      this.show(modelsTableLines(models, this.width))
      return { chainId: network.chainId, models }
    } finally {
      deployment.close()
    }
  }
}
