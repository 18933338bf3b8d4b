/** Makes a plan from flags, records, journal and chain, and carries it out under the journal's lock. */
import { accessSync, constants, existsSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { infernetRegistryArtifact } from '../abi/infernet-registry.js'
import { readContract, requireCode } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import type { ChainSigner } from '../chain/signer.js'
import { FlockError, isFlockError, messageOf } from '../errors.js'
import { isAddress, sameAddress, type Address, type Hex } from '../hex.js'
import { applyDeploy, type DeployEvent } from './apply.js'
import type { WantedContract } from './contracts.js'
import { describeCore } from './join.js'
import {
  journalGenesis,
  journalHistory,
  journalPath,
  openJournal,
  readJournal,
  setAside,
  type JournalEntry,
} from './journal.js'
import { addressesInQuestion, planDeploy, type ChainFacts, type DeployPlan } from './plan.js'
import { quoteDeploy, readChainFacts, readGenesis, type DeployQuote } from './quote.js'
import { emptyRecord, withContracts, withoutContracts, type DeploymentRecord } from './record.js'

export interface PrepareOptions {
  readonly network: string
  readonly recordDir: string
  /** What is recorded on this chain, if anything. */
  readonly record: DeploymentRecord | null
  readonly wanted: readonly WantedContract[]
  /** Who pays. */
  readonly from: Address
  /** RewardDistributor of a core that others deployed, to be used where none is recorded; null for none. */
  readonly core: Address | null
  /** Plans as if nothing of what is wanted had been deployed before. */
  readonly restart: boolean
}

/** A plan with all that carrying it out needs. Preparing writes nothing. */
export interface PreparedDeploy {
  readonly plan: DeployPlan
  readonly quote: DeployQuote
  readonly record: DeploymentRecord
  readonly facts: ChainFacts
  readonly recordDir: string
  readonly restart: boolean
  readonly genesis: Hex | null
  /** Entries of the journal that the plan was made with. */
  readonly entries: readonly JournalEntry[]
  /** True for a journal of a local chain that is gone. */
  readonly isStale: boolean
}

export interface RunOptions {
  readonly chain: Chain
  readonly signer: ChainSigner
  readonly confirmations: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/**
 * Plans and checks everything that can be checked before the first transaction, save the balance.
 * @throws what `planDeploy` throws, CONTRACT_MISSING, TX_REVERTED, PATH_UNWRITABLE, RECORD_INVALID
 */
export async function prepareDeploy(chain: Chain, options: PrepareOptions): Promise<PreparedDeploy> {
  const { wanted, recordDir, restart, from } = options
  const genesis = await readGenesis(chain)
  // A journal that cannot be read is what --restart is for.
  const entries = restart ? [] : readJournal(journalPath(recordDir, chain.chainId))
  const isStale = genesis !== null && entries.length > 0 && journalGenesis(entries) !== genesis
  const history = journalHistory(isStale ? [] : entries)
  const recorded = await withCore(chain, options)
  const names = wanted.flatMap(({ name, creates }) => [name, ...creates.map((created) => created.name)])
  const record = restart ? withoutContracts(recorded, names) : recorded
  const facts = await readChainFacts(chain, addressesInQuestion(wanted, { record, history }))
  const plan = planDeploy(wanted, { record, history, facts })
  await requireSurroundings(chain, plan)
  if (plan.hasWork) requireWritable(recordDir)
  const quote = await quoteDeploy(chain, plan, from, { record, facts })
  return { plan, quote, record, facts, recordDir, restart, genesis, entries, isStale }
}

/**
 * Carries out a prepared plan.
 * @throws what `applyDeploy` throws, STATE_CONFLICT when another run deploys, or did since the plan was made
 */
export async function* runDeploy(
  prepared: PreparedDeploy,
  options: RunOptions,
): AsyncGenerator<DeployEvent, DeploymentRecord> {
  const { plan, quote, record, facts, recordDir, genesis } = prepared
  const { chainId } = options.chain
  const path = journalPath(recordDir, chainId)
  if (prepared.restart) setAside(recordDir, chainId)
  if (prepared.isStale) rmSync(path, { force: true })
  const journal = openJournal(path, { chainId, genesis })
  try {
    requireUnchanged(path, prepared)
    return yield* applyDeploy(plan, { ...options, quote, record, facts, recordDir, journal })
  } finally {
    journal.close()
  }
}

/** What is recorded, and the core that is joined where none is. */
async function withCore(
  chain: Chain,
  { record, network, core, wanted }: PrepareOptions,
): Promise<DeploymentRecord> {
  const recorded = record ?? emptyRecord(chain.chainId, network)
  const own = recorded.contracts.RewardDistributor?.address
  if (core === null || wanted.some(({ name }) => name === 'RewardDistributor')) return recorded
  if (own === undefined) return withContracts(recorded, await describeCore(chain, core))
  if (sameAddress(own, core)) return recorded
  throw new FlockError(
    'DEPLOYMENT_CHANGED',
    `The record names the RewardDistributor ${own}, the network ${core}.`,
    {
      details: { contract: 'RewardDistributor', recorded: own, wanted: core },
      hint: 'Move the deployment record away to begin anew with the other core.',
    },
  )
}

/** Opening begins a journal with one entry of its own. */
function requireUnchanged(path: string, { entries, restart, isStale }: PreparedDeploy): void {
  const planned = restart || isStale ? 0 : entries.length
  if (readJournal(path).length === Math.max(planned, 1)) return
  throw new FlockError('STATE_CONFLICT', 'Another deployment ran since this one was planned.', {
    details: { journal: path },
    hint: 'Run the command again: it plans with what is there now.',
  })
}

/** Looks at the contracts that the new ones rely on, so that a wrong address does not cost a deployment. */
async function requireSurroundings(chain: Chain, { steps }: DeployPlan): Promise<void> {
  for (const { wanted, action } of steps) {
    if (action === 'keep') continue
    // References lead to contracts of the plan itself or to recorded ones, which planning has looked at.
    const [first, second, third] = wanted.args.map((arg) => (isAddress(arg) ? arg : null))
    if (wanted.name === 'ModelHostConsumer' && first) await requireInfernet(chain, first)
    if (wanted.name === 'RewardDistributor') {
      if (second) await requireCode(chain, second, 'Payment token')
      if (third) await requireCode(chain, third, 'Stake token')
    }
  }
}

async function requireInfernet(chain: Chain, registry: Address): Promise<void> {
  await requireCode(chain, registry, "Infernet's Registry")
  let coordinator: Address
  try {
    coordinator = await readContract<Address>(chain, infernetRegistryArtifact, registry, 'COORDINATOR')
  } catch (error) {
    // A contract of another kind has no such getter, and refuses.
    if (!isFlockError(error) || error.kind !== 'rejected') throw error
    throw new FlockError('CONTRACT_MISSING', `The contract at ${registry} is no Infernet Registry.`, {
      cause: error,
      details: { address: registry, chainId: chain.chainId },
      hint: 'Check infernetRegistry of the network in flock.yaml.',
    })
  }
  await requireCode(chain, coordinator, "Infernet's Coordinator")
}

/** @throws PATH_UNWRITABLE when the folder, or the nearest one above that exists, cannot be written */
function requireWritable(recordDir: string): void {
  let folder = resolve(recordDir)
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  try {
    accessSync(folder, constants.W_OK)
  } catch (error) {
    throw new FlockError('PATH_UNWRITABLE', `${folder} cannot be written: ${messageOf(error)}.`, {
      cause: error,
      details: { folder },
    })
  }
}
