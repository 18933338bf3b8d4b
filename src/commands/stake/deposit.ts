import { createCallRunner, openSender } from '../../lib/chain/calls.js'
import { Args } from '../../lib/cli/flags.js'
import { SpendCommand, callFlags } from '../../lib/cli/spend-command.js'
import { stakedJson, stakeStatusLines, type StakedJson } from '../../lib/cli/views/stake.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { readStakeStatus, planStake } from '../../lib/rewards/stake.js'
import { FLOCK_DECIMALS, parseAmount } from '../../lib/units.js'

export default class StakeDepositCommand extends SpendCommand<StakedJson> {
  static override summary = 'Add to your own stake as training node or validator.'
  static override examples = ['<%= config.bin %> <%= command.id %> 1000 --yes']
  static override args = {
    amount: Args.string({ description: 'Amount of FLOCK, for instance 12.5.', required: true }),
  }
  static override flags = { ...callFlags }

  async run(): Promise<StakedJson> {
    const { args, flags } = await this.parse(StakeDepositCommand)
    const amount = parseAmount(args.amount, FLOCK_DECIMALS, 'amount')
    const { network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const calls = await planStake(deployment, sender.address, { operator: null, amount })
      const runner = createCallRunner(chain, sender, calls)
      const spent = await this.spend({ network, flags, question: 'Deposit the stake?', runner })
      const status = await readStakeStatus(deployment, sender.address)
      if (!spent.dryRun) this.show(stakeStatusLines(status, this.width))
      return stakedJson(status, spent)
    } finally {
      deployment.close()
    }
  }
}
