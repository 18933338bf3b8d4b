import { CommandHelp, Help } from '@oclif/core/help'
import { EXIT_STATUSES } from './exit-codes.js'

type Section = ReturnType<CommandHelp['sections']>[number]

/** Statuses that any command can end with and that scripts handle first. */
const COMMON_STATUSES = ['0', '2', '3', '4', '5', '6', '7', '10'] as const

/** A help page: usage, examples, then flags by group, and what the exit status says. */
class FlockCommandHelp extends CommandHelp {
  override sections(): Section[] {
    const sections = super.sections()
    const of = (header: string) => sections.filter((section) => section.header === header)
    const rest = sections.filter(({ header }) => header !== 'USAGE' && header !== 'EXAMPLES')
    const exitStatus: Section = {
      header: 'EXIT STATUS',
      generate: (_, header) => [{ header, body: exitStatuses() }],
    }
    return [...of('USAGE'), ...of('EXAMPLES'), ...rest, exitStatus]
  }

  protected override defaultUsage(): string {
    const args = Object.values(this.command.args).filter((arg) => arg.hidden !== true)
    const required = Object.values(this.command.flags)
      .filter((flag) => flag.required === true)
      .map((flag) => `--${flag.name} ${helpValueOf(flag)}`)
    return [this.command.id, ...args.map((arg) => this.arg(arg)), ...required, '[FLAGS]'].join(' ')
  }
}

function helpValueOf(flag: object): string {
  return 'helpValue' in flag && typeof flag.helpValue === 'string' ? flag.helpValue : '<value>'
}

function exitStatuses(): [string, string][] {
  return [
    ...COMMON_STATUSES.map((status): [string, string] => [status, EXIT_STATUSES[status]]),
    ['...', 'All of them: flock help exit-codes'],
  ]
}

export class FlockHelp extends Help {
  protected override CommandHelpClass = FlockCommandHelp
}
