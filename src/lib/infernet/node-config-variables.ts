import { isVariableName } from '../variable-name.js'
import type { NodeConfigFault } from './node-config-notes.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where a whole value may be "${NAME}": what is secret, and what containers get. */
const PLACES = [
  /^chain\.rpc_url$/,
  /^chain\.fallback_rpc_urls\[\d+\]$/,
  /^chain\.wallet\.private_key$/,
  /^docker\.(?:username|password)$/,
  /^containers\[\d+\]\.(?:url|bearer)$/,
  /^containers\[\d+\]\.env\./,
]
const VARIABLE = /^\$\{([^}]+)\}$/

/**
 * Puts values of the environment where the file says "${NAME}", so that secrets need not stand in it.
 * @returns the input itself where it names no variable; a fault for each one that is not set
 */
export function fillVariables(
  input: unknown,
  env: Environment,
): { readonly input: unknown; readonly faults: readonly NodeConfigFault[] } {
  const faults: NodeConfigFault[] = []
  const fill = (value: unknown, path: string): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => fill(item, `${path}[${index}]`))
    // Numbers that are written exactly are objects of their own kind.
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, fill(item, path === '' ? key : `${path}.${key}`)]),
      )
    const name = typeof value === 'string' ? VARIABLE.exec(value)?.[1] : undefined
    if (name === undefined || !PLACES.some((place) => place.test(path))) return value
    const given = env[name]
    if (given) return given
    const shown = isVariableName(name) ? name : '[redacted]'
    faults.push({
      path,
      found: `\${${shown}}`,
      allowed: 'the name of an environment variable that is set',
    })
    return value
  }
  return { input: fill(input, ''), faults }
}
