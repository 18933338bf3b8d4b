/** What the node does all day: follows the chain, keeps the subscriptions it serves, and begins their intervals. */
import { sameAddress, type Address, type Hex } from '../hex.js'
import type { NodeConfig } from '../infernet/node-config.js'
import { intervalAt, lastInterval, type Subscription } from '../infernet/subscription.js'
import { sleep } from '../retry.js'
import type { Answerer, AnswererOptions } from './answer.js'
import type { Bonds } from './bonds.js'
import { createChainClock, isPast } from './chain-clock.js'
import { createContainerIndex } from './container-index.js'
import { fingerprintOf, type CoordinatorView, type Head, type IntervalKey } from './coordinator.js'
import type { Delegated } from './delegated.js'
import type { DelegatedIntake } from './delegated-intake.js'
import { discoverSubscriptions, type DiscoveryEvent, type FoundSubscription } from './discover.js'
import type { CloseReason, DropReason, EventSink } from './events.js'
import type { Funding } from './funding.js'
import type { IntervalOutcome, IntervalTask } from './interval-task.js'
import { createJobs } from './jobs.js'
import { dropAfter, judgeSubscriptions } from './judge.js'
import { keyOf, type Journal, type JournalRecord, type JournaledAnswer } from './journal.js'
import { askPatiently } from './patience.js'
import { createRecentDeliveries, type Delivered } from './recent-deliveries.js'
import { lastJudgedId, planRestore, readJournaled } from './restore.js'
import { createRoster } from './roster.js'
import { createTracker, type Tracked } from './tracker.js'

export interface ServingOptions {
  readonly view: CoordinatorView
  readonly funding: Funding
  readonly bonds: Pick<Bonds, 'look'>
  readonly delegated: Delegated
  readonly journal: Journal
  readonly config: NodeConfig
  /** Account that delivers. */
  readonly node: Address
  /** Of the guard's rules; ids that were judged by others are judged again. */
  readonly rulesHash: Hex
  readonly emit: EventSink
  readonly now: () => number
  readonly signal: AbortSignal
  readonly pollMs: number
  /** Told of each latest block. */
  readonly onHead: (latest: Head) => void
  readonly answererOf: (now: Pick<AnswererOptions, 'nowSec' | 'blockTag'>) => Answerer
  /** Waits for what was sent, as long as it sees fit. */
  readonly drain: (jobs: Promise<unknown>) => Promise<void>
}

export interface Serving {
  /** Takes delegated subscriptions. */
  readonly intake: DelegatedIntake
  /** Works until the signal aborts. */
  work(): Promise<void>
  /** Intervals under way. */
  jobCount(): number
}

