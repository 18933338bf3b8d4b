/** The built-in Infernet node: discovery -> guard -> run -> deliver, with a journal and a REST face. */
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { walletArtifact } from '../abi/wallet.js'
import { createOutbox } from '../chain/outbox.js'
import { FlockError } from '../errors.js'
import { ZERO_ADDRESS, type Address } from '../hex.js'
import { REPLACE_AFTER_BLOCKS, type NodeConfig, type NodeContainer } from '../infernet/node-config.js'
import { backoffMs } from '../retry.js'
import { createAnswerer, type RetryPolicy } from './answer.js'
import { createContainerClient } from './container-client.js'
import { containerUrls } from './container-urls.js'
import { openCoordinator, type CoordinatorView } from './coordinator.js'
import { createBonds } from './bonds.js'
import { createDelegated } from './delegated.js'
import { createDeliverer } from './deliver.js'
import { encodeDelegated, encodeDeliverCompute } from './delivery-call.js'
import { createEventQueue, type EventSink, type NodeEvent } from './events.js'
import { createFunding } from './funding.js'
import { openFace, resultsPathOf } from './face.js'
import { hashRules } from './guard-rules.js'
import { parseIpRanges } from './ip-rules.js'
import { openJournal, type Journal } from './journal.js'
import type { InfernetNode, InfernetNodeOptions } from './node-options.js'
import { createNodeStatus } from './node-status.js'
import { createLimiter } from './patience.js'
import { CONTAINER_TIMEOUT_MS } from './run.js'
import { sendCall } from './send-call.js'
import { createServing } from './serving.js'
import { openWallets } from './wallets.js'

const POLL_MS = 150
const DRAIN_MS = 30_000
/** Deposits into a wallet emit no event. */
const FUNDS_RECHECK_MS = 15_000
/** Answers go on chain, where a tenth of this is too much; what containers hand to each other may be larger. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** Container runs at a time. */
const MAX_RUNS = 64
/** Rounds of calls to the RPC endpoint at a time, for intervals that begin. */
const MAX_READS = 16
/** Simulations and transactions on their way to the endpoint at a time. */
const MAX_SENDS = 32
/** The node is told of each block; this is for the case that it is not. */
const QUIET_MS = 15_000
const MAX_PAUSE_MS = 30_000
/** Container faults are met with pauses of 1, 2, 4, 8 and 16 s, enough for a container to be restarted. */
const RETRY: RetryPolicy = { attempts: 6, delayMs: 1_000 }

/**
 * Prepares a node: finds the contracts, opens the journal, listens.
 * @throws USAGE_INVALID, NODE_CONFIG_INVALID, CONTRACT_MISSING, RPC_UNREACHABLE, STATE_CONFLICT, PORT_IN_USE and others
 */
