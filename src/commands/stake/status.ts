import { ChainCommand, accountFlags } from '../../lib/cli/chain-command.js'
import { missingInputError } from '../../lib/cli/oclif-errors.js'
import { stakeStatusLines } from '../../lib/cli/views/stake.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { readStakeStatus, type StakeStatus } from '../../lib/rewards/stake.js'

export default class StakeStatusCommand extends ChainCommand<StakeStatus> {
  static override summary = 'Show the stake of an account: own, delegated, sigma, and what is on its way out.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --account 0x14dC79964da2C08b23698B3D3cc7Ca32193d9955 --json',
  ]
  static override flags = { ...accountFlags }

  async run(): Promise<StakeStatus> {
    const { flags } = await this.parse(StakeStatusCommand)
    const { network, connection } = await this.place()
    const account = await this.accountOf(flags)
    if (account === null) throw missingInputError([{ name: '--account', env: 'FLOCK_ACCOUNT' }], this.typed)
    const deployment = await openDeployment(network, connection)
    try {
      const status = await readStakeStatus(deployment, account)
      this.show(stakeStatusLines(status, this.width))
      return status
    } finally {
      deployment.close()
    }
  }
}
