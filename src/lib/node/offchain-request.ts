import { FlockError } from '../errors.js'
import { parseDelegatedRequest, type DelegatedRequest } from '../infernet/delegated-request.js'
import { jsonItems, jsonMembers } from '../json-text.js'

/** An off-chain job as a client posts it. */
export interface OffchainRequest {
  readonly containers: readonly string[]
  /** JSON text of an object, as it came. */
  readonly dataJson: string
  readonly requiresProof: boolean
}

export type JobRequest =
  | { readonly kind: 'offchain'; readonly request: OffchainRequest }
  | { readonly kind: 'delegated'; readonly request: DelegatedRequest }

/** Each container of a job may take three minutes, and a body has room for a million names. */
const MAX_CONTAINERS = 64
/** Jobs of one batch; the rate limit counts a batch as one request. */
const MAX_BATCH = 1_000

/**
 * Reads the body of `POST /api/jobs`: the off-chain shape first, then the delegated one. Keys that are not known are
 * left out.
 * @throws TASK_INVALID
 * @see infernet.md 3.3 and 3.5
 */
export function parseJobRequest(body: string): JobRequest {
  return readJob(body, parseBody(body))
}

/**
 * Reads the body of `POST /api/jobs/batch`, all jobs or none.
 * @returns null when it is not a list
 * @throws TASK_INVALID
 */
export function parseBatch(body: string): JobRequest[] | null {
  const value = parseBody(body)
  if (!Array.isArray(value)) return null
  if (value.length > MAX_BATCH)
    throw invalid(`A batch has at most ${MAX_BATCH} jobs; these are ${value.length}.`)
  return jsonItems(body).map((item, index) => readJob(item, value[index]))
}

function readJob(json: string, value: unknown): JobRequest {
  if (!isObject(value)) throw invalid('A job has to be a JSON object.')
  const { containers, data, requires_proof: requiresProof } = value
  const names = namesOf(containers)
  const isFlag = requiresProof === undefined || requiresProof === null || typeof requiresProof === 'boolean'
  if (names !== null && isObject(data) && isFlag) {
    if (names.length > MAX_CONTAINERS)
      throw invalid(`A job has at most ${MAX_CONTAINERS} containers; these are ${names.length}.`)
    const dataJson = jsonMembers(json).get('data') ?? '{}'
    return {
      kind: 'offchain',
      request: { containers: names, dataJson, requiresProof: requiresProof === true },
    }
  }
  if (Object.hasOwn(value, 'subscription') || Object.hasOwn(value, 'signature'))
    return { kind: 'delegated', request: parseDelegatedRequest(json) }
  if (names === null) throw invalid('`containers` has to be a list of texts.')
  if (!isObject(data)) throw invalid('`data` has to be an object.')
  throw invalid('`requires_proof` has to be true or false.')
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body) as unknown
  } catch {
    // The parser's own message quotes the body.
    throw invalid(body === '' ? 'The body is empty.' : 'The body is not valid JSON.')
  }
}

function namesOf(value: unknown): readonly string[] | null {
  if (!Array.isArray(value)) return null
  return value.every((name): name is string => typeof name === 'string') ? value : null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): FlockError {
  return new FlockError('TASK_INVALID', message)
}
