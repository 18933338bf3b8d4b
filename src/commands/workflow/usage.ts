import { resolve } from 'node:path'
import { Flags } from '../../lib/cli/flags.js'
import { FlockCommand } from '../../lib/cli/flock-command.js'
import { clientUsageLines, type WorkflowUsageJson } from '../../lib/cli/views/workflow.js'
import { listUsageMonths } from '../../lib/service/client-usage-files.js'
import { sumByMonth } from '../../lib/service/client-usage-months.js'
import { reportUsageFiles } from '../../lib/service/client-usage-report.js'

export default class WorkflowUsageCommand extends FlockCommand<WorkflowUsageJson> {
  static override summary = 'List what clients of the FlockWorkflow service used, by month.'
  static override description = [
    'Reads the files of service.usageDir. The service may be running: what it counted in the last ten seconds is missing.',
    'What was paid on chain is listed by flock usage list.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --client my-app --from 2026-01-01 --to 2026-03-31 --json',
  ]
  static override flags = {
    client: Flags.string({ summary: 'Only this client.', helpValue: '<name>' }),
    from: Flags.string({
      summary: 'First day, in UTC; by default that of the first month there is.',
      helpValue: '<day>',
    }),
    to: Flags.string({ summary: 'Last day, in UTC; by default today.', helpValue: '<day>' }),
  }

  async run(): Promise<WorkflowUsageJson> {
    const { flags } = await this.parse(WorkflowUsageCommand)
    const { config, dir: projectDir } = await this.loadProject()
    const dir = resolve(projectDir, config.service.usageDir)
    const [first] = await listUsageMonths(dir)
    const report = await reportUsageFiles(
      {
        from: flags.from ?? (first === undefined ? null : `${first}-01`),
        to: flags.to ?? null,
        client: flags.client ?? null,
      },
      { dir, nowMs: Date.now },
    )
    const { from, to, rows, total } = report
    const months = sumByMonth(rows)
    if (months.length === 0) this.note(`Nothing was used from ${from} to ${to}.`)
    this.show(clientUsageLines(months, this.width))
    return { from, to, months, total }
  }
}
