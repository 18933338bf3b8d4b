import { FlockError } from '../errors.js'

/** The value at a dotted path, for instance `answers.0.txHash`. */
function valueAt(data: unknown, path: string): unknown {
  let value = data
  for (const name of path.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[name]
  return value
}

export function textAt(data: unknown, path: string): string {
  const value = valueAt(data, path)
  if (typeof value === 'string') return value
  throw new FlockError('INTERNAL', `The command's JSON has no text at ${path}.`)
}

export function amountAt(data: unknown, path: string): bigint {
  return BigInt(textAt(data, path))
}

export function listAt(data: unknown, path: string): unknown[] {
  const value = valueAt(data, path)
  if (Array.isArray(value)) return value as unknown[]
  throw new FlockError('INTERNAL', `The command's JSON has no list at ${path}.`)
}
