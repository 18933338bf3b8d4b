import { createCallRunner, openSender } from '../../lib/chain/calls.js'
import { Args } from '../../lib/cli/flags.js'
import { SpendCommand, callFlags } from '../../lib/cli/spend-command.js'
import { modelStatusJson, type ModelStatusJson } from '../../lib/cli/views/models.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { planStatusChange } from '../../lib/models/registration.js'
import { findModel } from '../../lib/models/registry.js'

export default class ModelsResumeCommand extends SpendCommand<ModelStatusJson> {
  static override summary = 'Accept requests to a paused model again.'
  static override examples = ['<%= config.bin %> <%= command.id %> my-model --yes']
  static override args = {
    model: Args.string({ description: 'Name in flock.yaml, id, or the first digits of an id.' }),
  }
  static override flags = { ...callFlags }

  async run(): Promise<ModelStatusJson> {
    const { args, flags } = await this.parse(ModelsResumeCommand)
    const { project, network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const model = await findModel(deployment, args.model ?? null, this.modelsOf(project, deployment))
      const call = planStatusChange(deployment.modelRegistry, model, 'resume', sender.address)
      const runner = call === null ? null : createCallRunner(chain, sender, [call])
      const spent = await this.spend({ network, flags, question: 'Resume the model?', runner })
      const status = spent.changed ? 'active' : model.status
      if (!spent.dryRun) this.show([`${model.modelId} is ${status}`])
      return modelStatusJson(model.modelId, status, spent)
    } finally {
      deployment.close()
    }
  }
}
