import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FlockError } from '../errors.js'
import { stringifyJson } from '../json.js'
import { causeLine, failureEnvelope } from './envelope.js'
import type { UserWarning } from './envelope.js'
import { exitStatusOf } from './exit-codes.js'
import type { ExitStatus } from './exit-codes.js'
import { writeLines } from './output.js'
import type { TerminalStream } from './output.js'
import { plainPalette } from './palette.js'
import type { Palette } from './palette.js'
import type { Redactor } from './redact.js'

export interface FailureOptions {
  readonly command: string
  readonly json: boolean
  readonly debug: boolean
  readonly stdout: TerminalStream
  readonly stderr: TerminalStream
  readonly redactor: Redactor
  readonly palette?: Palette
  readonly warnings?: readonly UserWarning[]
  /** Folder for the report of a fault of flock itself. */
  readonly reportDir?: string
  readonly now?: Date
}

/** Tells a failure, as an envelope on stdout or as a few lines on stderr, and returns the exit status. */
export function reportFailure(error: FlockError, options: FailureOptions): ExitStatus {
  const { command, redactor, warnings = [] } = options
  const reportPath = error.code === 'INTERNAL' ? writeReport(error, options) : null
  if (options.json) {
    writeLines(options.stdout, [stringifyJson(failureEnvelope(command, error, { redactor, warnings }))])
    if (options.debug) writeLines(options.stderr, [redactor.text(stackOf(error))])
  } else {
    const lines = failureLines(error, { palette: options.palette ?? plainPalette, reportPath })
    writeLines(
      options.stderr,
      lines.map((line) => redactor.text(line)),
    )
    if (options.debug) writeLines(options.stderr, [redactor.text(stackOf(error))])
  }
  return exitStatusOf(error.code)
}

/** What failed; why; `Try:`; `More:`. A list of faults stands between, one line each. */
export function failureLines(
  error: FlockError,
  { palette, reportPath }: { palette: Palette; reportPath: string | null },
): string[] {
  const cause = causeLine(error)
  return [
    `${palette.bad('Error:')} ${error.message}`,
    ...(cause === null ? [] : [`  ${cause}`]),
    ...faultLines(error),
    ...(error.hint === undefined ? [] : [`${palette.strong('Try:')} ${error.hint}`]),
    reportPath === null
      ? palette.dim(`More: flock help ${error.code}`)
      : palette.dim(`More: this is a fault of flock; what happened is in ${reportPath}`),
  ]
}

/** `details.faults` is a list of places and messages wherever several things are wrong at once. */
function faultLines({ details }: FlockError): string[] {
  if (!Array.isArray(details.faults)) return []
  return details.faults.flatMap((fault: unknown) => {
    if (typeof fault === 'string') return [`  ${fault}`]
    if (fault === null || typeof fault !== 'object' || !('message' in fault)) return []
    const { path, line, column } = fault as { path?: unknown; line?: unknown; column?: number }
    const place = typeof line === 'number' ? `${line}:${column ?? 1} ` : ''
    const where = typeof path === 'string' && path !== '' ? `${path}: ` : ''
    return [`  ${place}${where}${String(fault.message)}`]
  })
}

function stackOf(error: FlockError): string {
  const parts: string[] = []
  let current: unknown = error
  while (current instanceof Error) {
    parts.push(current.stack ?? current.message)
    current = current.cause
  }
  return parts.join('\nCaused by: ')
}

function writeReport(error: FlockError, options: FailureOptions): string | null {
  const { reportDir, redactor, command, now = new Date() } = options
  if (reportDir === undefined) return null
  const path = join(reportDir, `flock-report-${now.toISOString().replace(/[:.]/g, '-')}.txt`)
  const facts = [`command: ${command}`, `node: ${process.version} ${process.platform} ${process.arch}`]
  try {
    for (const folder of [dirname(reportDir), reportDir]) if (!existsSync(folder)) mkdirSync(folder, 0o700)
    writeFileSync(path, `${[...facts, redactor.text(stackOf(error))].join('\n')}\n`, { mode: 0o600 })
    return path
  } catch {
    // A report that cannot be written must not hide the failure it is about.
    return null
  }
}
