import { Indexed, type ParamType, type Result } from 'ethers/abi'

/**
 * ABI values as plain ones: structs become objects, lists arrays, integers bigint, everything else text or boolean.
 * An indexed event field of dynamic size exists as its hash only.
 * @param type what the value was decoded as; a struct without field names becomes an array
 */
export function plainValue(value: unknown, type: ParamType): unknown {
  if (value instanceof Indexed) return value.hash
  if (type.isArray()) return (value as Result).toArray().map((item) => plainValue(item, type.arrayChildren))
  if (type.isTuple()) return plainFields(value as Result, type.components)
  return value
}

/** Named values as an object, in order; an array when any of them has no name. */
export function plainFields(values: Result, types: readonly ParamType[]): unknown {
  const plain = plainList(values, types)
  if (types.some((type) => type.name === '')) return plain
  return Object.fromEntries(types.map((type, index) => [type.name, plain[index]]))
}

/** Values as an array, in order. */
export function plainList(values: Result, types: readonly ParamType[]): unknown[] {
  return values.toArray().map((value, index) => plainValue(value, types[index] as ParamType))
}
