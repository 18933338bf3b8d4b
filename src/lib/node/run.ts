/** Runs a list of containers on one task, over HTTP. */
import { isFlockError } from '../errors.js'
import type { Hex } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { DESTINATION, failureOf, renderServiceInput, SOURCE } from '../infernet/payload.js'
import type { ContainerClient, ContainerReply } from './container-client.js'

/** The reference node's limit for one container. */
export const CONTAINER_TIMEOUT_MS = 180_000

export interface OnChainTask {
  /** What `getContainerInputs` gave. */
  readonly inputs: Hex
  readonly requiresProof: boolean
}

/** A task that came over REST: an off-chain job, or the first delivery of a delegated subscription. */
export interface OffChainTask {
  /** JSON text of an object, as the client wrote it. */
  readonly dataJson: string
  /** Where the last answer goes: on chain for a delegated subscription, else to the client. */
  readonly destination: typeof DESTINATION.onChain | typeof DESTINATION.offChain
  readonly requiresProof: boolean
}

export type ContainerTask = OnChainTask | OffChainTask

export interface ContainerFault {
  readonly container: string
  readonly kind:
    'unreachable' | 'timeout' | 'tooLarge' | 'status' | 'contentType' | 'notJson' | 'notObject' | 'reported'
  /** Without anything that the container wrote about the task, which may repeat a prompt. */
  readonly message: string
  /** True when the container understood and refused, so that asking again would change nothing. */
  readonly isFinal: boolean
  /** What the container wrote instead of an answer: for whoever gave the task alone, never for logs. */
  readonly said: string | null
}

export type RunResult =
  | { readonly ok: true; /** The last container's answer as it came. */ readonly outputJson: string }
  | { readonly ok: false; readonly fault: ContainerFault }

export interface RunOptions {
  readonly client: ContainerClient
  /** Base URL of a container, without a slash at its end. */
  readonly urlOf: (container: NodeContainer) => string
  readonly signal: AbortSignal
  /** Called with the answer of each container that is followed by another one. */
  readonly onEarlier?: (container: string, answerJson: string) => void
}

/** Statuses of 4xx that speak of the moment and not of the task. */
const PASSING_STATUSES: readonly number[] = [408, 409, 425, 429]

/**
 * Calls the containers one after the other, each with the answer of the one before; the first fault ends it.
 *
 * Unlike the reference node it respects the HTTP status, so that no error page is delivered as a result. What goes back to
 * a client may be any JSON, also with a `code`.
 * @throws the signal's reason when it aborts
 * @see infernet.md 2.2 and 2.4
 */
export async function runContainers(
  containers: readonly NodeContainer[],
  task: ContainerTask,
  { client, urlOf, signal, onEarlier }: RunOptions,
): Promise<RunResult> {
  let answer: string | null = null
  for (const [index, container] of containers.entries()) {
    const isLast = index === containers.length - 1
    const body = renderBody(task, answer, isLast)
    let reply: ContainerReply
    try {
      const url = `${urlOf(container)}/service_output`
      reply = await client.post(url, body, { bearer: container.bearer, signal })
    } catch (error) {
      signal.throwIfAborted()
      return { ok: false, fault: transportFault(container.id, error) }
    }
    const fault = judge(reply, isLast && destinationOf(task) === DESTINATION.onChain)
    if (fault !== null) return { ok: false, fault: { container: container.id, ...fault } }
    answer = reply.body
    if (!isLast) onEarlier?.(container.id, answer)
  }
  return { ok: true, outputJson: answer ?? 'null' }
}

function destinationOf(task: ContainerTask): OffChainTask['destination'] {
  return 'inputs' in task ? DESTINATION.onChain : task.destination
}

function renderBody(task: ContainerTask, answer: string | null, isLast: boolean): string {
  const { requiresProof } = task
  const destination = isLast ? destinationOf(task) : DESTINATION.offChain
  if (answer === null && 'inputs' in task)
    return JSON.stringify(
      renderServiceInput({ source: SOURCE.onChain, destination, data: task.inputs, requiresProof }),
    )
  // Data and answers go on as the texts they came as: reading them would round numbers that a container may need.
  const data = answer ?? ('inputs' in task ? 'null' : task.dataJson)
  return `{"source":${SOURCE.offChain},"destination":${destination},"data":${data},"requires_proof":${requiresProof}}`
}

type Judged = Omit<ContainerFault, 'container'>

function judge(reply: ContainerReply, isForChain: boolean): Judged | null {
  const { status, contentType, body } = reply
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  const isJson = /^application\/(?:[^;]*\+)?json$/.test(mediaType)
  const value = isJson ? parse(body) : undefined
  if (status < 200 || status >= 300) {
    const isFinal = status >= 400 && status < 500 && !PASSING_STATUSES.includes(status)
    return { kind: 'status', message: `answered HTTP ${status}${errorName(value)}`, isFinal, said: body }
  }
  if (!isJson)
    return retryable('contentType', `answered with content type "${mediaType.slice(0, 60)}", not JSON`)
  if (value === undefined)
    return { ...retryable('notJson', 'answered with a body that is not JSON'), said: body }
  if (!isForChain) return null
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return retryable('notObject', 'answered with JSON that is not an object')
  const failure = failureOf(value)
  if (failure === null) return null
  const isRefusal = /^4\d\d$/.test(failure.code) && !PASSING_STATUSES.includes(Number(failure.code))
  const message = `reported a failure${errorName(value)}`
  return { kind: 'reported', message, isFinal: isRefusal, said: body }
}

function retryable(kind: ContainerFault['kind'], message: string): Judged {
  return { kind, message, isFinal: false, said: null }
}

/** Code and name of an error body; its description stays out. */
function errorName(value: unknown): string {
  const failure = failureOf(value)
  if (failure === null) return ''
  const words = [failure.code, failure.name].filter((word) => /^[\w .-]{1,60}$/.test(word))
  return words.length === 0 ? '' : ` (${words.join(' ')})`
}

function transportFault(container: string, error: unknown): ContainerFault {
  if (!isFlockError(error)) throw error
  if (error.code === 'BODY_TOO_LARGE')
    return { container, kind: 'tooLarge', message: error.message, isFinal: true, said: null }
  const kind = error.details.reason === 'timeout' ? 'timeout' : 'unreachable'
  return { container, kind, message: error.message, isFinal: false, said: null }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body) as unknown
  } catch {
    return undefined
  }
}