export function createServing(options: ServingOptions): Serving {
  const { view, journal, config, emit, signal, delegated } = options
  const tracker = createTracker()
  const index = createContainerIndex(config.containers)
  const clock = createChainClock(options.now)
  const jobs = createJobs(options.answererOf({ nowSec: () => clock.nowSec(), blockTag: () => latestBlock }))
  const roster = createRoster({ tracker, journal, index, emit, record })
  const deliveries = createRecentDeliveries()
  let latestBlock = 0
  let isCaughtUp = false
  /** True from a reorganisation until everything was found again. */
  let isSettling = false
  let cursorId = -1

  function see(latest: Head): void {
    latestBlock = latest.number
    options.onHead(latest)
    clock.set(latest.timestampSec)
  }

  async function work(): Promise<void> {
    try {
      await restore()
      const lastId = lastJudgedId(journal.state, { config, rulesHash: options.rulesHash })
      const { trail_head_blocks: trailBlocks, snapshot_sync: sync } = config.chain
      const discovery = discoverSubscriptions(view, {
        lastId,
        floorId: sync.starting_sub_id,
        trailBlocks,
        batchSize: sync.batch_size,
        pollMs: options.pollMs,
        signal,
        now: options.now,
        wantsEvents: () => jobs.keys().some(isUnsigned),
      })
      for await (const event of discovery) {
        await take(event)
        beginDue()
        void options.bonds.look({ sec: clock.nowSec(), block: latestBlock })
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      await options.drain(jobs.stop())
    }
  }

  async function take(event: DiscoveryEvent): Promise<void> {
    switch (event.type) {
      case 'found':
        see(event.latest)
        return judge(event.subscriptions, event.head)
      case 'head':
        see(event.latest)
        return settle(event.head, event.lastId)
      case 'reorged':
        return revise(event)
      case 'fulfilled':
        return patiently(() => loseRace(event))
      case 'cancelled': {
        const tracked = tracker.get(event.id)
        if (tracked !== undefined) giveUp(tracked, 'cancelled', 'The subscription was cancelled.')
        return
      }
      case 'unreadable':
        return emit({
          type: 'subscriptionDropped',
          id: event.id,
          reason: 'unreadable',
          message: event.error.message,
        })
      case 'fault': {
        const { code, message } = event.error
        return emit({ type: 'rpcFailed', code, message, retryInMs: event.retryInMs })
      }
      case 'idle':
        return
    }
  }

  /** Takes up what the journal holds: answers under way, and subscriptions that were accepted. */
  async function restore(): Promise<void> {
    const head = await patiently(() => view.readHead('latest'))
    if (head === null) return
    see(head)
    const { batch_size: batchSize } = config.chain.snapshot_sync
    const found = await patiently(() => readJournaled(journal.state, { view, head, batchSize }))
    const plan = planRestore(journal.state, { found, nowSec: clock.nowSec() })
    for (const { answer, subscription } of plan.resume) seeThrough(answer, subscription)
    for (const { answer, reason } of plan.close) {
      const { id, interval } = answer
      record({ type: 'closed', id, interval, reason })
      emit({ type: 'intervalClosed', id, interval, reason, message: 'It ended while the node was away.' })
    }
    const accepted = new Set(journal.state.accepted)
    await judge(
      found.filter(({ id }) => accepted.has(id)),
      head,
    )
    for (const work of journal.state.delegated.values()) if (!work.isDone) roster.takeDelegated(work)
    beginDue()
  }

  function guardContext() {
    const paymentAddress = config.chain.wallet?.payment_address ?? null
    const findContainers = (containerId: Hex) => index.find(containerId)
    return { nowSec: clock.nowSec(), responses: null, paymentAddress, findContainers }
  }

  /** Goes on with an answer that was signed, also when nobody asks for it any more: it may be on its way. */
  function seeThrough(answer: JournaledAnswer, subscription: Subscription | null): void {
    const { id, interval, fingerprint } = answer
    begin({
      id,
      interval,
      fingerprint,
      subscription,
      containers: [],
      isFresh: false,
      isOver: () => subscription === null || isPast(subscription, interval, clock.nowSec()),
    })
  }

  async function judge(found: readonly FoundSubscription[], head: Head): Promise<void> {
    const unknown: FoundSubscription[] = []
    for (const { id, subscription } of found) {
      const before = tracker.get(id)
      if (before !== undefined && fingerprintOf(subscription) === before.fingerprint) {
        tracker.put({ ...before, isVoid: false, revision: before.revision + 1 })
        continue
      }
      if (before !== undefined) giveUp(before, 'reorged', 'Another subscription took its place on the chain.')
      unknown.push({ id, subscription })
    }
    const context = { view, funding: options.funding, head, areOld: !isCaughtUp, ...guardContext() }
    const verdict = await patiently(() => judgeSubscriptions(unknown, context))
    for (const { id, reason, message } of verdict.refused) roster.drop(id, reason, message)
    for (const { containers, ...one } of verdict.accepted) {
      // This node may have brought a delegated one on chain, with an answer.
      const isOurs = delegated.isKnown(fingerprintOf(one.subscription))
      roster.take(one, containers, isCaughtUp && !isSettling && !isOurs)
    }
  }

  /** Drops a subscription together with whatever is under way for it. */
  function giveUp({ id }: Tracked, reason: DropReason & CloseReason, message: string): void {
    jobs.end(id, reason, message)
    roster.drop(id, reason, message)
  }

  async function settle(head: Head, lastId: number): Promise<void> {
    if (isSettling) {
      isSettling = false
      for (const tracked of [...tracker.values()]) {
        if (tracked.isVoid) giveUp(tracked, 'reorged', 'The block that created it was replaced.')
      }
    }
    redeliver(await patiently(() => deliveries.takeStrayed(head, view)))
    if (!isCaughtUp) emit({ type: 'synced', blockNumber: head.number, lastId, tracked: tracker.size })
    isCaughtUp = true
    if (lastId !== cursorId) record({ type: 'cursor', lastId, rulesHash: options.rulesHash })
    cursorId = lastId
  }

  /** Another node delivered: when that was the last answer wanted, ours would cost its gas for nothing. */
  async function loseRace(event: Extract<DiscoveryEvent, { type: 'fulfilled' }>): Promise<void> {
    const { id, node, head, fromSec, toSec } = event
    const subscription = tracker.get(id)?.subscription
    if (subscription === undefined || sameAddress(node, options.node)) return
    const key = { id, interval: intervalAt(subscription, toSec) }
    if (key.interval !== intervalAt(subscription, fromSec) || !jobs.has(key) || !isUnsigned(key)) return
    const { redundancy } = subscription
    if (redundancy > 1 && (await view.readResponses(key, head.number)) < redundancy) return
    jobs.end(id, 'raceLost', 'Other nodes delivered before this one.')
  }

  function isUnsigned(key: IntervalKey): boolean {
    return !journal.state.answers.get(keyOf(key))?.signed
  }

  /** Blocks were replaced: what they created is void until found again, what they delivered is seen through again. */
  function revise({ block, from, lastId }: Extract<DiscoveryEvent, { type: 'reorged' }>): void {
    emit({ type: 'reorged', fromBlock: from.number, toBlock: block })
    isSettling = true
    for (const tracked of [...tracker.values()]) {
      if (tracked.id > lastId) tracker.put({ ...tracked, isVoid: true })
    }
    redeliver(deliveries.takeAbove(block))
  }

  function redeliver(undone: readonly Delivered[]): void {
    for (const { answer, subscription } of undone) {
      const { signed, ...computed } = answer
      if (signed === null || jobs.has(answer)) continue
      record({ type: 'computed', ...computed })
      record({ type: 'signed', id: answer.id, interval: answer.interval, ...signed })
      seeThrough(answer, subscription)
    }
  }

  function beginDue(): void {
    if (signal.aborted) return
    for (const due of tracker.takeDue(clock.nowSec())) {
      const { id, subscription, handledInterval } = due.tracked
      const last = lastInterval(subscription)
      const exceptInterval = due.type === 'begin' ? due.interval : -1
      jobs.end(id, 'tooLate', 'The interval ended before it was answered.', { exceptInterval })
      if (due.type === 'expired') {
        const isDone = handledInterval === last
        roster.drop(
          id,
          isDone ? 'completed' : 'expired',
          isDone ? 'Subscription completed' : 'Subscription expired',
        )
        continue
      }
      const { interval, missedFrom } = due
      if (missedFrom !== null)
        emit({ type: 'intervalsMissed', id, fromInterval: missedFrom, toInterval: interval - 1 })
      begin({
        id,
        interval,
        subscription,
        fingerprint: due.tracked.fingerprint,
        containers: due.tracked.containers,
        // A recurring one may have been cancelled since it was found.
        isFresh: due.tracked.isFresh && subscription.period === 0,
        isOver: () => isPast(subscription, interval, clock.nowSec()),
      })
    }
  }

  function begin(task: Omit<IntervalTask, 'signal' | 'revision' | 'settled' | 'request' | 'alone'>): void {
    const { id, fingerprint } = task
    jobs.begin(
      {
        ...task,
        request: journal.state.delegated.get(id)?.request ?? null,
        // Of a subscription that came over REST and was found on chain as well, the latter waits.
        alone: () =>
          id > 0 && delegated.isKnown(fingerprint)
            ? jobs.done(isDelegatedTwin(fingerprint))
            : Promise.resolve(),
        revision: () => tracker.get(id)?.revision ?? 0,
        settled: () => untilSettled(signal),
      },
      (outcome) => finish(task, outcome),
    )
  }

  function isDelegatedTwin(fingerprint: Hex) {
    return ({ id }: IntervalKey) => id < 0 && tracker.get(id)?.fingerprint === fingerprint
  }

  function finish(
    { id, interval, subscription }: Pick<IntervalTask, 'id' | 'interval' | 'subscription'>,
    outcome: IntervalOutcome,
  ): void {
    if (outcome.kind === 'delivered') {
      const { answer, txHash, blockNumber, blockHash, gasUsed } = outcome
      if (subscription !== null) deliveries.add({ answer, subscription, blockNumber, blockHash })
      emit({ type: 'delivered', id, interval, txHash, blockNumber, gasUsed })
    } else emit({ type: 'intervalClosed', id, interval, reason: outcome.reason, message: outcome.message })
    const tracked = tracker.get(id)
    if (tracked === undefined || tracked.handledInterval !== interval) return
    const end = dropAfter(tracked.subscription, interval, outcome, id < 0)
    if (end !== null) roster.drop(id, end.reason, end.message)
  }

  function patiently<T>(ask: () => Promise<T>): Promise<T> {
    return askPatiently(ask, { emit, signal })
  }

  async function untilSettled(stop: AbortSignal): Promise<void> {
    while (isSettling) await sleep(options.pollMs, stop)
  }

  /** What the journal cannot write now it misses after a restart, which the chain then makes up for. */
  function record(entry: JournalRecord): void {
    journal.append(entry).catch(() => undefined)
  }

  const intake: DelegatedIntake = {
    accept: (request) =>
      delegated.accept(request, {
        context: guardContext,
        begin: (work) => {
          roster.takeDelegated(work)
          beginDue()
        },
      }),
  }
  return { intake, work, jobCount: () => jobs.size }
}
