import { createCallRunner, openSender } from '../../lib/chain/calls.js'
import { Args } from '../../lib/cli/flags.js'
import { SpendCommand, callFlags } from '../../lib/cli/spend-command.js'
import type { CancelledJson } from '../../lib/cli/views/request.js'
import { spentJson } from '../../lib/cli/views/spend.js'
import { flockText } from '../../lib/cli/views/text.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { parseHex } from '../../lib/hex.js'
import { findRequest } from '../../lib/models/answers.js'
import { isOpen, planCancel, refundFromLogs } from '../../lib/models/request.js'

export default class RequestCancelCommand extends SpendCommand<CancelledJson> {
  static override summary = 'Stop a request and take its unused escrow back.'
  static override description =
    'Only the requester can, and not while a node may be answering. The escrow goes to a balance that `rewards claim` pays out.'
  static override examples = ['<%= config.bin %> <%= command.id %> 0x5d0c...9e21 --yes']
  static override args = { request: Args.string({ description: 'Id of the request.', required: true }) }
  static override flags = { ...callFlags }

  async run(): Promise<CancelledJson> {
    const { args, flags } = await this.parse(RequestCancelCommand)
    const requestId = parseHex(args.request, 'request', 32)
    const { network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain, usageMeter, fromBlock } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const request = await findRequest(chain, usageMeter, requestId, fromBlock)
      const calls = (await isOpen(chain, usageMeter, requestId)) ? [planCancel(request, sender.address)] : []
      const runner = calls.length === 0 ? null : createCallRunner(chain, sender, calls)
      const spent = await this.spend({ network, flags, question: 'Cancel the request?', runner })
      const logs = spent.mined.flatMap((transaction) => transaction.logs)
      const refund = refundFromLogs(usageMeter, logs) ?? 0n
      if (spent.changed) this.show([`${flockText(refund)} came back to the balance of ${request.requester}.`])
      return { requestId, subscriptionId: request.subscriptionId, refund, ...spentJson(spent) }
    } finally {
      deployment.close()
    }
  }
}
