import { AnswerCommand } from '../../lib/cli/answer-command.js'
import { Args, Flags } from '../../lib/cli/flags.js'
import type { RequestJson } from '../../lib/cli/views/request.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { parseHex } from '../../lib/hex.js'
import { findRequest, watchAnswers } from '../../lib/models/answers.js'

export default class RequestShowCommand extends AnswerCommand<RequestJson> {
  static override summary = 'Show the answers to a request that was made before.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 0x5d0c...9e21',
    '<%= config.bin %> <%= command.id %> 0x5d0c...9e21 --wait',
  ]
  static override args = { request: Args.string({ description: 'Id of the request.', required: true }) }
  static override flags = {
    wait: Flags.boolean({ summary: 'Wait for the answers that are missing.', default: false }),
  }

  async run(): Promise<RequestJson> {
    const { args, flags } = await this.parse(RequestShowCommand)
    const requestId = parseHex(args.request, 'request', 32)
    const place = await this.place()
    const deployment = await openDeployment(place.network, place.connection)
    try {
      const { chain, usageMeter, fromBlock } = deployment
      const request = await findRequest(chain, usageMeter, requestId, fromBlock)
      const options = this.watchOptions(place, request, flags.wait)
      const answers = watchAnswers(chain, usageMeter, request, options)
      return await this.showAnswers(answers, request, flags.wait)
    } finally {
      deployment.close()
    }
  }
}
