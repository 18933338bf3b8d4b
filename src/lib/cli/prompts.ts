import type * as Prompts from '@inquirer/prompts'
import { FlockError } from '../errors.js'
import { isTruthy } from './mode.js'
import type { Env } from './mode.js'
import type { TerminalStream } from './output.js'

/** Asks people. The only place that knows the prompt library, and it loads it only when a question is due. */
export interface Prompter {
  /** False without a terminal, in CI, under `--json` and `--no-input`: then nothing may be asked. */
  readonly canAsk: boolean
  text(question: TextQuestion): Promise<string>
  secret(message: string): Promise<string>
  select<T extends string>(question: SelectQuestion<T>): Promise<T>
  confirm(message: string): Promise<boolean>
}

export interface TextQuestion {
  readonly message: string
  readonly default?: string
  /** True when the answer will do, otherwise what is wrong with it. */
  readonly validate?: (answer: string) => true | string
}

export interface SelectQuestion<T extends string> {
  readonly message: string
  readonly choices: readonly { readonly value: T; readonly name: string; readonly description?: string }[]
  readonly default?: T
}

export interface PrompterOptions {
  readonly stdin: NodeJS.ReadStream
  readonly stderr: TerminalStream
  readonly env: Env
  readonly json: boolean
  readonly noInput: boolean
  readonly signal: AbortSignal
}

export function createPrompter(options: PrompterOptions): Prompter {
  const { stdin, stderr, env, json, noInput, signal } = options
  const canAsk = stdin.isTTY && stderr.isTTY === true && !isTruthy(env.CI) && !json && !noInput

  const ask = async <T>(question: (library: Library, context: Context) => Promise<T>): Promise<T> => {
    if (!canAsk) throw new FlockError('INPUT_MISSING', 'A question is due and nobody can be asked.')
    const library = await import('@inquirer/prompts')
    try {
      // Questions stand on stderr: stdout carries the result only.
      return await question(library, { input: stdin, output: stderr, signal })
    } catch (error) {
      if (error instanceof Error && /^(?:ExitPromptError|AbortPromptError)$/.test(error.name))
        throw new FlockError('INTERRUPTED', 'Stopped at a question; nothing was written.', { cause: error })
      throw error
    }
  }

  return {
    canAsk,
    text: ({ message, default: preset, validate }) =>
      ask(({ input }, context) =>
        input(
          {
            message,
            ...(preset === undefined ? {} : { default: preset }),
            ...(validate === undefined ? {} : { validate: (answer: string) => validate(answer.trim()) }),
          },
          context,
        ),
      ).then((answer) => answer.trim()),
    secret: (message) => ask(({ password }, context) => password({ message, mask: '*' }, context)),
    select: (question) =>
      ask(({ select }, context) =>
        select(
          {
            message: question.message,
            choices: [...question.choices],
            ...(question.default === undefined ? {} : { default: question.default }),
          },
          context,
        ),
      ),
    confirm: (message) => ask(({ confirm }, context) => confirm({ message, default: false }, context)),
  }
}

type Library = typeof Prompts

interface Context {
  readonly input: NodeJS.ReadStream
  readonly output: TerminalStream
  readonly signal: AbortSignal
}
