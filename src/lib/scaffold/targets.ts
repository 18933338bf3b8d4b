import { formatPath } from '../config/faults.js'
import type { Fault } from '../config/faults.js'

/** What a project can be made to run with. `bare` adds nothing: its commands are started by hand or by other means. */
export const TARGETS = ['compose', 'kubernetes', 'systemd', 'bare'] as const

export type Target = (typeof TARGETS)[number]

export const DEFAULT_TARGET: Target = 'compose'

/** Folders of templates that a target adds to those of every project. */
export const TARGET_FOLDERS = {
  compose: ['container', 'compose'],
  kubernetes: ['container', 'kubernetes'],
  systemd: ['systemd'],
  bare: [],
} as const satisfies Readonly<Record<Target, readonly string[]>>

/** A file by which a project is known to have a target. */
export const TARGET_MARKS: readonly { readonly target: Target; readonly path: string }[] = [
  { target: 'compose', path: 'compose.yaml' },
  { target: 'kubernetes', path: 'kustomization.yaml' },
  { target: 'systemd', path: 'systemd/flock-workflow.service' },
]

/** The key of an answers file that names targets; it is no part of flock.yaml. */
const KEY = 'targets'

/** The targets that an answers file names, null for none, with what is wrong with them. */
export function readTargets(answers: unknown): { targets: Target[] | null; faults: Fault[] } {
  const given = isMap(answers) ? answers[KEY] : undefined
  if (given === undefined) return { targets: null, faults: [] }
  const allowed = TARGETS.join(', ')
  if (!Array.isArray(given) || given.length === 0) {
    return {
      targets: null,
      faults: [{ path: KEY, message: `allowed is a list of one or more of ${allowed}` }],
    }
  }
  const items: unknown[] = given
  const faults = items.flatMap((item, index) =>
    isTarget(item)
      ? []
      : [
          {
            path: formatPath([KEY, index]),
            message: `${JSON.stringify(item)} was found, allowed is ${allowed}`,
          },
        ],
  )
  return { targets: items.filter(isTarget), faults }
}

/** An answers file without what is no part of flock.yaml. */
export function withoutTargets(answers: unknown): unknown {
  if (!isMap(answers)) return answers
  return Object.fromEntries(Object.entries(answers).filter(([key]) => key !== KEY))
}

function isTarget(item: unknown): item is Target {
  return TARGETS.includes(item as Target)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