export async function createInfernetNode(options: InfernetNodeOptions): Promise<InfernetNode> {
  const { chain, signer, config, now } = options
  const trustedProxies = parseIpRanges(options.trustedProxies ?? [])
  const view = await openCoordinator(chain, registryOf(config))
  const urls = containerUrls(config.containers, {
    host: options.containerHost ?? 'localhost',
    overrides: options.containers ?? {},
  })
  const journal = await openOwnJournal(options, view)
  const identity = {
    address: signer.address,
    chainId: chain.chainId,
    coordinator: view.coordinator,
    containers: config.containers.map(({ id }) => id),
  }
  const status = createNodeStatus({
    chain,
    node: identity,
    wallet: config.chain.wallet?.payment_address ?? null,
    journal: journal.state,
    underWay: () => serving.jobCount(),
    isOpen: options.isStatusOpen === true,
    now,
    unixMs: options.unixMs ?? now,
  })
  const managed = await options
    .startContainers?.((event) => status.see(event))
    .catch(async (error: unknown) => {
      await journal.close()
      throw error
    })
  const stopping = new AbortController()
  const hardStop = new AbortController()
  const signals = [stopping.signal, ...(options.signal === undefined ? [] : [options.signal])]
  const client = createContainerClient({ timeoutMs: CONTAINER_TIMEOUT_MS, maxBodyBytes: MAX_ANSWER_BYTES })
  const queue = createEventQueue<NodeEvent>()
  const emit: EventSink = (event) => {
    status.see(event)
    queue.push(event)
  }
  const retry = options.retry ?? RETRY
  const wallet = config.chain.wallet
  const outbox = createOutbox({
    chain,
    signer,
    policy: {
      maxFeePerGas: wallet?.max_fee_per_gas ?? null,
      maxPriorityFeePerGas: wallet?.priority_fee_per_gas ?? null,
    },
    reserved: [...journal.state.answers.values()].flatMap(({ signed }) => signed?.nonce ?? []),
    replaceAfterBlocks: wallet?.replace_after_blocks ?? REPLACE_AFTER_BLOCKS,
    onFault: ({ code, message }, attempt) => {
      const retryInMs = Math.round(backoffMs(attempt, { delayMs: retry.delayMs, maxDelayMs: MAX_PAUSE_MS }))
      emit({ type: 'rpcFailed', code, message, retryInMs })
      return retryInMs
    },
    limit: createLimiter(MAX_SENDS),
    quietMs: QUIET_MS,
    stop: hardStop.signal,
  })
  const maxGasLimit = BigInt(wallet?.max_gas_limit ?? 5_000_000)
  const paymentAddress = config.chain.wallet?.payment_address ?? null
  const nodeWallet = paymentAddress ?? ZERO_ADDRESS
  const wallets = await openWallets(chain, registryOf(config), { node: signer.address, nodeWallet })
  const funding = createFunding({ wallets, emit, recheckMs: options.fundsRecheckMs ?? FUNDS_RECHECK_MS })
  const delegated = createDelegated({ chain, view, journal })
  const bonds = createBonds({
    chain,
    coordinator: view.coordinator,
    node: signer.address,
    nodeWallet,
    wallets,
    journal,
    emit,
    send: (call) =>
      sendCall(outbox, call, {
        maxGasLimit,
        revertInterfaces: [walletArtifact, eip712CoordinatorArtifact],
        stop: hardStop.signal,
      }),
    finalizesExpired: config.chain.wallet?.finalize_expired_proofs ?? false,
    retryDelayMs: retry.delayMs,
    idOnChain: (id) => delegated.idOnChain(id),
  })
  const urlOf = ({ id }: NodeContainer) => managed?.urls[id] ?? urls.get(id) ?? ''
  const deliverer = createDeliverer({
    outbox,
    encode: encodeDelegated(encodeDeliverCompute(view.coordinator, nodeWallet), {
      coordinator: view.coordinator,
      nodeWallet,
      requestOf: (id) => delegated.requestOf(id),
    }),
    maxGasLimit,
    minProfitWei: wallet?.min_profit ?? null,
    pollMs: chain.pollIntervalMs,
    journal,
    emit,
    retryDelayMs: retry.delayMs,
    stop: hardStop.signal,
  })
  const serving = createServing({
    view,
    funding,
    bonds,
    delegated,
    journal,
    config,
    node: signer.address,
    rulesHash: hashRules(config),
    emit,
    now,
    signal: AbortSignal.any(signals),
    pollMs: options.pollMs ?? Math.min(POLL_MS, config.chain.snapshot_sync.sync_period * 1000),
    onHead: (latest) => outbox.see(latest),
    answererOf: (chainNow) =>
      createAnswerer({
        ...chainNow,
        view,
        journal,
        deliverer,
        funding,
        bonds,
        idOnChain: (id) => delegated.idOnChain(id),
        client,
        urlOf,
        node: signer.address,
        retry,
        now,
        emit,
        limitReads: createLimiter(MAX_READS),
        limitRuns: createLimiter(MAX_RUNS),
      }),
    drain: async (jobs) => {
      outbox.lookAlone()
      const timer = setTimeout(() => hardStop.abort(), options.drainMs ?? DRAIN_MS)
      await jobs
      clearTimeout(timer)
    },
  })
  const release = async () => {
    client.close()
    await managed?.close()
    await journal.close()
  }
  const rest = await openFace({
    config,
    host: options.restHost ?? '0.0.0.0',
    own: (request, response) => status.handle(request, response),
    client,
    urlOf,
    intake: serving.intake,
    status: () => ({
      address: signer.address,
      isChainEnabled: true,
      pendingOnChain: serving.jobCount(),
    }),
    resultsPath: resultsPathOf(options.journalPath),
    trustedProxies,
    now,
    unixMs: options.unixMs ?? now,
    onResultsFault: ({ code, message }) => emit({ type: 'resultsNotKept', code, message }),
  }).catch(async (error: unknown) => {
    await release()
    throw error
  })

  let working: Promise<void> | null = null
  let closing: Promise<void> | null = null
  const close = () => {
    closing ??= (async () => {
      stopping.abort()
      await working?.catch(() => undefined)
      await rest.close()
      await release()
    })()
    return closing
  }
  const about = { ...identity, port: rest.port }
  return {
    about,
    intake: serving.intake,
    close,
    async *run() {
      if (working !== null) throw new FlockError('INTERNAL', 'A node runs once.')
      emit({ type: 'started', ...about })
      if (journal.setAside !== null) emit({ type: 'journalSetAside', ...journal.setAside })
      working = serving.work().then(
        () => {
          emit({ type: 'stopped' })
          queue.end()
        },
        (error: unknown) => queue.end(error),
      )
      try {
        yield* queue
      } finally {
        stopping.abort()
        await working
      }
    },
  }
}

function registryOf(config: NodeConfig): Address {
  const { enabled, registry_address } = config.chain
  if (enabled && registry_address !== null) return registry_address
  throw new FlockError(
    'NODE_CONFIG_INVALID',
    enabled
      ? 'chain.registry_address: found nothing, allowed the address of an Infernet Registry'
      : 'chain.enabled: found false, allowed true, as this node answers requests of the chain',
  )
}

async function openOwnJournal(options: InfernetNodeOptions, view: CoordinatorView): Promise<Journal> {
  const { chain, signer, journalPath } = options
  const genesis = await view.readHead(0)
  return openJournal(journalPath, {
    chainId: chain.chainId,
    genesisHash: genesis?.hash ?? '0x',
    coordinator: view.coordinator,
    node: signer.address,
  })
}
