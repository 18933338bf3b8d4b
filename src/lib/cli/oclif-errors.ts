import type { Command } from '@oclif/core/command'
import { FlockError, isFlockError, messageOf } from '../errors.js'
import { nearestName } from '../nearest.js'
import { redactKeys } from './redact.js'

/** The parts of oclif's parse errors that are read; all are optional since other errors pass through here too. */
interface ParseError {
  readonly flags?: unknown
  readonly args?: unknown
  readonly oclif?: unknown
  readonly parse?: {
    readonly input?: { readonly flags?: FlagTable; readonly args?: ArgTable }
    readonly output?: {
      readonly flags?: Record<string, unknown>
      readonly args?: Record<string, unknown>
      readonly nonExistentFlags?: readonly string[]
    }
  }
}

type FlagTable = Readonly<Record<string, { readonly required?: boolean; readonly env?: string }>>
type ArgTable = Readonly<Record<string, { readonly required?: boolean }>>

/** One value that a command needs: its flag or argument and the environment variable that stands for it. */
export interface MissingInput {
  readonly name: string
  readonly env?: string
  /** A flag without a value. */
  readonly isSwitch?: true
}

/** The error of rule "missing input without a prompt": every missing value at once. */
export function missingInputError(missing: readonly MissingInput[], command: string): FlockError {
  const names = missing.map(({ name, env }) => (env === undefined ? name : `${name} (or ${env})`))
  return new FlockError('INPUT_MISSING', `Missing ${names.join(', ')}.`, {
    details: { missing: missing.map(({ name, env }) => ({ name, ...(env === undefined ? {} : { env }) })) },
    hint: `${command} ${missing.map(typedInput).join(' ')}`,
  })
}

function typedInput({ name, isSwitch }: MissingInput): string {
  if (!name.startsWith('-')) return `<${name}>`
  return isSwitch ? name : `${name} <value>`
}

/**
 * Turns what oclif throws while it parses a command line into one of our errors; anything else is returned as it is.
 * Values that look like keys are hidden: they were typed where they do not belong.
 */
export function fromOclifError(error: unknown, command: string): unknown {
  if (!(error instanceof Error)) return error
  if (isFlockError(error)) return withoutParserNoise(error)
  const fault = error as Error & ParseError
  if (fault.oclif === undefined) return error
  const missing = missingOf(fault)
  const unknown = fault.parse?.output?.nonExistentFlags ?? []
  if (unknown.length > 0)
    return unknownFlagError(unknown, Object.keys(fault.parse?.input?.flags ?? {}), command)
  if (missing.length > 0) return missingInputError(missing, command)
  const message = redactKeys(cleanMessage(error.message))
  return new FlockError('USAGE_INVALID', message, { hint: `${command} --help`, details: { command } })
}

function missingOf({ parse }: ParseError): MissingInput[] {
  const { input, output } = parse ?? {}
  const absent = (given: Record<string, unknown> | undefined) => (entry: [string, { required?: boolean }]) =>
    entry[1].required === true && given?.[entry[0]] === undefined
  const args = Object.entries(input?.args ?? {}).filter(absent(output?.args))
  const flags = Object.entries(input?.flags ?? {}).filter(absent(output?.flags))
  return [
    ...args.map(([name]) => ({ name })),
    ...flags.map(([name, flag]) => ({
      name: `--${name}`,
      ...(flag.env === undefined ? {} : { env: flag.env }),
    })),
  ]
}

function unknownFlagError(unknown: readonly string[], known: readonly string[], command: string): FlockError {
  const names = unknown.map((flag) => redactKeys(flag.split('=')[0] ?? flag))
  const near = names.map((flag) => nearestName(flag.replace(/^-+/, ''), known)).find((name) => name !== null)
  return new FlockError('USAGE_INVALID', `Unknown flag${names.length > 1 ? 's' : ''}: ${names.join(', ')}.`, {
    details: { flags: names, ...(near === undefined ? {} : { nearest: `--${near}` }) },
    hint: near === undefined ? `${command} --help` : `${command} --${near}`,
  })
}

/** oclif wraps the message of an error thrown by a flag's own parser in place. */
function withoutParserNoise(error: FlockError): FlockError {
  const match = /^Parsing (--\S+) \n\t([\s\S]*)\nSee more help with --help$/.exec(error.message)
  if (!match) return error
  const [, flag = '', inner = ''] = match
  return new FlockError(error.code, inner.includes(flag) ? inner : `${flag}: ${inner}`, {
    cause: error.cause,
    details: error.details,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}

function cleanMessage(message: string): string {
  const lines = stripStyle(message)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^See more help with|^The following errors? occurred:?$/.test(line))
  const text = lines.join(' ').replace(/^Parsing (--\S+) /, '$1: ')
  return /[.!?]$/.test(text) ? text : `${text}.`
}

function stripStyle(text: string): string {
  // eslint-disable-next-line no-control-regex -- the escape character starts every terminal style
  return text.replace(/\u001b\[[0-9;]*m/g, '')
}

/** The error for a command that does not exist, with the nearest that does. */
export function unknownCommandError(
  words: readonly string[],
  known: readonly string[],
  bin: string,
): FlockError {
  const typed = redactKeys(words.join(' '))
  const near = nearestCommand(words, known)
  return new FlockError('USAGE_INVALID', `${bin} has no command "${typed}".`, {
    details: { ...(near === null ? {} : { nearest: near }) },
    hint: near === null ? `${bin} --help` : `${bin} ${near}`,
  })
}

function nearestCommand(words: readonly string[], known: readonly string[]): string | null {
  for (let length = Math.min(words.length, 3); length > 0; length -= 1) {
    const near = nearestName(words.slice(0, length).join(' '), known)
    if (near !== null) return near
  }
  return null
}

/** How a command is typed, for hints: `flock models show`. */
export function typedName(command: Pick<Command, 'id' | 'config'>): string {
  return `${command.config.bin} ${(command.id ?? '').replaceAll(':', ' ')}`.trim()
}

/** The message of a failure to load a command or the program itself. */
export function startFailure(error: unknown): FlockError {
  if (isFlockError(error)) return error
  return new FlockError('INTERNAL', `flock could not start: ${messageOf(error)}`, { cause: error })
}
