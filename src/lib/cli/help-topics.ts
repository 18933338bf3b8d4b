import type { Command } from '@oclif/core/command'
import { ERRORS, FlockError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import { nearestName } from '../nearest.js'
import { EXIT_STATUSES, exitStatusOf } from './exit-codes.js'

export interface HelpTopic {
  readonly data: object
  readonly lines: readonly string[]
}

/** True when the command line asks for help, in any of the ways people do. */
export function isHelpRequest(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  const own = end === -1 ? argv : argv.slice(0, end)
  return own.length === 0 || own.includes('--help') || own.includes('-h')
}

/** `flock help exit-codes`, `flock help errors` and `flock help <CODE>`; null for everything else. */
export function helpTopic(words: readonly string[]): HelpTopic | null {
  const [word = '', ...more] = words
  if (more.length > 0) return null
  if (word === 'exit-codes') return exitCodes()
  if (word === 'errors') return allErrors()
  return /^[A-Z]+(?:_[A-Z]+)*$/.test(word) ? oneError(word) : null
}

function exitCodes(): HelpTopic {
  const entries = Object.entries(EXIT_STATUSES)
  return {
    data: { exitCodes: entries.map(([status, meaning]) => ({ status: Number(status), meaning })) },
    lines: entries.map(([status, meaning]) => `${status.padStart(3)}  ${meaning}`),
  }
}

function allErrors(): HelpTopic {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  const width = Math.max(...codes.map((code) => code.length))
  return {
    data: { errors: codes.map(errorData) },
    lines: codes.map(
      (code) => `${code.padEnd(width)}  ${String(exitStatusOf(code)).padStart(3)}  ${ERRORS[code].summary}`,
    ),
  }
}

function oneError(word: string): HelpTopic {
  if (!(word in ERRORS)) {
    const near = nearestName(word, Object.keys(ERRORS))
    throw new FlockError('USAGE_INVALID', `There is no error code "${word}".`, {
      hint: `flock help ${near ?? 'errors'}`,
    })
  }
  const data = errorData(word as ErrorCode)
  return {
    data,
    lines: [
      `${data.code}: ${data.summary}`,
      `Exit status ${data.exitStatus}: ${EXIT_STATUSES[data.exitStatus]}`,
      KINDS[data.kind],
    ],
  }
}

const KINDS = {
  user: 'Fix the input and run it again.',
  rejected: 'Running it again unchanged will not help.',
  unavailable: 'It may work when tried again.',
  bug: 'Please report it with the file that the message names.',
} as const

function errorData(code: ErrorCode) {
  return { code, kind: ERRORS[code].kind, exitStatus: exitStatusOf(code), summary: ERRORS[code].summary }
}

type Example = NonNullable<Command.Loadable['examples']>[number]

function filledIn(example: Example, command: string): Example {
  const fill = (text: string) =>
    text.replaceAll('<%= config.bin %>', 'flock').replaceAll('<%= command.id %>', command)
  return typeof example === 'string'
    ? fill(example)
    : { command: fill(example.command), description: fill(example.description) }
}

/** The command table as data: all commands, or those that the words name. */
export function jsonHelp(
  words: readonly string[],
  config: { readonly commands: readonly Command.Loadable[]; readonly version: string },
): object {
  const id = words.join(':')
  const commands = config.commands
    .filter((command) => id === '' || command.id === id || command.id.startsWith(`${id}:`))
    .map(({ id: name, summary, description, args, flags, examples }) => ({
      command: name.replaceAll(':', ' '),
      summary: summary ?? null,
      description: description ?? null,
      args: Object.values(args).map((arg) => ({
        name: arg.name,
        required: arg.required === true,
        summary: arg.description ?? null,
      })),
      flags: Object.values(flags).map((flag) => ({
        name: flag.name,
        char: flag.char ?? null,
        type: flag.type,
        required: flag.required === true,
        summary: flag.summary ?? null,
        env: flag.env ?? null,
        options: 'options' in flag ? (flag.options ?? null) : null,
      })),
      examples: (examples ?? []).map((example) => filledIn(example, name.replaceAll(':', ' '))),
    }))
  return { version: config.version, commands, exitCodes: EXIT_STATUSES }
}
