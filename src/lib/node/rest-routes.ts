/** The routes of the reference node: what each takes and answers. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { toFlockError } from '../errors.js'
import type { Address } from '../hex.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { sortJson } from '../json-text.js'
import type { ContainerClient } from './container-client.js'
import type { DelegatedIntake, GuardRefusal } from './delegated-intake.js'
import { createIpRule } from './ip-rules.js'
import type { OffchainGuard } from './offchain-guard.js'
import type { OffchainJobs } from './offchain-jobs.js'
import type { JobStatus, StoredJob } from './offchain-memory.js'
import { parseBatch, parseJobRequest, type JobRequest } from './offchain-request.js'
import type { OffchainStore } from './offchain-store.js'
import { busy, errorReply, type Reply } from './rest-http.js'
import { createStreamWriter } from './rest-stream.js'

/** The version of the reference node whose routes these are. */
export const REFERENCE_VERSION = '1.4.0'

export interface NodeStatus {
  /** Of the account that delivers; empty without a chain. */
  readonly address: Address | ''
  readonly isChainEnabled: boolean
  readonly containers: readonly NodeContainer[]
  /** Intervals under way. */
  readonly pendingOnChain: number
}

/** What the routes work with. */
export interface RestServices {
  readonly status: () => NodeStatus
  readonly guard: OffchainGuard
  readonly jobs: OffchainJobs
  readonly store: OffchainStore
  readonly intake: DelegatedIntake
  readonly client: ContainerClient
  /** Base URL of a container, without a slash at its end. */
  readonly urlOf: (container: NodeContainer) => string
}

/** One request. */
export interface Ask {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Address of the client. */
  readonly client: string
  readonly query: URLSearchParams
  /** Aborts when the face is closed. */
  readonly signal: AbortSignal
  /** @throws as `BodyReader` */
  readonly body: () => Promise<string>
}

export interface Route {
  readonly isLimited: boolean
  /** Null when the response was written on the way. @throws what `replyOf` reads */
  readonly answer: (ask: Ask) => Reply | null | Promise<Reply | null>
}

/** Path -> method -> route. HEAD goes with GET. */
export type Routes = Readonly<Record<string, Readonly<Record<string, Route>>>>

/** From where containers may report work of their own: this machine, and the networks that Docker makes. */
const STATUS_PEERS = ['127.0.0.1', '::1', '172.17.0.0/16', '172.18.0.0/16', '172.19.0.0/16', '192.168.0.0/16']
const STATUSES: readonly string[] = ['success', 'failed', 'running'] satisfies JobStatus[]
/** An id that the node gives has 36 characters. */
const MAX_ID_CHARS = 256
/** For what a container tells of itself, which it has at hand. */
const RESOURCES_TIMEOUT_MS = 10_000

/** @see infernet.md 3 */
export function createRoutes(services: RestServices): Routes {
  const isStatusPeer = createIpRule(STATUS_PEERS)
  const limited = (answer: Route['answer']): Route => ({ isLimited: true, answer })
  return {
    '/health': { GET: limited(() => ok('{"status":"healthy"}')) },
    '/info': { GET: limited(() => ok(renderInfo(services))) },
    '/resources': { GET: limited((ask) => askResources(ask, services)) },
    '/api/jobs': {
      GET: limited((ask) => findJobs(ask, services)),
      POST: limited((ask) => startJob(ask, services)),
    },
    '/api/jobs/batch': { POST: limited((ask) => startBatch(ask, services)) },
    '/api/jobs/stream': { POST: limited((ask) => streamJob(ask, services)) },
    '/api/status': {
      PUT: {
        isLimited: false,
        answer: (ask) =>
          isStatusPeer(ask.client) ? storeStatus(ask, services) : errorReply(403, 'Unauthorized'),
      },
    },
  }
}

function renderInfo({ status, store }: RestServices): string {
  const { address, isChainEnabled, containers, pendingOnChain } = status()
  return JSON.stringify({
    chain: { address, enabled: isChainEnabled },
    containers: containers.map(({ id, description, external, image }) => ({
      description,
      external,
      id,
      image,
    })),
    pending: { offchain: store.pendingCount(), onchain: pendingOnChain },
    version: REFERENCE_VERSION,
  })
}

/** Asks each container where its jobs go, with its token; those that do not answer are left out. */
async function askResources({ query, signal }: Ask, { status, client, urlOf }: RestServices): Promise<Reply> {
  const modelId = query.get('model_id')
  const suffix = modelId === null ? '' : `?model_id=${encodeURIComponent(modelId)}`
  const answers = await Promise.all(
    status().containers.map(async (container) => {
      try {
        const reply = await client.get(`${urlOf(container)}/service-resources${suffix}`, {
          bearer: container.bearer,
          timeoutMs: RESOURCES_TIMEOUT_MS,
          signal,
        })
        if (reply.status < 200 || reply.status >= 300) return []
        JSON.parse(reply.body)
        return [[container.id, sortJson(reply.body)] as const]
      } catch {
        return []
      }
    }),
  )
  const sorted = answers.flat().sort(([a], [b]) => (a < b ? -1 : 1))
  return ok(`{${sorted.map(([id, json]) => `${JSON.stringify(id)}:${json}`).join(',')}}`)
}

