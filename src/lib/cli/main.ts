import { fileURLToPath } from 'node:url'
import { Config } from '@oclif/core/config'
import { normalizeArgv } from '@oclif/core/help'
import { run } from '@oclif/core/run'
import { settings } from '@oclif/core/settings'
import { FlockError, toFlockError } from '../errors.js'
import { stringifyJson } from '../json.js'
import { successEnvelope } from './envelope.js'
import { reportFailure } from './failure.js'
import { helpTopic, isHelpRequest, jsonHelp } from './help-topics.js'
import { modeOf } from './mode.js'
import { fromOclifError, unknownCommandError } from './oclif-errors.js'
import { drained, writeLines } from './output.js'
import { createPalette } from './palette.js'
import { createRedactor, redactKeys } from './redact.js'

/** After the reader of stdout went away, a command has this long to stop by itself. */
const CLOSED_PIPE_MS = 2_000

export interface MainOptions {
  /** Folder of the package. */
  readonly root: URL
  /** Folder of the commands when it is not the one in package.json. */
  readonly commands?: string
}

/** Runs one command line and ends the process with its exit status once all output has left. */
export async function main(argv: readonly string[], options: MainOptions): Promise<void> {
  process.stdout.on('error', onPipeError)
  process.stderr.on('error', onPipeError)
  const crash = (error: unknown) => {
    void fail(argv, error, null).finally(() => process.exit(process.exitCode))
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
  await runArgv(argv, options)
  await Promise.all([drained(process.stdout), drained(process.stderr)])
  // Sockets that a library keeps open for reuse must not keep a finished command alive.
  process.exit(process.exitCode)
}

async function runArgv(given: readonly string[], options: MainOptions): Promise<void> {
  let config: Config | null = null
  try {
    // Compiled commands are never replaced by their sources, whatever NODE_ENV says.
    settings.enableAutoTranspile = false
    config = await loadConfig(options)
    const argv = given[0] === 'help' ? [...given.slice(1), '--help'] : [...given]
    if (await answerWithoutCommand(argv, config)) return
    const [id = '', ...rest] = normalizeArgv(config, [...argv])
    const isKnown = config.findCommand(id) !== undefined || config.findTopic(id) !== undefined
    const isFlagOnly = id === '' || id.startsWith('-')
    if (!isKnown && !isFlagOnly) throw unknownCommandError(wordsOf(argv), knownNames(config), config.bin)
    if (isFlagOnly && !isHelpRequest(argv) && argv[0] !== '--version')
      throw new FlockError('INPUT_MISSING', 'A command is missing.', { hint: `${config.bin} --help` })
    if (config.findCommand(id) === undefined && config.findTopic(id) !== undefined && !isHelpRequest(argv))
      throw incompleteCommandError(id, rest, config)
    await run(argv, config)
  } catch (error) {
    await fail(given, error, config)
  }
}

async function loadConfig({ root, commands }: MainOptions): Promise<Config> {
  const folder = fileURLToPath(root)
  const options = { root: folder, devPlugins: false, userPlugins: false, jitPlugins: false }
  if (commands === undefined) return Config.load(options)
  const { default: pjson } = (await import(new URL('package.json', root).href, {
    with: { type: 'json' },
  })) as { default: { oclif: object } }
  return Config.load({
    ...options,
    ignoreManifest: true,
    pjson: { ...pjson, oclif: { ...pjson.oclif, commands, helpClass: undefined } } as never,
  })
}

/** Help on codes and statuses, and version and help as JSON: what oclif does not know. */
async function answerWithoutCommand(argv: string[], config: Config): Promise<boolean> {
  const { json } = modeOf(argv, process.env)
  const print = (command: string, data: object, lines: readonly string[]) =>
    writeLines(process.stdout, json ? [stringifyJson(successEnvelope(command, data, []))] : lines)
  if (argv[0] === '--version' && json) {
    print('version', { name: config.name, version: config.version, node: process.version }, [])
    return true
  }
  if (!isHelpRequest(argv.filter((word) => word !== '--json'))) return false
  const words = wordsOf(argv)
  const topic = helpTopic(words)
  if (topic !== null) {
    print('help', topic.data, topic.lines)
    return true
  }
  const id = words.join(':')
  const isKnown = id === '' || config.findCommand(id) !== undefined || config.findTopic(id) !== undefined
  if (!json || !isKnown) return false
  print('help', jsonHelp(words, config), [])
  return true
}

function incompleteCommandError(id: string, rest: readonly string[], config: Config): FlockError {
  const topic = id.replaceAll(':', ' ')
  const commands = knownNames(config).filter((name) => name.startsWith(`${topic} `))
  const word = rest.find((item) => !item.startsWith('-'))
  if (word !== undefined) return unknownCommandError([topic, word], commands, config.bin)
  return new FlockError('INPUT_MISSING', `${config.bin} ${topic} needs a command: ${commands.join(', ')}.`, {
    details: { commands },
    hint: `${config.bin} ${commands[0] ?? ''} --help`,
  })
}

function knownNames(config: Config): string[] {
  const visible = config.commands.filter((command) => command.hidden !== true)
  return visible.map((command) => command.id.replaceAll(':', ' '))
}

/** The words in front of the first flag: what was meant as the command. */
function wordsOf(argv: readonly string[]): string[] {
  const end = argv.findIndex((word) => word.startsWith('-'))
  return end === -1 ? [...argv] : argv.slice(0, end)
}

async function fail(argv: readonly string[], thrown: unknown, config: Config | null): Promise<void> {
  const mode = modeOf(argv, process.env)
  const { stdout, stderr, env } = process
  process.exitCode = reportFailure(toFlockError(fromOclifError(thrown, 'flock')), {
    command: redactKeys(wordsOf(argv).join(':')),
    json: mode.json,
    debug: mode.debug,
    stdout,
    stderr,
    redactor: createRedactor(env),
    palette: await createPalette(stderr, { env, noColor: mode.noColor }),
    ...(config === null ? {} : { reportDir: config.cacheDir }),
  })
}

function onPipeError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exitCode = 0
  setTimeout(() => process.exit(0), CLOSED_PIPE_MS).unref()
}
