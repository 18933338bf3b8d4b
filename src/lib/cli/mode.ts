/** How a run shall behave, known before its flags are parsed, so that even a parse error is told in the right way. */
export interface Mode {
  readonly json: boolean
  readonly quiet: boolean
  /** Stack traces are wanted: `--debug`, `-vv` or DEBUG. */
  readonly debug: boolean
  readonly noColor: boolean
}

export type Env = Readonly<Record<string, string | undefined>>

/** Reads the mode from the arguments before `--` and the environment. */
export function modeOf(argv: readonly string[], env: Env): Mode {
  const end = argv.indexOf('--')
  const own = end === -1 ? argv : argv.slice(0, end)
  const has = (...names: string[]) => own.some((item) => names.includes(item))
  const verbosity = own.reduce((sum, item) => sum + verbosityOf(item), 0)
  return {
    json: has('--json') || isTruthy(env.FLOCK_JSON),
    quiet: has('--quiet', '-q') || isTruthy(env.FLOCK_QUIET),
    debug: has('--debug') || isTruthy(env.FLOCK_DEBUG) || isDebugOf(env.DEBUG) || verbosity >= 2,
    noColor: has('--no-color') || isTruthy(env.FLOCK_NO_COLOR),
  }
}

function verbosityOf(item: string): number {
  if (item === '--verbose') return 1
  return /^-v+$/.test(item) ? item.length - 1 : 0
}

// DEBUG is shared by many programs; only values that mean everything or flock count.
function isDebugOf(value: string | undefined): boolean {
  return value !== undefined && value.split(',').some((name) => /^(?:1|true|\*|flock(?::\*)?)$/.test(name))
}

/** True for every set value but the usual words for no. */
export function isTruthy(value: string | undefined): boolean {
  return value !== undefined && !/^(?:|0|false|no|n|off)$/i.test(value.trim())
}
