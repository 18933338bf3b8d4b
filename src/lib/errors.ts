/**
 * What can go wrong, as a closed list.
 *
 * `user`: fix the input. `rejected`: the chain or a host said no, trying again will not help.
 * `unavailable`: try again; the only kind that is ever retried. `bug`: a fault of this program.
 */
export type ErrorKind = 'user' | 'rejected' | 'unavailable' | 'bug'

interface ErrorEntry {
  readonly kind: ErrorKind
  /** One line for the table of error codes in the README. */
  readonly summary: string
}

function entry(kind: ErrorKind, summary: string): ErrorEntry {
  return { kind, summary }
}

/** Every error code, with its kind and meaning. Codes are API: they are added, never renamed. */
export const ERRORS = {
  USAGE_INVALID: entry('user', 'A flag, argument or command name is wrong.'),
  INPUT_MISSING: entry('user', 'Values are missing and nobody can be asked for them.'),
  ADDRESS_INVALID: entry('user', 'A value is not an Ethereum address.'),
  AMOUNT_INVALID: entry('user', 'A value is not an amount of the token.'),
  HEX_INVALID: entry('user', 'A value is not hexadecimal data of the needed length.'),
  JSON_INVALID: entry('user', 'A text is not valid JSON.'),
  NETWORK_UNKNOWN: entry('user', 'The network is neither a preset nor in flock.yaml.'),
  CONFIG_NOT_FOUND: entry('user', 'No flock.yaml was found.'),
  CONFIG_UNREADABLE: entry('user', 'flock.yaml cannot be read or is not YAML.'),
  CONFIG_INVALID: entry('user', 'flock.yaml or the environment holds values that are not allowed.'),
  NODE_CONFIG_INVALID: entry('user', 'The node configuration (config.json) is not valid.'),
  RECORD_INVALID: entry('user', 'A deployment record or journal cannot be read.'),
  KEY_MISSING: entry('user', 'The command has to sign and no key was given.'),
  KEY_INVALID: entry('user', 'A private key is malformed.'),
  API_KEY_MISSING: entry('user', 'A model host needs an API key that is not set.'),
  KEYSTORE_INVALID: entry('user', 'A keystore file is missing or malformed.'),
  KEYSTORE_PASSWORD_WRONG: entry('user', 'The password does not open the keystore.'),
  PERMISSION_TOO_OPEN: entry('user', 'A file with a secret can be read by others.'),
  PERMISSION_DENIED: entry('user', 'The signer may not do this.'),
  PATH_UNWRITABLE: entry('user', 'A file or folder cannot be written.'),
  RPC_UNREACHABLE: entry('unavailable', 'The RPC endpoint gave no answer.'),
  RPC_FAILED: entry('unavailable', 'The RPC endpoint answered with an error of its own.'),
  TX_TIMEOUT: entry('unavailable', 'A transaction was sent and not mined in time.'),
  HOST_UNREACHABLE: entry('unavailable', 'A model host gave no answer in time.'),
  HOST_FAILED: entry('unavailable', 'A model host answered with a server error.'),
  HOST_BUSY: entry('unavailable', 'The hosts of a model have as many requests as they take.'),
  SERVICE_UNREACHABLE: entry('unavailable', 'A container or FlockWorkflow service gave no answer.'),
  CHAIN_MISMATCH: entry('rejected', 'The RPC endpoint serves another chain than the network says.'),
  CONTRACT_MISSING: entry('rejected', 'No contract stands at a configured address.'),
  TX_REVERTED: entry('rejected', 'A contract refused the call.'),
  FUNDS_INSUFFICIENT: entry('rejected', 'The account cannot pay.'),
  NONCE_CONFLICT: entry('rejected', 'Another transaction took the nonce.'),
  FEE_TOO_HIGH: entry('rejected', 'The cost is above the limit that was given.'),
  DEPLOYMENT_NOT_FOUND: entry('user', 'Nothing is recorded as deployed on this network.'),
  DEPLOYMENT_CHANGED: entry('user', 'A finished deployment step was made from other input.'),
  MODEL_NOT_FOUND: entry('user', 'No model of that name or id is registered.'),
  MODEL_EXISTS: entry('user', 'The model is registered already.'),
  REQUEST_NOT_FOUND: entry('user', 'No request of that id is known.'),
  STATE_CONFLICT: entry('user', 'The thing is not in a state that allows this.'),
  PATH_CONFLICT: entry('user', 'A file that would be written exists with other content.'),
  PORT_IN_USE: entry('user', 'The port is taken.'),
  ANVIL_MISSING: entry('user', 'The local chain program (anvil) is not installed.'),
  DOCKER_MISSING: entry(
    'user',
    'Containers are to be managed, and Docker or its client library is not there.',
  ),
  DOCKER_FAILED: entry('rejected', 'Docker refused to pull, create, start or stop a container.'),
  CHAIN_START_FAILED: entry('unavailable', 'The local chain did not start.'),
  HOST_NOT_READY: entry('rejected', 'The endpoint does not behave like an OpenAI-compatible model server.'),
  HOST_REJECTED: entry('rejected', 'A model host refused the request.'),
  TASK_INVALID: entry('user', 'A task sent to the service is malformed.'),
  TASK_NOT_FOUND: entry('user', 'The service has no such route or model.'),
  BODY_TOO_LARGE: entry('user', 'A request body is larger than allowed.'),
  PROOF_UNSUPPORTED: entry('user', 'The task asks for a proof of a kind that cannot be made.'),
  HOST_USAGE_INVALID: entry('rejected', 'A model host reported usage that cannot be true.'),
  HOST_ANSWER_INVALID: entry('rejected', 'A model host gave an answer that cannot be delivered on chain.'),
  RECEIPT_INVALID: entry('rejected', 'A usage receipt does not verify.'),
  CONTAINER_FAILED: entry('unavailable', 'A container answered with an error.'),
  ATTESTATION_INVALID: entry(
    'user',
    'A contributor attestation is malformed, expired or not for this model.',
  ),
  ANSWER_TIMEOUT: entry('unavailable', 'A request was made and no node answered in time.'),
  REWARDS_SHARES_INVALID: entry('user', 'Shares do not add up to 1,000,000 ppm.'),
  PARTIAL: entry('rejected', 'Some transactions were mined, a later step failed.'),
  DECLINED: entry('user', 'The question was answered with no.'),
  INTERRUPTED: entry('user', 'Stopped by a signal.'),
  INTERNAL: entry('bug', 'A fault of flock itself.'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

export interface FlockErrorOptions {
  readonly cause?: unknown
  /** JSON-safe facts for programs: values, names, counts. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
  /** What to do about it, in terms of configuration or commands. */
  readonly hint?: string
}

/** The one error class: a code of the closed list, a message for people, facts for programs. */
export class FlockError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: FlockErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'FlockError'
    this.code = code
    this.details = options.details ?? {}
    this.hint = options.hint
  }

  get kind(): ErrorKind {
    return ERRORS[this.code].kind
  }
}

export function isFlockError(error: unknown): error is FlockError {
  return error instanceof FlockError
}

/** Wraps whatever was thrown; what is not one of ours becomes `INTERNAL` with the original as its cause. */
export function toFlockError(error: unknown): FlockError {
  if (isFlockError(error)) return error
  return new FlockError('INTERNAL', messageOf(error), { cause: error })
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
