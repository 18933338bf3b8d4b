/** Jobs of REST clients and their results: in memory within bounds, and those that ended in a file beside the journal. */
import { FlockError, isFlockError, toFlockError } from '../errors.js'
import { jsonMembers } from '../json-text.js'
import { openLines, type LineFile } from './journal-file.js'
import {
  createOffchainMemory,
  type JobEntry,
  type JobRecord,
  type JobStatus,
  type OffchainMemory,
  type OffchainMemoryOptions,
  type StoredJob,
} from './offchain-memory.js'

export interface OffchainStore {
  /** Notes that a job began. False when too many are under way. */
  begin(client: string, id: string): boolean
  /** Notes the end of a job. */
  end(client: string, job: StoredJob): void
  /** What a container tells of work outside the node. False when the node itself runs or ran the job, or has no room. */
  report(client: string, id: string, status: JobStatus): boolean
  get(client: string, id: string): StoredJob | undefined
  /** Oldest first. */
  ids(client: string, which: 'pending' | 'completed'): string[]
  pendingCount(): number
  /** Settles when all that ended is on the disk. */
  close(): Promise<void>
}

export interface OffchainStoreOptions extends OffchainMemoryOptions {
  /** Called once when results can no longer be written; they then live in memory alone. */
  readonly onFault: (error: FlockError) => void
}

const COMPACT_BYTES = 16 * 1024 * 1024
const FORMAT = 'flock-node-results-1'
const HEADER = JSON.stringify({ format: FORMAT })
const NO_END = { resultJson: 'null', earlierJson: '[]' }

/**
 * Opens or creates the file. Jobs that were under way when the process died come back as failed.
 * @throws STATE_CONFLICT when another process holds it, RECORD_INVALID, PATH_UNWRITABLE
 */
export async function openOffchainStore(path: string, options: OffchainStoreOptions): Promise<OffchainStore> {
  const file = await openLines(path)
  try {
    const [header, ...lines] = await file.read()
    if (header !== undefined && header !== HEADER) throw foreign(path)
    const memory = createOffchainMemory(options)
    for (const line of lines) {
      const record = parseRecord(line)
      if (record !== null) memory.apply(record)
    }
    memory.failPending()
    await file.replace(() => [HEADER, ...memory.records().map(renderRecord)])
    return createStore(file, memory, options)
  } catch (error) {
    await file.close()
    throw error
  }
}

function createStore(file: LineFile, memory: OffchainMemory, options: OffchainStoreOptions): OffchainStore {
  let isBroken = false
  let isCompacting = false
  const write = async (line: string) => {
    if (isBroken) return
    try {
      await file.append(line)
      if (isCompacting || file.sizeBytes() <= COMPACT_BYTES + file.replacedBytes()) return
      isCompacting = true
      await file.replace(() => [HEADER, ...memory.records().map(renderRecord)])
      isCompacting = false
    } catch (error) {
      if (!isBroken) options.onFault(toFlockError(error))
      isBroken = true
    }
  }
  const record = (client: string, entry: JobEntry) => {
    memory.apply({ client, entry })
    void write(renderRecord({ client, entry }))
  }
  const entryOf = (id: string, status: JobStatus, isReported: boolean): JobEntry => ({
    ...NO_END,
    id,
    status,
    isReported,
    atMs: options.unixMs(),
  })
  return {
    begin(client, id) {
      if (!memory.hasRoom()) return false
      record(client, entryOf(id, 'running', false))
      return true
    },
    end: (client, job) => record(client, { ...job, atMs: options.unixMs(), isReported: false }),
    report(client, id, status) {
      const before = memory.get(client, id)
      if (before?.isReported === false) return false
      if (before === undefined && status === 'running' && !memory.hasRoom()) return false
      record(client, entryOf(id, status, true))
      return true
    },
    get: (client, id) => memory.get(client, id),
    ids: (client, which) => memory.ids(client, which),
    pendingCount: () => memory.pendingCount(),
    close: () => file.close(),
  }
}

/** Results go in as the texts they are, so that their numbers stay exact. */
function renderRecord({ client, entry }: JobRecord): string {
  const { resultJson, earlierJson, ...rest } = entry
  const head = JSON.stringify({ client, ...rest })
  return `${head.slice(0, -1)},"result":${resultJson},"earlier":${earlierJson}}`
}

/** Null for a line that is no record: one result that is lost must not keep the node from starting. */
function parseRecord(line: string): JobRecord | null {
  try {
    const { client, id, status, atMs, isReported } = JSON.parse(line) as Record<string, unknown>
    const members = jsonMembers(line)
    const [resultJson, earlierJson] = [members.get('result'), members.get('earlier')]
    if (typeof client !== 'string' || typeof id !== 'string' || typeof atMs !== 'number') return null
    if (status !== 'running' && status !== 'success' && status !== 'failed') return null
    if (resultJson === undefined || earlierJson === undefined) return null
    return { client, entry: { id, status, atMs, isReported: isReported === true, resultJson, earlierJson } }
  } catch (error) {
    if (isFlockError(error)) throw error
    return null
  }
}

function foreign(path: string): FlockError {
  return new FlockError(
    'RECORD_INVALID',
    `${path} does not hold results of a node: its format is not ${FORMAT}.`,
    {
      details: { path },
      hint: 'Move the file away to begin a new one.',
    },
  )
}
