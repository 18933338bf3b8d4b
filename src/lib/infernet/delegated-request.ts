import { FlockError } from '../errors.js'
import { isAddress, parseAddress, type Address, type Hex } from '../hex.js'
import { jsonMembers } from '../json-text.js'
import type { DelegateSignature, DelegateSubscription } from './delegated.js'

/** A delegated subscription as clients post it to `POST /api/jobs`. Nothing of the signature was checked yet. */
export interface DelegatedRequest extends DelegateSubscription {
  readonly signature: {
    /** 27 or 28 in a signature that the Coordinator takes. */
    readonly v: number
    readonly r: bigint
    readonly s: bigint
  }
  /** JSON text of an object, as it came: input of the first container for the first delivery. */
  readonly dataJson: string
  readonly requiresProof: boolean
}

const MAX_UINT16 = 2n ** 16n - 1n
const MAX_UINT32 = 2n ** 32n - 1n
const MAX_UINT256 = 2n ** 256n - 1n

/**
 * Reads the body of a delegated request. Keys that are not known are left out, and addresses may be in any casing, which
 * the reference node accepts and then cannot send.
 * @param json a text that `JSON.parse` reads as an object
 * @throws TASK_INVALID naming the field
 * @see infernet.md 3.5
 */
export function parseDelegatedRequest(json: string): DelegatedRequest {
  const body = fieldsOf(json, '')
  const signature = fieldsOf(body.object('signature'), 'signature.')
  const subscription = fieldsOf(body.object('subscription'), 'subscription.')
  return {
    nonce: Number(signature.integer('nonce', MAX_UINT32)),
    expiry: Number(signature.integer('expiry', MAX_UINT32)),
    signature: {
      v: Number(signature.integer('v', 255n)),
      r: signature.integer('r', MAX_UINT256),
      s: signature.integer('s', MAX_UINT256),
    },
    subscription: {
      owner: subscription.address('owner'),
      activeAt: Number(subscription.integer('active_at', MAX_UINT32)),
      period: Number(subscription.integer('period', MAX_UINT32)),
      frequency: Number(subscription.integer('frequency', MAX_UINT32)),
      redundancy: Number(subscription.integer('redundancy', MAX_UINT16)),
      containerId: subscription.hash('containers'),
      lazy: subscription.flag('lazy'),
      verifier: subscription.address('verifier'),
      paymentAmount: subscription.integer('payment_amount', MAX_UINT256),
      paymentToken: subscription.address('payment_token'),
      wallet: subscription.address('wallet'),
    },
    dataJson: body.object('data'),
    requiresProof: body.has('requires_proof') && body.flag('requires_proof'),
  }
}

/** The signature in the form that the contract takes. */
export function delegateSignatureOf({ signature: { v, r, s } }: DelegatedRequest): DelegateSignature {
  return { v, r: word(r), s: word(s) }
}

function word(value: bigint): Hex {
  return `0x${value.toString(16).padStart(64, '0')}`
}

/** Reads the members of one object; `at` is what stands before their names in messages. */
function fieldsOf(json: string, at: string) {
  const members = jsonMembers(json)
  const read = <T>(name: string, allowed: string, parse: (text: string) => T | undefined): T => {
    const text = members.get(name)
    const value = text === undefined ? undefined : parse(text)
    if (value !== undefined) return value
    throw new FlockError('TASK_INVALID', `\`${at}${name}\` has to be ${allowed}.`)
  }
  return {
    /** False for null, too, which stands for what is left out. */
    has: (name: string) => (members.get(name) ?? 'null') !== 'null',
    object: (name: string): string =>
      read(name, 'an object', (text) => (text.startsWith('{') ? text : undefined)),
    integer: (name: string, max: bigint): bigint =>
      read(name, `an integer from 0 to ${max}`, (text) => {
        // The length is looked at first: reading a million digits takes long.
        const value = /^\d{1,78}$/.test(text) ? BigInt(text) : undefined
        return value !== undefined && value <= max ? value : undefined
      }),
    flag: (name: string): boolean =>
      read(name, 'true or false', (text) => (text === 'true' ? true : text === 'false' ? false : undefined)),
    address: (name: string): Address =>
      read(name, 'an Ethereum address', (text) => {
        const value: unknown = JSON.parse(text)
        return isAddress(value) ? parseAddress(value, name) : undefined
      }),
    hash: (name: string): Hex =>
      read<Hex>(name, 'the 32 bytes of a container list’s hash in hexadecimal', (text) => {
        const [, digits] = /^"(?:0x)?([0-9a-fA-F]{64})"$/.exec(text) ?? []
        return digits === undefined ? undefined : `0x${digits.toLowerCase()}`
      }),
  }
}
