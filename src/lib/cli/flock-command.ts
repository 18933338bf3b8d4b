import { Command } from '@oclif/core/command'
import type { Input, ParserOutput } from '@oclif/core/interfaces'
import type { LoadedProject } from '../config/load.js'
import type { NetworkConfig } from '../config/networks.js'
import { FlockError, isFlockError, messageOf, toFlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import { stringifyJson } from '../json.js'
import { createLogger } from '../log.js'
import type { Logger, LogLevel, LogRecord } from '../log.js'
import { requireConfirmation } from './confirmation.js'
import { successEnvelope } from './envelope.js'
import type { UserWarning } from './envelope.js'
import { reportFailure } from './failure.js'
import { globalFlags } from './flags.js'
import type { GlobalFlags, KeyFlags } from './flags.js'
import { logLine } from './log-lines.js'
import { modeOf } from './mode.js'
import type { Mode } from './mode.js'
import { fromOclifError, typedName } from './oclif-errors.js'
import { widthOf, writeLines } from './output.js'
import { createPalette, plainPalette } from './palette.js'
import type { Palette } from './palette.js'
import { withArgsFromArgvOnly } from './parse-input.js'
import type { Values } from './parse-input.js'
import { createProgress } from './progress.js'
import type { Progress } from './progress.js'
import { createPrompter } from './prompts.js'
import type { Prompter } from './prompts.js'
import { createRedactor } from './redact.js'
import { ClosedPipe, signalStatus, watchHangups, watchSignals } from './signals.js'
import type { SignalWatch } from './signals.js'

/**
 * Base of every command. `run` returns the result as data, which is what `--json` prints; what people read goes through
 * `show` (result, stdout) and `note`, `progress`, `logger` (everything else, stderr). Failures are thrown.
 */
export abstract class FlockCommand<T extends object> extends Command {
  static override baseFlags = globalFlags
  /** From which level on log records are written without `--verbose`; servers say `info`. */
  static logLevel: LogLevel = 'warn'
  /** How long the command may take to stop after the first Ctrl-C. */
  static cleanUpMs = 2_000

  protected mode: Mode = modeOf(this.argv, process.env)
  protected palette: Palette = plainPalette
  protected globals: GlobalFlags = {}
  #hangups: { close(): void } | null = null
  protected readonly redactor = createRedactor(process.env)
  protected readonly logger: Logger = createLogger(this.#logLevel(), (record) => this.#writeLog(record))
  readonly #warnings: UserWarning[] = []
  #watch: SignalWatch | undefined
  #prompter: Prompter | undefined
  #streamed = false
  #announced = false

  abstract override run(): Promise<T>

  /** Aborted by the first SIGINT or SIGTERM, or when the reader of stdout went away. */
  protected get signal(): AbortSignal {
    return this.#signals().signal
  }

  /** The time that `--timeout` allows for one network call. */
  protected get timeoutMs(): number {
    return (this.globals.timeout ?? 10) * 1000
  }

  /** Columns of the terminal that reads stdout, null when lines may have any length. */
  protected get width(): number | null {
    return widthOf(process.stdout)
  }

  override jsonEnabled(): boolean {
    return this.mode.json
  }

  /** Writes the result for people to stdout; silent under `--json`. */
  protected show(lines: readonly string[]): void {
    if (!this.mode.json) writeLines(process.stdout, lines)
  }

  /** Writes the result now, for commands that go on running once they have it; nothing is written at their end. */
  protected announce(data: T, lines: readonly string[]): void {
    this.show(lines)
    this.#writeSuccess(data)
    this.#announced = true
  }

  /** Writes one event of a stream to stdout: the lines for people, one JSON line under `--json`. */
  protected emit(event: object, lines: readonly string[]): void {
    this.#streamed = true
    writeLines(process.stdout, this.mode.json ? [stringifyJson(event)] : lines)
  }

  /** Writes a line beside the result to stderr; silent under `--quiet`. */
  protected note(line: string): void {
    if (!this.mode.quiet) writeLines(process.stderr, [this.redactor.text(line)])
  }

  /** Warns on stderr, and in the envelope under `--json`. */
  protected warnUser(warning: UserWarning): void {
    const message = this.redactor.text(warning.message)
    this.#warnings.push({ ...warning, message })
    if (!this.mode.json) writeLines(process.stderr, [`${this.palette.warn('Warning:')} ${message}`])
  }

  protected progress(): Progress {
    return createProgress(process.stderr, { env: process.env, quiet: this.mode.quiet })
  }

  protected prompter(): Prompter {
    this.#prompter ??= createPrompter({
      stdin: process.stdin,
      stderr: process.stderr,
      env: process.env,
      json: this.mode.json,
      noInput: this.globals['no-input'] === true,
      signal: this.signal,
    })
    return this.#prompter
  }

  /** Asks before money is spent on a network, or something is overwritten. @throws DECLINED, INPUT_MISSING */
  protected async confirm(question: string, on?: NetworkConfig): Promise<void> {
    const { globals, typed } = this
    await requireConfirmation({ question, on }, { globals, typed, prompter: this.prompter() })
  }

  /** Finds, reads and checks the project file. @throws CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_INVALID */
  protected async loadProject(): Promise<LoadedProject> {
    const { loadProject } = await import('../config/load.js')
    return loadProject({ cwd: process.cwd(), env: process.env, configPath: this.globals.config ?? null })
  }

  /** The project, or null where there is none and none was asked for by `--config`. */
  protected async loadProjectIfAny(): Promise<LoadedProject | null> {
    try {
      return await this.loadProject()
    } catch (error) {
      if (isFlockError(error) && error.code === 'CONFIG_NOT_FOUND' && this.globals.config === undefined)
        return null
      throw error
    }
  }

  /** The chosen network with `--rpc-url` applied. @throws NETWORK_UNKNOWN */
  protected async networkOf(config: LoadedProject['config'] | null): Promise<NetworkConfig> {
    const { chooseNetwork } = await import('../config/networks.js')
    return chooseNetwork(config, {
      network: this.globals.network ?? null,
      rpcUrl: this.globals['rpc-url'] ?? null,
    })
  }

  /** The private key from environment or keystore; asks for the password on a terminal. @throws KEY_MISSING and kin */
  protected async loadKey(envName: string, flags: KeyFlags): Promise<Hex> {
    const { loadPrivateKey } = await import('../config/secrets.js')
    const prompter = this.prompter()
    const key = await loadPrivateKey({
      env: process.env,
      envName,
      account: flags.account ?? null,
      keystore: flags.keystore ?? null,
      passwordFile: flags['password-file'] ?? null,
      askPassword: prompter.canAsk ? (what) => prompter.secret(`Password of ${what}:`) : null,
    })
    this.redactor.add(key)
    return key
  }

  /** How the command is typed, for hints. */
  protected get typed(): string {
    return typedName(this)
  }

  protected override async parse<F extends Values, B extends Values, A extends Values>(
    options?: Input<F, B, A>,
    argv: string[] = this.argv,
  ): Promise<ParserOutput<F, B, A>> {
    const given: Input<F, B, A> = options ?? (this.ctor as unknown as Input<F, B, A>)
    const result = await super.parse<F, B, A>(withArgsFromArgvOnly(given), argv)
    this.globals = result.flags as GlobalFlags
    return result
  }

  protected override async _run<R>(): Promise<R> {
    try {
      await this.init()
      this.palette = await createPalette(process.stderr, { env: process.env, noColor: this.mode.noColor })
      const data = await this.run()
      if (!this.#announced) this.#writeSuccess(data)
      return data as unknown as R
    } catch (error) {
      this.#fail(error)
      return undefined as R
    } finally {
      this.#watch?.close()
      this.#hangups?.close()
      process.stdout.off('error', this.#onPipeError)
    }
  }

  override async init(): Promise<void> {
    await super.init()
    process.stdout.on('error', this.#onPipeError)
    this.#signals()
  }

  /** Does this on each SIGHUP until the command ends. */
  protected onHangup(reload: () => Promise<void>): void {
    this.#hangups = watchHangups(reload, this.logger)
  }

  #writeSuccess(data: T): void {
    if (data === undefined || data === null) throw new Error(`${this.typed} returned no data`)
    if (!this.mode.json) return
    const envelope = successEnvelope(this.id ?? '', data, this.#warnings)
    // A person reads it on a terminal; a stream of JSON lines ends with one more line.
    const indent = process.stdout.isTTY && !this.#streamed ? 2 : undefined
    writeLines(process.stdout, [stringifyJson(envelope, indent)])
  }

  #fail(thrown: unknown): void {
    const error = this.#errorOf(thrown)
    if (error === null) {
      process.exitCode = 0
      return
    }
    const status = reportFailure(error, {
      command: this.id ?? '',
      // Only one document goes to stdout; what fails after it is told on stderr.
      json: this.mode.json && !this.#announced,
      debug: this.mode.debug,
      stdout: process.stdout,
      stderr: process.stderr,
      redactor: this.redactor,
      palette: this.palette,
      warnings: this.#warnings,
      reportDir: this.config.cacheDir,
    })
    const received = this.#watch?.received ?? null
    process.exitCode = error.code === 'INTERRUPTED' && received !== null ? signalStatus(received) : status
  }

  /** What to tell; null when nobody is left to read it. */
  #errorOf(thrown: unknown): FlockError | null {
    const reason: unknown = this.#watch?.signal.aborted === true ? this.#watch.signal.reason : undefined
    if (reason instanceof ClosedPipe) return null
    const error = toFlockError(fromOclifError(thrown, this.typed))
    if (!isFlockError(reason) || error.code === 'PARTIAL' || error.code === 'INTERRUPTED') return error
    return new FlockError(reason.code, reason.message, {
      cause: thrown,
      details: { ...error.details, ...reason.details },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }

  #signals(): SignalWatch {
    const { cleanUpMs } = this.constructor as typeof FlockCommand
    this.#watch ??= watchSignals({
      cleanUpMs,
      leave: (status) => process.exit(status),
      onFirst: () => this.note('Stopping; once more to leave at once.'),
    })
    return this.#watch
  }

  readonly #onPipeError = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') this.#signals().abort(new ClosedPipe(messageOf(error)), 0)
  }

  #logLevel(): LogLevel {
    if (this.mode.quiet) return 'error'
    if (this.mode.debug) return 'debug'
    const { logLevel } = this.constructor as typeof FlockCommand
    return this.argv.some((word) => word === '-v' || word === '--verbose') && logLevel === 'warn'
      ? 'info'
      : logLevel
  }

  #writeLog(record: LogRecord): void {
    const line = logLine(record, { json: this.mode.json, now: new Date(), palette: this.palette })
    writeLines(process.stderr, [this.redactor.text(line)])
  }
}
