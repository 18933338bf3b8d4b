import { createCallRunner, openSender } from '../../lib/chain/calls.js'
import { Args, addressFlag } from '../../lib/cli/flags.js'
import { SpendCommand, callFlags } from '../../lib/cli/spend-command.js'
import { stakedJson, stakeStatusLines, type StakedJson } from '../../lib/cli/views/stake.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { planPayout, planUnstake } from '../../lib/rewards/unstake.js'
import { readStakeStatus } from '../../lib/rewards/stake.js'
import { FLOCK_DECIMALS, parseAmount } from '../../lib/units.js'

export default class StakeWithdrawCommand extends SpendCommand<StakedJson> {
  static override summary = 'Take stake or a delegation out, and have paid what has waited long enough.'
  static override description = [
    'With an amount, it stops earning at once and waits for the cooldown; taking out more restarts the wait.',
    'Without an amount, everything whose wait is over is paid out.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> 100',
    '<%= config.bin %> <%= command.id %> 25 --operator 0x14dC79964da2C08b23698B3D3cc7Ca32193d9955',
    '<%= config.bin %> <%= command.id %> --yes',
  ]
  static override args = {
    amount: Args.string({ description: 'Amount of FLOCK, for instance 12.5; none to be paid what is due.' }),
  }
  static override flags = {
    ...callFlags,
    operator: addressFlag({ summary: 'Take a delegation to this operator instead of own stake.' }),
  }

  async run(): Promise<StakedJson> {
    const { args, flags } = await this.parse(StakeWithdrawCommand)
    const amount = args.amount === undefined ? null : parseAmount(args.amount, FLOCK_DECIMALS, 'amount')
    const { network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const calls =
        amount === null
          ? await planPayout(deployment, sender.address)
          : await planUnstake(deployment, sender.address, { operator: flags.operator ?? null, amount })
      const runner = calls.length === 0 ? null : createCallRunner(chain, sender, calls)
      const question = amount === null ? 'Have it paid out?' : 'Take it out?'
      const spent = await this.spend({ network, flags, question, runner })
      const status = await readStakeStatus(deployment, sender.address)
      if (!spent.dryRun) this.show(stakeStatusLines(status, this.width))
      return stakedJson(status, spent)
    } finally {
      deployment.close()
    }
  }
}
