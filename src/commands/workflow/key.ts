import { randomBytes } from 'node:crypto'
import { Args } from '../../lib/cli/flags.js'
import { FlockCommand } from '../../lib/cli/flock-command.js'
import { clientEntryLines, type WorkflowKeyJson } from '../../lib/cli/views/workflow.js'
import { isSlug } from '../../lib/config/fields.js'
import { FlockError } from '../../lib/errors.js'
import { newClientKey } from '../../lib/service/client-keys.js'

export default class WorkflowKeyCommand extends FlockCommand<WorkflowKeyJson> {
  static override summary = 'Make an API key for a client of the FlockWorkflow service.'
  static override description = [
    'Prints the key, which is kept nowhere and cannot be shown again, and on stderr what stands for it in flock.yaml: its',
    'digest, with which nobody can ask. A running service takes the new client on SIGHUP.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-app',
    '<%= config.bin %> <%= command.id %> my-app --json',
  ]
  static override args = {
    client: Args.string({ description: 'Name of the client, as in service.clients.', required: true }),
  }

  async run(): Promise<WorkflowKeyJson> {
    const { args } = await this.parse(WorkflowKeyCommand)
    const { client } = args
    if (!isSlug(client)) {
      throw new FlockError(
        'USAGE_INVALID',
        'The name of a client is made of lower case, digits and dashes.',
        {
          hint: `${this.typed} my-app`,
        },
      )
    }
    const made = newClientKey(randomBytes)
    this.note('The key is not shown again. In flock.yaml, its digest stands for it:')
    for (const line of clientEntryLines(client, made.keyHash)) this.note(line)
    this.show([made.key])
    return { client, ...made }
  }
}
