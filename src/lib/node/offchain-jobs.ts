/** Runs the jobs of REST clients on containers, and keeps their results. */
import { randomUUID } from 'node:crypto'
import { toFlockError } from '../errors.js'
import { DESTINATION, SOURCE } from '../infernet/payload.js'
import type { NodeContainer } from '../infernet/node-config.js'
import { sortJson } from '../json-text.js'
import type { ContainerClient } from './container-client.js'
import { stoppedJob, type StoredJob } from './offchain-memory.js'
import type { OffchainStore } from './offchain-store.js'
import { createLimiter } from './patience.js'
import { runContainers, type ContainerFault } from './run.js'

/** A job that the guard let in. */
export interface OffchainJob {
  /** Address of the client; only from there the result can be seen. */
  readonly client: string
  readonly containers: readonly NodeContainer[]
  /** JSON text of an object. */
  readonly dataJson: string
  readonly requiresProof: boolean
}

export interface OffchainJobs {
  /** Begins a job and returns its id; null when the node has as much to do as it takes. */
  start(job: OffchainJob): string | null
  /**
   * Begins a job of which the first container's answer goes to the client as it comes. The id is the first thing that
   * `write` gets. Null as above.
   */
  stream(job: OffchainJob, write: StreamWriter): Promise<void> | null
  /** Ends all jobs, as failed, and settles when the last one has let go. */
  close(): Promise<void>
}

/** Takes bytes for the client and settles when it has room for more; rejects once it is gone. */
export type StreamWriter = (bytes: string | Buffer) => Promise<void>

export interface OffchainJobsOptions {
  readonly client: ContainerClient
  /** Base URL of a container, without a slash at its end. */
  readonly urlOf: (container: NodeContainer) => string
  readonly store: OffchainStore
}

/** The reference node's limit for a whole stream. */
const STREAM_TIMEOUT_MS = 60_000
/** Jobs that run at a time; those beyond wait for their turn. */
const MAX_RUNNING = 256
/** Of all jobs under way, as characters of what their containers were given. */
const MAX_DATA_CHARS = 128 * 1024 * 1024
/** What a job takes besides its data. */
const JOB_CHARS = 1_024
/** Of what a container says instead of an answer. */
const MAX_ERROR_CHARS = 4_096
/** Answers of containers that were followed by another one; more than this is left out. */
const MAX_EARLIER_CHARS = 16 * 1024 * 1024

export function createOffchainJobs({ client, urlOf, store }: OffchainJobsOptions): OffchainJobs {
  const stopping = new AbortController()
  const underWay = new Set<Promise<void>>()
  const limit = createLimiter(MAX_RUNNING)
  let chars = 0

  /** Runs `work` as a job of its own and stores what comes of it. */
  function begin(job: OffchainJob, work: (id: string) => Promise<StoredJob>): Begun | null {
    const cost = job.dataJson.length + JOB_CHARS
    const id = randomUUID()
    if (stopping.signal.aborted || chars + cost > MAX_DATA_CHARS || !store.begin(job.client, id)) return null
    chars += cost
    const done = limit(() => work(id))
      .catch((error: unknown) =>
        stopping.signal.aborted ? stoppedJob(id) : failed(id, '', toFlockError(error).message),
      )
      .then((ended) => {
        store.end(job.client, ended)
        chars -= cost
        underWay.delete(done)
      })
    underWay.add(done)
    return { id, done }
  }

  async function run(id: string, { containers, dataJson, requiresProof }: OffchainJob): Promise<StoredJob> {
    const earlier: string[] = []
    const task = { dataJson, destination: DESTINATION.offChain, requiresProof }
    const result = await runContainers(containers, task, {
      client,
      urlOf,
      signal: stopping.signal,
      onEarlier: (container, answer) => earlier.push(stage(container, 'output', sortJson(answer))),
    })
    const list = `[${earlier.join(',')}]`
    const earlierJson = list.length > MAX_EARLIER_CHARS ? '[]' : list
    if (!result.ok) return { ...failed(id, result.fault.container, errorText(result.fault)), earlierJson }
    const last = containers.at(-1)?.id ?? ''
    return {
      id,
      status: 'success',
      resultJson: stage(last, 'output', sortJson(result.outputJson)),
      earlierJson,
    }
  }

  async function runStream(id: string, { containers, dataJson }: OffchainJob, write: StreamWriter) {
    const [first] = containers
    if (first === undefined) return failed(id, '', 'No containers specified')
    // `requires_proof` is left out, as the reference node has it.
    const body = `{"source":${SOURCE.offChain},"destination":${DESTINATION.stream},"data":${dataJson}}`
    const chunks: Buffer[] = []
    try {
      await write(`${id}\n`)
      const answer = await client.stream(`${urlOf(first)}/service_output`, body, {
        bearer: first.bearer,
        signal: stopping.signal,
        timeoutMs: STREAM_TIMEOUT_MS,
      })
      const isFault = answer.status >= 400
      for await (const chunk of answer.chunks) {
        chunks.push(chunk)
        if (!isFault) await write(chunk)
      }
      const text = Buffer.concat(chunks).toString('utf8')
      if (isFault) return failed(id, first.id, cut(text) || `answered HTTP ${answer.status}`)
      const resultJson = stage(first.id, 'output', JSON.stringify({ output: text }))
      return { id, status: 'success' as const, resultJson, earlierJson: '[]' }
    } catch (error) {
      stopping.signal.throwIfAborted()
      return failed(id, first.id, toFlockError(error).message)
    }
  }

  return {
    start: (job) => begin(job, (id) => run(id, job))?.id ?? null,
    stream: (job, write) => begin(job, (id) => runStream(id, job, write))?.done ?? null,
    async close() {
      stopping.abort(new Error('The node is stopping.'))
      await Promise.all(underWay)
    },
  }
}

interface Begun {
  readonly id: string
  readonly done: Promise<void>
}

/** Keys in alphabetical order. */
function stage(container: string, kind: 'output' | 'error', json: string): string {
  return `{"container":${JSON.stringify(container)},"${kind}":${json}}`
}

function failed(id: string, container: string, error: string): StoredJob {
  const resultJson = stage(container, 'error', JSON.stringify(error))
  return { id, status: 'failed', resultJson, earlierJson: '[]' }
}

/**
 * What the client is told of a fault. The reference node takes the JSON of an error page for the answer of a job that
 * succeeded; here the job failed, and the page is what it failed with.
 */
function errorText({ said, message }: ContainerFault): string {
  return said === null || said === '' ? message : cut(said)
}

function cut(text: string): string {
  return text.slice(0, MAX_ERROR_CHARS)
}
