import type { GenericSchema } from 'valibot'
import { nearestName } from '../nearest.js'
import { formatPath } from './faults.js'
import type { Fault, PathSegment } from './faults.js'

/** The parts of a valibot schema that lead to the objects inside it. */
interface SchemaParts {
  readonly entries?: Readonly<Record<string, GenericSchema>>
  readonly wrapped?: GenericSchema
  readonly item?: GenericSchema
  readonly value?: GenericSchema
}

/** Every key that the schema does not know, each with the nearest known one; valibot itself stops at the first. */
export function unknownKeys(
  schema: GenericSchema,
  input: unknown,
  path: readonly PathSegment[] = [],
): Fault[] {
  const { entries, wrapped, item, value } = schema as SchemaParts
  if (wrapped) return unknownKeys(wrapped, input, path)
  if (item) {
    if (!Array.isArray(input)) return []
    return input.flatMap((element, index) => unknownKeys(item, element, [...path, index]))
  }
  if (input === null || typeof input !== 'object' || Array.isArray(input)) return []
  return Object.entries(input).flatMap(([key, element]: [string, unknown]) => {
    const here = [...path, key]
    const inner = entries ? entries[key] : value
    if (inner) return unknownKeys(inner, element, here)
    return entries ? [unknownKey(key, here, Object.keys(entries))] : []
  })
}

function unknownKey(key: string, path: readonly PathSegment[], known: readonly string[]): Fault {
  const near = nearestName(key, known)
  const allowed = near === null ? `allowed are ${known.join(', ')}` : `did you mean "${near}"?`
  return { path: formatPath(path), message: `this key is unknown; ${allowed}` }
}
