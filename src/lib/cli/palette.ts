import { isTruthy } from './mode.js'
import type { Env } from './mode.js'
import type { TerminalStream } from './output.js'

/** Colours by meaning. Each function returns text for a terminal, or its input where colours are off. */
export interface Palette {
  good(text: string): string
  bad(text: string): string
  warn(text: string): string
  accent(text: string): string
  strong(text: string): string
  dim(text: string): string
}

const same = (text: string) => text

export const plainPalette: Palette = {
  good: same,
  bad: same,
  warn: same,
  accent: same,
  strong: same,
  dim: same,
}

/** The palette of a stream: NO_COLOR, FORCE_COLOR, TERM=dumb and `--no-color` are honoured. Loads chalk only for colours. */
export async function createPalette(
  stream: TerminalStream,
  options: { env: Env; noColor: boolean },
): Promise<Palette> {
  const level = colorLevel(stream, options)
  if (level === 0) return plainPalette
  const { Chalk } = await import('chalk')
  const chalk = new Chalk({ level })
  return {
    good: chalk.green,
    bad: chalk.red,
    warn: chalk.yellow,
    accent: chalk.cyan,
    strong: chalk.bold,
    dim: chalk.dim,
  }
}

/** 0 none, 1 sixteen colours, 2 256 colours, 3 true colour. */
export function colorLevel(
  stream: TerminalStream,
  { env, noColor }: { env: Env; noColor: boolean },
): 0 | 1 | 2 | 3 {
  if (noColor || (env.NO_COLOR ?? '') !== '') return 0
  if (env.FORCE_COLOR !== undefined) {
    if (env.FORCE_COLOR === '2') return 2
    if (env.FORCE_COLOR === '3') return 3
    return isTruthy(env.FORCE_COLOR) || env.FORCE_COLOR === '' ? 1 : 0
  }
  if (stream.isTTY !== true || env.TERM === 'dumb') return 0
  if (/^(?:truecolor|24bit)$/.test(env.COLORTERM ?? '')) return 3
  return /-256(?:color)?$/.test(env.TERM ?? '') ? 2 : 1
}
