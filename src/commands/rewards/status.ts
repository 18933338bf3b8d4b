import { readContract } from '../../lib/chain/contracts.js'
import { modelHostConsumerArtifact } from '../../lib/abi/model-host-consumer.js'
import { ChainCommand, accountFlags } from '../../lib/cli/chain-command.js'
import { missingInputError } from '../../lib/cli/oclif-errors.js'
import { rewardsStatusLines } from '../../lib/cli/views/rewards.js'
import { openDeployment, type Deployment } from '../../lib/deploy/connect.js'
import type { Address } from '../../lib/hex.js'
import { findModelIds } from '../../lib/models/registry.js'
import { readRewardsStatus, type RewardsStatus } from '../../lib/rewards/status.js'

export default class RewardsStatusCommand extends ChainCommand<RewardsStatus> {
  static override summary = 'Show what an account earned and can claim, by role.'
  static override description =
    'Without an account the host of the consumer contract that this project deployed is shown.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --account 0x14dC79964da2C08b23698B3D3cc7Ca32193d9955 --json',
  ]
  static override flags = { ...accountFlags }

  async run(): Promise<RewardsStatus> {
    const { flags } = await this.parse(RewardsStatusCommand)
    const { network, connection } = await this.place()
    const given = await this.accountOf(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const account = given ?? (await hostOf(deployment))
      if (account === null) throw missingInputError([{ name: '--account', env: 'FLOCK_ACCOUNT' }], this.typed)
      const modelIds = await findModelIds(deployment, { host: account })
      const status = await readRewardsStatus(deployment, account, modelIds)
      this.show(rewardsStatusLines(status, this.width))
      return status
    } finally {
      deployment.close()
    }
  }
}

async function hostOf({ chain, record }: Deployment): Promise<Address | null> {
  const consumer = record.contracts.ModelHostConsumer
  return consumer === undefined
    ? null
    : readContract<Address>(chain, modelHostConsumerArtifact, consumer.address, 'HOST')
}
