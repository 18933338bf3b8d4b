import type { Override } from '../config/document.js'
import { answerFault, contextOf } from './answers.js'
import type { Draft } from './answers.js'
import { QUESTIONS } from './questions.js'
import { DEFAULT_TARGET, TARGETS } from './targets.js'
import type { Target } from './targets.js'

/** A question as a person gets to see it; with choices, one of them is the answer. */
export interface AskedQuestion {
  readonly message: string
  readonly choices?: readonly string[]
  readonly default?: string
  /** True when the answer will do, otherwise what is wrong with it. */
  readonly validate?: (answer: string) => true | string
}

export type Ask = (question: AskedQuestion) => Promise<string>

/** Asks, in order, what a project leaves open; `draftWith` is the project with the answers so far. */
export async function askAnswers(
  draftWith: (asked: readonly Override[]) => Draft,
  { folder, ask }: { readonly folder: string; readonly ask: Ask },
): Promise<Override[]> {
  const asked: Override[] = []
  for (const { flag, path, message, choices, preset, isAsked } of QUESTIONS) {
    const draft = draftWith(asked)
    const context = contextOf(draft, folder)
    if (context.answer(path) !== undefined || isAsked?.(context) === false) continue
    const validate = (answer: string) => answerFault(draft, path, answer, folder) ?? true
    const known = preset(context)
    const value = await ask({
      message,
      ...(choices === undefined ? { validate } : { choices }),
      ...(known === undefined ? {} : { default: known }),
    })
    asked.push({ path, value, source: `--${flag}` })
  }
  return asked
}

/** Asks for one target; a project with several takes them from flags or an answers file. */
export async function askTarget(ask: Ask): Promise<Target> {
  const answer = await ask({
    message: 'What the service is run with',
    choices: TARGETS,
    default: DEFAULT_TARGET,
  })
  return TARGETS.find((target) => target === answer) ?? DEFAULT_TARGET
}
