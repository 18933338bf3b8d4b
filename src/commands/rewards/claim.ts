import { createCallRunner, openSender } from '../../lib/chain/calls.js'
import { addressFlag } from '../../lib/cli/flags.js'
import { SpendCommand, callFlags } from '../../lib/cli/spend-command.js'
import { claimJson, claimLines, type ClaimJson } from '../../lib/cli/views/rewards.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { findModelIds } from '../../lib/models/registry.js'
import { claimedFromLogs, planClaims } from '../../lib/rewards/claim.js'
import { addAmounts } from '../../lib/rewards/split.js'
import { readRewardsStatus } from '../../lib/rewards/status.js'

export default class RewardsClaimCommand extends SpendCommand<ClaimJson> {
  static override summary =
    'Claim all that you earned, as host, training node, validator or delegator, and unused escrow.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --dry-run',
    '<%= config.bin %> <%= command.id %> --to 0x90F79bf6EB2c4f870365E785982E1f101E93b906 --yes',
  ]
  static override flags = {
    ...callFlags,
    to: addressFlag({
      summary: 'Account that gets the tokens; by default the one that earned them.',
      exclusive: ['for'],
    }),
    for: addressFlag({ summary: 'Claim for another account; the tokens go to that account.' }),
  }

  async run(): Promise<ClaimJson> {
    const { flags } = await this.parse(RewardsClaimCommand)
    const { network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain, rewardDistributor } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const account = flags.for ?? sender.address
      const modelIds = await findModelIds(deployment, { host: account })
      const status = await readRewardsStatus(deployment, account, modelIds)
      const plan = planClaims(rewardDistributor, status, flags.to ?? null)
      if (plan.items.length === 0) this.note(`${account} has nothing to claim.`)
      else for (const line of claimLines(plan.items, plan.totals, this.width)) this.note(line)
      const runner = plan.calls.length === 0 ? null : createCallRunner(chain, sender, plan.calls)
      const spent = await this.spend({ network, flags, question: 'Claim?', runner })
      const claimed = claimedFromLogs(
        rewardDistributor,
        spent.mined.flatMap(({ logs }) => logs),
      )
      const totals = spent.changed ? addAmounts(claimed.map(({ amounts }) => amounts)) : plan.totals
      if (spent.changed) this.show(claimLines(claimed, totals, this.width))
      return claimJson({ account, claimable: plan.items, claimed, totals }, spent)
    } finally {
      deployment.close()
    }
  }
}
