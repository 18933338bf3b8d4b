import { createCallRunner, openSender } from '../lib/chain/calls.js'
import { AnswerCommand } from '../lib/cli/answer-command.js'
import { Args } from '../lib/cli/flags.js'
import { readInputFile } from '../lib/cli/input-file.js'
import { missingInputError } from '../lib/cli/oclif-errors.js'
import { requestFlags } from '../lib/cli/request-flags.js'
import { callFlags } from '../lib/cli/spend-command.js'
import { plannedJson, requestJson, requestPlanLines, type AskedJson } from '../lib/cli/views/request.js'
import { spentJson } from '../lib/cli/views/spend.js'
import { openDeployment } from '../lib/deploy/connect.js'
import { FlockError } from '../lib/errors.js'
import { watchAnswers } from '../lib/models/answers.js'
import { findModel } from '../lib/models/registry.js'
import { planRequest, renderPayload, requestFromLogs } from '../lib/models/request.js'

export default class RequestCommand extends AnswerCommand<AskedJson> {
  static override summary = 'Ask a registered model on chain, wait for the answer, and say what it cost.'
  static override description =
    'The highest possible fee goes into escrow; what is not used comes back to a balance that `rewards claim` pays out.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-model --prompt "What is federated learning?"',
    'cat question.txt | <%= config.bin %> <%= command.id %> 0x3f2a --prompt-file - --yes --json',
    '<%= config.bin %> <%= command.id %> my-model --prompt "Price of ETH?" --intervals 3 --period 60',
  ]
  static override args = {
    model: Args.string({ description: 'Name in flock.yaml, id, or the first digits of an id.' }),
  }
  static override flags = { ...callFlags, ...requestFlags }

  async run(): Promise<AskedJson> {
    const { args, flags } = await this.parse(RequestCommand)
    const place = await this.place()
    const { network, project } = place
    const payload = renderPayload(
      await this.#prompt(flags.prompt, flags['prompt-file']),
      flags.system ?? null,
    )
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, place.connection)
    try {
      const { chain, usageMeter } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const model = await findModel(deployment, args.model ?? null, this.modelsOf(project, deployment))
      const { intervals, period: periodSec, redundancy, lazy, deadline: timeoutSec } = flags
      const maxCost = flags['max-escrow'] ?? null
      const choices = { payload, intervals, periodSec, redundancy, lazy, timeoutSec, maxCost }
      const plan = await planRequest(deployment, model, sender.address, choices)
      for (const line of requestPlanLines(plan)) this.note(line)
      const runner = createCallRunner(chain, sender, plan.calls)
      const spent = await this.spend({ network, flags, question: 'Make the request?', runner })
      if (spent.dryRun) return plannedJson(plan, spent)
      const request = requestFromLogs(
        usageMeter,
        spent.mined.flatMap(({ logs }) => logs),
      )
      if (request === null) throw new FlockError('INTERNAL', 'The transaction made no request.')
      this.note(`Request ${request.requestId}, subscription ${request.subscriptionId}.`)
      if (!flags.wait) this.show([request.requestId])
      const answers = watchAnswers(chain, usageMeter, request, this.watchOptions(place, request, true))
      const result = flags.wait ? await this.showAnswers(answers, request, true) : requestJson(request, [])
      return { ...result, ...spentJson(spent) }
    } finally {
      deployment.close()
    }
  }

  /** @throws INPUT_MISSING when nothing is asked and nobody can be asked for it */
  async #prompt(prompt: string | undefined, file: string | undefined): Promise<string> {
    const given =
      prompt ??
      (file === undefined ? undefined : (await readInputFile(file, '--prompt-file')).toString('utf8'))
    if (given !== undefined && given.trim() !== '') return given
    if (given === undefined && this.prompter().canAsk) return this.prompter().text({ message: 'Prompt:' })
    throw missingInputError([{ name: '--prompt' }], this.typed)
  }
}