async function startJob(ask: Ask, services: RestServices): Promise<Reply> {
  if (!isJson(ask.request)) return errorReply(415, 'Content-Type has to be application/json.')
  const started = await start(parseJobRequest(await ask.body()), ask.client, services)
  if (started.kind === 'busy') throw busy()
  return { status: started.kind === 'begun' ? 200 : 405, json: started.json }
}

/** All jobs are read before the first one is begun. */
async function startBatch(ask: Ask, services: RestServices): Promise<Reply> {
  const requests = readBatch(await ask.body())
  if (!Array.isArray(requests)) return errorReply(400, requests.error)
  const results: string[] = []
  for (const request of requests) {
    const started = await start(request, ask.client, services)
    results.push(
      started.kind === 'busy' ? renderRefusal({ error: busy().message, params: {} }) : started.json,
    )
  }
  return ok(`[${results.join(',')}]`)
}

function readBatch(body: string): JobRequest[] | { readonly error: string } {
  try {
    return parseBatch(body) ?? { error: 'Expected a list' }
  } catch (error) {
    // Two blanks, as the reference node has it.
    return { error: `Could not enqueue job:  ${toFlockError(error).message}` }
  }
}

type Started =
  | { readonly kind: 'begun' | 'refused'; /** What the client is told. */ readonly json: string }
  | { readonly kind: 'busy' }

async function start(job: JobRequest, client: string, services: RestServices): Promise<Started> {
  if (job.kind === 'delegated') {
    const refusal = await services.intake.accept(job.request)
    return refusal === null ? { kind: 'begun', json: '{}' } : refused(refusal)
  }
  const verdict = services.guard(job.request, client)
  if ('refusal' in verdict) return refused(verdict.refusal)
  const { dataJson, requiresProof } = job.request
  const id = services.jobs.start({ client, containers: verdict.containers, dataJson, requiresProof })
  return id === null ? { kind: 'busy' } : { kind: 'begun', json: JSON.stringify({ id }) }
}

function refused(refusal: GuardRefusal): Started {
  return { kind: 'refused', json: renderRefusal(refusal) }
}

async function streamJob(ask: Ask, { guard, jobs }: RestServices): Promise<Reply | null> {
  if (!isJson(ask.request)) return errorReply(415, 'Content-Type has to be application/json.')
  const job = parseJobRequest(await ask.body())
  if (job.kind === 'delegated') return errorReply(405, 'Streaming only supported for OffchainJob requests.')
  const verdict = guard(job.request, ask.client)
  if ('refusal' in verdict) return { status: 405, json: renderRefusal(verdict.refusal) }
  const { dataJson, requiresProof } = job.request
  const { containers } = verdict
  const done = jobs.stream(
    { client: ask.client, containers, dataJson, requiresProof },
    createStreamWriter(ask.response),
  )
  if (done === null) throw busy()
  await done
  ask.response.end()
  return null
}

/** Completed ones come first when results are asked for, and last in the list of ids, as the reference node has it. */
function findJobs({ client, query }: Ask, { store }: RestServices): Reply {
  const ids = query.getAll('id')
  if (ids.length === 0) {
    const pending = query.get('pending')
    const found = [
      ...(pending === 'false' ? [] : store.ids(client, 'pending')),
      ...(pending === 'true' ? [] : store.ids(client, 'completed')),
    ]
    return ok(JSON.stringify(found))
  }
  const jobs = [...new Set(ids)].flatMap((id) => store.get(client, id) ?? [])
  const isIntermediate = query.get('intermediate') === 'true'
  const ordered = [
    ...jobs.filter(({ status }) => status !== 'running'),
    ...jobs.filter(({ status }) => status === 'running'),
  ]
  return ok(`[${ordered.map((job) => renderJob(job, isIntermediate)).join(',')}]`)
}

async function storeStatus({ client, body }: Ask, { store }: RestServices): Promise<Reply> {
  const fault = errorReply(400, 'Could not store job status')
  const value = parseObject(await body())
  if (value === null) return fault
  const { id, status, containers } = value
  if (typeof status !== 'string' || !STATUSES.includes(status)) return errorReply(400, 'Status is invalid')
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID_CHARS || !Array.isArray(containers))
    return fault
  // A job of this node ends as this node says.
  return store.report(client, id, status as JobStatus)
    ? ok('null')
    : errorReply(409, 'Could not store job status')
}

function renderJob({ id, status, resultJson, earlierJson }: StoredJob, isIntermediate: boolean): string {
  const intermediate = isIntermediate ? `"intermediate_results":${earlierJson},` : ''
  return `{"id":${JSON.stringify(id)},${intermediate}"result":${resultJson},"status":"${status}"}`
}

function renderRefusal({ error, params }: GuardRefusal): string {
  return sortJson(JSON.stringify({ error, params }))
}

function ok(json: string): Reply {
  return { status: 200, json }
}

function isJson({ headers }: IncomingMessage): boolean {
  return /^application\/(?:[^;\s]*\+)?json\s*(?:;|$)/i.test(headers['content-type'] ?? '')
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : null
  } catch {
    return null
  }
}
