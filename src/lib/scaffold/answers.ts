import { formatPath } from '../config/faults.js'
import { validateConfig } from '../config/schema.js'
import type { Address } from '../hex.js'
import { HOST, isMissing, MODEL, QUESTIONS } from './questions.js'
import type { AnswerPath, Question, QuestionContext } from './questions.js'

/** The accounts that `flock devnet` uses for these roles (anvil's first accounts, see `devnet/accounts.ts`). */
export const LOCAL_ROLES: Readonly<
  Record<'node' | 'receiptSigner', Address> & Record<'training' | 'validators', readonly Address[]>
> = {
  node: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  receiptSigner: '0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc',
  training: ['0x14dC79964da2C08b23698B3D3cc7Ca32193d9955', '0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f'],
  validators: ['0xa0Ee7A142d267C1f36714E4a8F75612F20a79720', '0xBcd4042DE499D14e55001CcbB24a551F3b954096'],
}

/** A project as far as it is known: the tree of flock.yaml, unchecked. */
export type Draft = unknown

/** What a question may look at, given a draft. */
export function contextOf(draft: Draft, folder: string): QuestionContext {
  const answer = (path: AnswerPath) => {
    const value = valueAt(draft, path)
    if (typeof value === 'string') return value
    return typeof value === 'number' ? String(value) : undefined
  }
  const network = answer(['network']) ?? 'local'
  return { folder, network, isLocal: network === 'local', answer }
}

/**
 * The questions whose answers nobody but the operator has, in order. Where the draft has the wrong shape, nothing is
 * missing: the schema has more to say about it.
 */
export function missingAnswers(draft: Draft, folder: string): Question[] {
  const completed = completeDraft(draft, folder)
  const context = contextOf(completed, folder)
  const faulty = new Set(validateConfig(completed).faults.map(({ path }) => path))
  return QUESTIONS.filter((question) => isMissing(question, context) && faulty.has(formatPath(question.path)))
}

/** Fills in the presets of the project, its first model and that model's first host; what is given stays. */
export function completeDraft(draft: Draft, folder: string): Draft {
  const withPresets = QUESTIONS.reduce<Draft>((value, question) => {
    const context = contextOf(value, folder)
    const preset = question.preset(context)
    const isGiven = valueAt(value, question.path) !== undefined
    return isGiven || preset === undefined ? value : withValue(value, question.path, preset)
  }, draft)
  const { isLocal } = contextOf(withPresets, folder)
  const withHost = withDefault(withPresets, [...HOST, 'id'], 'main')
  return isLocal ? withLocalRoles(withHost) : withHost
}

/** On the local chain the accounts of the devnet are known. */
function withLocalRoles(draft: Draft): Draft {
  const equal = (accounts: readonly Address[]) => accounts.map((account) => ({ account, weight: 1 }))
  const values: [AnswerPath, unknown][] = [
    [[...MODEL, 'nodes'], [LOCAL_ROLES.node]],
    [[...MODEL, 'receiptSigner'], LOCAL_ROLES.receiptSigner],
    [[...MODEL, 'contributors', 'training'], equal(LOCAL_ROLES.training)],
    [[...MODEL, 'contributors', 'validators'], equal(LOCAL_ROLES.validators)],
  ]
  return values.reduce<Draft>((value, [path, preset]) => withDefault(value, path, preset), draft)
}

function withDefault(draft: Draft, path: AnswerPath, preset: unknown): Draft {
  return valueAt(draft, path) === undefined ? withValue(draft, path, preset) : draft
}

function valueAt(value: unknown, path: AnswerPath): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      inner !== null && typeof inner === 'object'
        ? (inner as Record<string | number, unknown>)[key]
        : undefined,
    value,
  )
}

/** A copy with a value at a path; a draft whose shape is wrong there is left for the schema to refuse. */
function withValue(value: unknown, path: AnswerPath, given: unknown): unknown {
  const [head, ...rest] = path
  if (head === undefined) return given
  if (typeof head === 'number') {
    if (value !== undefined && !Array.isArray(value)) return value
    const list: unknown[] = [...((value as unknown[] | undefined) ?? [])]
    list[head] = withValue(list[head], rest, given)
    return list
  }
  if (value !== undefined && (value === null || typeof value !== 'object' || Array.isArray(value)))
    return value
  const map = (value ?? {}) as Record<string, unknown>
  return { ...map, [head]: withValue(map[head], rest, given) }
}

/** A folder name as a project name: lower case, dashes, `flock-host` when nothing is left. */
export function projectName(folder: string): string {
  const slug = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64)
    .replace(/-+$/, '')
  return slug === '' ? 'flock-host' : slug
}

/** What is wrong with one answer, given those before it; null when it will do. */
export function answerFault(draft: Draft, path: AnswerPath, answer: string, folder: string): string | null {
  const { faults } = validateConfig(completeDraft(withValue(draft, path, answer), folder))
  return faults.find((fault) => fault.path === formatPath(path))?.message ?? null
}
