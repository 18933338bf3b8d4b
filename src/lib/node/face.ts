/** Opens the REST face with what stands behind it: guard, jobs and their results. */
import type { FlockError } from '../errors.js'
import type { NodeConfig, NodeContainer } from '../infernet/node-config.js'
import type { ContainerClient } from './container-client.js'
import type { DelegatedIntake } from './delegated-intake.js'
import { createOffchainGuard } from './offchain-guard.js'
import { createOffchainJobs } from './offchain-jobs.js'
import { openOffchainStore } from './offchain-store.js'
import { openRest, type RestFace, type RestOptions } from './rest.js'
import type { NodeStatus } from './rest-routes.js'

export interface FaceOptions {
  readonly config: NodeConfig
  readonly host: string
  readonly client: ContainerClient
  /** Base URL of a container, without a slash at its end. */
  readonly urlOf: (container: NodeContainer) => string
  readonly intake: DelegatedIntake
  /** Answers what is no route of the reference node, and says whether it did. */
  readonly own?: RestOptions['own']
  readonly status: () => Omit<NodeStatus, 'containers'>
  /** A file of this node alone; created when it does not exist. */
  readonly resultsPath: string
  readonly trustedProxies: readonly string[]
  readonly now: () => number
  readonly unixMs: () => number
  /** Called once when results can no longer be written. */
  readonly onResultsFault: (error: FlockError) => void
}

/** @throws STATE_CONFLICT, RECORD_INVALID, PATH_UNWRITABLE, PORT_IN_USE, PERMISSION_DENIED */
export async function openFace(options: FaceOptions): Promise<RestFace> {
  const { config, client, urlOf, unixMs } = options
  const { containers, server } = config
  const store = await openOffchainStore(options.resultsPath, { unixMs, onFault: options.onResultsFault })
  const jobs = createOffchainJobs({ client, urlOf, store })
  const release = async () => {
    await jobs.close()
    await store.close()
  }
  try {
    const { num_requests: numRequests, period: periodSec } = server.rate_limit
    const rest = await openRest({
      ...options,
      port: server.port,
      rateLimit: { numRequests, periodSec },
      status: () => ({ ...options.status(), containers }),
      guard: createOffchainGuard(containers),
      jobs,
      store,
    })
    return {
      port: rest.port,
      close: async () => {
        await rest.close()
        await release()
      },
    }
  } catch (error) {
    await release()
    throw error
  }
}

/** Results of REST clients lie beside the journal. */
export function resultsPathOf(journalPath: string): string {
  return `${journalPath.replace(/\.ndjson$/, '')}-results.ndjson`
}
