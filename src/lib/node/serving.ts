/** What the node does all day: follows the chain, keeps the subscriptions it serves, and begins their intervals. */
import type { Hex } from '../hex.js'
import type { NodeConfig } from '../infernet/node-config.js'
import { lastInterval, type Subscription } from '../infernet/subscription.js'
import { sleep } from '../retry.js'
import type { Answerer, AnswererOptions, IntervalOutcome, IntervalTask } from './answer.js'
import { createChainClock, isPast } from './chain-clock.js'
import { createContainerIndex } from './container-index.js'
import { fingerprintOf, type CoordinatorView, type Head } from './coordinator.js'
import { discoverSubscriptions, type DiscoveryEvent, type FoundSubscription } from './discover.js'
import type { CloseReason, DropReason, EventSink } from './events.js'
import { createJobs } from './jobs.js'
import { dropAfter, judgeSubscriptions } from './judge.js'
import type { Journal, JournalRecord, JournaledAnswer } from './journal.js'
import { askPatiently } from './patience.js'
import { createRecentDeliveries, type Delivered } from './recent-deliveries.js'
import { journaledIds, planRestore, readSubscriptionsById } from './restore.js'
import { createTracker, type Tracked } from './tracker.js'

export interface ServingOptions {
  readonly view: CoordinatorView
  readonly journal: Journal
  readonly config: NodeConfig
  /** Of the guard's rules; ids that were judged by others are judged again. */
  readonly rulesHash: Hex
  readonly emit: EventSink
  readonly now: () => number
  readonly signal: AbortSignal
  readonly pollMs: number
  readonly answererOf: (now: Pick<AnswererOptions, 'nowSec' | 'blockTag'>) => Answerer
  /** Waits for what was sent, as long as it sees fit. */
  readonly drain: (jobs: Promise<unknown>) => Promise<void>
}

export interface Serving {
  /** Works until the signal aborts. */
  work(): Promise<void>
  /** Intervals under way. */
  jobCount(): number
}

export function createServing(options: ServingOptions): Serving {
  const { view, journal, config, emit, signal } = options
  const tracker = createTracker()
  const index = createContainerIndex(config.containers)
  const clock = createChainClock(options.now)
  const jobs = createJobs(options.answererOf({ nowSec: () => clock.nowSec(), blockTag: () => latestBlock }))
  const deliveries = createRecentDeliveries()
  let latestBlock = 0
  let isCaughtUp = false
  /** True from a reorganisation until everything was found again. */
  let isSettling = false
  let cursorId = -1

  function see(latest: Head): void {
    latestBlock = latest.number
    clock.set(latest.timestampSec)
  }

  async function work(): Promise<void> {
    try {
      await restore()
      const lastId = firstUnknownId() - 1
      const { trail_head_blocks: trailBlocks, snapshot_sync: sync } = config.chain
      const discovery = { lastId, trailBlocks, batchSize: sync.batch_size, pollMs: options.pollMs, signal }
      for await (const event of discoverSubscriptions(view, discovery)) {
        await take(event)
        beginDue()
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
    const batchSize = config.chain.snapshot_sync.batch_size
    const ids = journaledIds(journal.state)
    const found = await patiently(() => readSubscriptionsById(ids, { view, head, batchSize }))
    const plan = planRestore(journal.state.answers.values(), { found, nowSec: clock.nowSec() })
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
    beginDue()
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
    const paymentAddress = config.chain.wallet?.payment_address ?? null
    const context = { view, head, nowSec: clock.nowSec(), paymentAddress, index, areOld: !isCaughtUp }
    const verdict = await patiently(() => judgeSubscriptions(unknown, context))
    for (const { id, reason, message } of verdict.refused) drop(id, reason, message)
    for (const { id, subscription, containers } of verdict.accepted) {
      const fingerprint = fingerprintOf(subscription)
      const isFresh = isCaughtUp && !isSettling
      track({
        id,
        subscription,
        fingerprint,
        containers,
        isFresh,
        handledInterval: 0,
        revision: 0,
        isVoid: false,
      })
    }
  }

  function track(tracked: Tracked): void {
    tracker.put(tracked)
    if (!journal.state.accepted.has(tracked.id)) record({ type: 'accepted', id: tracked.id })
    const { id, subscription, containers } = tracked
    const ids = containers.map((container) => container.id)
    emit({ type: 'subscriptionAccepted', id, owner: subscription.owner, containers: ids })
  }

  function drop(id: number, reason: DropReason, message: string): void {
    tracker.remove(id)
    if (journal.state.accepted.has(id)) record({ type: 'dropped', id })
    emit({ type: 'subscriptionDropped', id, reason, message })
  }

  /** Drops a subscription together with whatever is under way for it. */
  function giveUp({ id }: Tracked, reason: DropReason & CloseReason, message: string): void {
    jobs.end(id, reason, message)
    drop(id, reason, message)
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
        drop(id, isDone ? 'completed' : 'expired', isDone ? 'Subscription completed' : 'Subscription expired')
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

  function begin(task: Omit<IntervalTask, 'signal' | 'revision' | 'settled'>): void {
    const { id } = task
    jobs.begin(
      { ...task, revision: () => tracker.get(id)?.revision ?? 0, settled: () => untilSettled(signal) },
      (outcome) => finish(task, outcome),
    )
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
    const end = dropAfter(tracked.subscription, interval, outcome)
    if (end !== null) drop(id, end.reason, end.message)
  }

  function patiently<T>(ask: () => Promise<T>): Promise<T> {
    return askPatiently(ask, { emit, signal })
  }

  function firstUnknownId(): number {
    const { cursor } = journal.state
    const start = config.chain.snapshot_sync.starting_sub_id
    return (cursor?.rulesHash === options.rulesHash ? Math.max(start, cursor.lastId) : start) + 1
  }

  async function untilSettled(stop: AbortSignal): Promise<void> {
    while (isSettling) await sleep(options.pollMs, stop)
  }

  /** What the journal cannot write now it misses after a restart, which the chain then makes up for. */
  function record(entry: JournalRecord): void {
    journal.append(entry).catch(() => undefined)
  }

  return { work, jobCount: () => jobs.size }
}
