/** Asks a running node how it is. */
import { FlockError, messageOf } from '../errors.js'
import { parseJson } from '../json.js'
import { STATUS_PATH } from './node-status.js'
import type { SeenDelivery, SeenFault } from './node-figures.js'
import type { NodeStatusReport } from './node-status.js'

/** As JSON has it: amounts as decimal text, times as ISO 8601 in UTC. */
export type Written<T> = T extends bigint | Date
  ? string
  : T extends object
    ? { readonly [K in keyof T]: Written<T[K]> }
    : T
export type NodeStatusJson = Written<NodeStatusReport>
export type DeliveryJson = Written<SeenDelivery>
export type FaultJson = Written<SeenFault>

/** @throws SERVICE_UNREACHABLE when nobody answers, or something that is no node; PERMISSION_DENIED */
export async function readNodeStatus(
  url: string,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<NodeStatusJson> {
  const target = new URL(STATUS_PATH, url)
  let status: number
  let text: string
  try {
    const response = await fetch(target, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    status = response.status
    text = await response.text()
  } catch (error) {
    signal.throwIfAborted()
    throw unreachable(target, `no answer (${reasonOf(error)})`, error)
  }
  if (status === 403)
    throw new FlockError('PERMISSION_DENIED', `The node on ${target.host} tells other machines nothing.`, {
      hint: 'Ask on the machine it runs on, or start it with --open-status.',
    })
  if (status !== 200) throw unreachable(target, `status ${status}`, undefined)
  const value = parseJson(text, target.host) as NodeStatusJson
  if (typeof value === 'object' && 'figures' in value) return value
  throw unreachable(target, 'another kind of answer', undefined)
}

function unreachable(target: URL, what: string, cause: unknown): FlockError {
  return new FlockError('SERVICE_UNREACHABLE', `No node of flock answers on ${target.host}: ${what}.`, {
    cause,
    details: { host: target.host },
    hint: 'Start one with flock node start, or say where it is with --url.',
  })
}

/** What `fetch` throws says why in its cause. */
function reasonOf(error: unknown): string {
  const { cause, name } = error as { readonly cause?: { readonly code?: unknown }; readonly name?: unknown }
  if (typeof cause?.code === 'string') return cause.code
  return name === 'TimeoutError' ? 'in time' : messageOf(error)
}
