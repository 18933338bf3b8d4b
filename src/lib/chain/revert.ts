import { AbiCoder } from 'ethers/abi'
import { FlockError, isFlockError, messageOf } from '../errors.js'
import { isHex, type Hex } from '../hex.js'
import { toJsonValue, type JsonValue } from '../json.js'
import { interfaceOf, type ContractArtifact } from './artifact.js'
import { plainList } from './values.js'

export interface DecodedRevert {
  /** The contract whose ABI knows the error; null for Solidity's own `Error` and `Panic`. */
  readonly contract: string | null
  readonly name: string
  /** By parameter name, or by position where it has none. JSON-safe. */
  readonly args: Readonly<Record<string, JsonValue>>
}

/** `Error(string)`, made by `require` and `revert` with a text. */
const ERROR_SELECTOR = '0x08c379a0'
/** `Panic(uint256)`, made by the compiler's own checks. */
const PANIC_SELECTOR = '0x4e487b71'

/** @see https://docs.soliditylang.org/en/v0.8.30/control-structures.html#panic-via-assert-and-error-via-require */
const PANIC_MEANINGS: Readonly<Record<string, string>> = {
  '0': 'generic check of the compiler',
  '1': 'assertion failed',
  '17': 'arithmetic overflow or underflow',
  '18': 'division by zero',
  '33': 'value outside of its enum',
  '34': 'malformed storage byte array',
  '49': 'pop of an empty array',
  '50': 'array index out of bounds',
  '65': 'out of memory',
  '81': 'call of an uninitialised function',
}

/** Reads revert data with the first ABI that knows its selector; null when none does or there is no data. */
export function decodeRevert(data: Hex, artifacts: readonly ContractArtifact[]): DecodedRevert | null {
  const selector = data.slice(0, 10)
  try {
    if (selector === ERROR_SELECTOR) {
      const [message] = AbiCoder.defaultAbiCoder().decode(['string'], `0x${data.slice(10)}`)
      return { contract: null, name: 'Error', args: { message: String(message) } }
    }
    if (selector === PANIC_SELECTOR) {
      const [code] = AbiCoder.defaultAbiCoder().decode(['uint256'], `0x${data.slice(10)}`)
      const meaning = PANIC_MEANINGS[String(code)] ?? 'unknown panic'
      return { contract: null, name: 'Panic', args: { code: String(code), meaning } }
    }
    for (const artifact of artifacts) {
      const errors = interfaceOf(artifact, 'error')
      const fragment = selector.length === 10 ? errors.getError(selector) : null
      if (fragment === null) continue
      const values = plainList(errors.decodeErrorResult(fragment, data), fragment.inputs)
      const named = fragment.inputs.map((input, index) => [
        input.name || String(index),
        toJsonValue(values[index]),
      ])
      return {
        contract: artifact.contractName,
        name: fragment.name,
        args: Object.fromEntries(named) as Record<string, JsonValue>,
      }
    }
  } catch {
    // Data that starts with a known selector and does not decode belongs to some other contract.
  }
  return null
}

/** `ModelUnknown(modelId: 0xab…)`; for `Error` its text, for `Panic` its meaning. */
export function describeRevert(decoded: DecodedRevert): string {
  if (decoded.contract === null && decoded.name === 'Error') return text(decoded.args['message'])
  if (decoded.contract === null)
    return `${text(decoded.args['meaning'])} (Panic ${text(decoded.args['code'])})`
  const args = Object.entries(decoded.args).map(([name, value]) => `${name}: ${text(value)}`)
  return `${decoded.name}(${args.join(', ')})`
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * The error of a failed chain call, with revert data decoded to the Solidity error and its arguments:
 * `details` then hold `contract`, `error` and `args`.
 */
export function toChainError(error: unknown, artifacts: readonly ContractArtifact[]): FlockError {
  if (!isFlockError(error)) return new FlockError('INTERNAL', messageOf(error), { cause: error })
  const data = error.details['data']
  if (error.code !== 'TX_REVERTED' || !isHex(data) || 'error' in error.details) return error
  return revertError(data, artifacts, error.details)
}

/** TX_REVERTED for revert data, decoded as far as the ABIs reach. `details` are added to its own. */
export function revertError(
  data: Hex,
  artifacts: readonly ContractArtifact[],
  details: Readonly<Record<string, unknown>> = {},
): FlockError {
  const decoded = decodeRevert(data, artifacts)
  if (decoded !== null) {
    const { contract, name, args } = decoded
    const by = contract === null ? 'The contract' : contract
    return new FlockError('TX_REVERTED', `${by} refused the call: ${describeRevert(decoded)}.`, {
      details: { ...details, data, ...(contract === null ? {} : { contract }), error: name, args },
    })
  }
  const why = data === '0x' ? saidOf(details) : `unknown error ${data.slice(0, 10)}`
  return new FlockError('TX_REVERTED', `The contract refused the call: ${why}.`, {
    details: { ...details, data },
  })
}

function saidOf(details: Readonly<Record<string, unknown>>): string {
  const said = details['rpcMessage']
  return typeof said === 'string' ? said : 'no reason given'
}
