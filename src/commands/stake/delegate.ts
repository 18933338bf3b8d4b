import { createCallRunner, openSender } from '../../lib/chain/calls.js'
import { Args } from '../../lib/cli/flags.js'
import { SpendCommand, callFlags } from '../../lib/cli/spend-command.js'
import { stakedJson, stakeStatusLines, type StakedJson } from '../../lib/cli/views/stake.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { parseAddress } from '../../lib/hex.js'
import { readStakeStatus, planStake } from '../../lib/rewards/stake.js'
import { FLOCK_DECIMALS, parseAmount } from '../../lib/units.js'

export default class StakeDelegateCommand extends SpendCommand<StakedJson> {
  static override summary = 'Delegate stake to a training node or validator.'
  static override description =
    'The delegation earns from usage that comes after it; sigma says what the operator keeps of that.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 0x14dC79964da2C08b23698B3D3cc7Ca32193d9955 250 --yes',
  ]
  static override args = {
    operator: Args.string({ description: 'Address of the training node or validator.', required: true }),
    amount: Args.string({ description: 'Amount of FLOCK, for instance 12.5.', required: true }),
  }
  static override flags = { ...callFlags }

  async run(): Promise<StakedJson> {
    const { args, flags } = await this.parse(StakeDelegateCommand)
    const operator = parseAddress(args.operator, 'operator')
    const amount = parseAmount(args.amount, FLOCK_DECIMALS, 'amount')
    const { network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const calls = await planStake(deployment, sender.address, { operator, amount })
      const runner = createCallRunner(chain, sender, calls)
      const spent = await this.spend({ network, flags, question: 'Delegate the stake?', runner })
      const status = await readStakeStatus(deployment, sender.address)
      if (!spent.dryRun) this.show(stakeStatusLines(status, this.width))
      return stakedJson(status, spent)
    } finally {
      deployment.close()
    }
  }
}
