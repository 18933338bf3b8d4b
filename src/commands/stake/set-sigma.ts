import { createCallRunner, openSender } from '../../lib/chain/calls.js'
import { Args } from '../../lib/cli/flags.js'
import { SpendCommand, callFlags } from '../../lib/cli/spend-command.js'
import { stakedJson, stakeStatusLines, type StakedJson } from '../../lib/cli/views/stake.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { planSigma, readStakeStatus } from '../../lib/rewards/stake.js'
import { parsePpm } from '../../lib/units.js'

export default class StakeSetSigmaCommand extends SpendCommand<StakedJson> {
  static override summary = 'Set which part of the reward earned by delegated stake you keep.'
  static override description =
    'The first value counts at once and lets others delegate. A later one is announced; after the cooldown the same command applies it.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 40%',
    '<%= config.bin %> <%= command.id %> 400000 --yes',
  ]
  static override args = {
    sigma: Args.string({
      description: 'A percentage such as 40%, or whole ppm such as 400000.',
      required: true,
    }),
  }
  static override flags = { ...callFlags }

  async run(): Promise<StakedJson> {
    const { args, flags } = await this.parse(StakeSetSigmaCommand)
    const sigmaPpm = parsePpm(args.sigma, 'sigma')
    const { network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const calls = await planSigma(deployment, sender.address, sigmaPpm)
      const runner = calls.length === 0 ? null : createCallRunner(chain, sender, calls)
      const spent = await this.spend({ network, flags, question: 'Set sigma?', runner })
      const status = await readStakeStatus(deployment, sender.address)
      if (!spent.dryRun) this.show(stakeStatusLines(status, this.width))
      return stakedJson(status, spent)
    } finally {
      deployment.close()
    }
  }
}
