import { describe, expect, it } from '@jest/globals'
import { ZERO_ADDRESS, ZERO_BYTES32 } from '../../../src/lib/hex.js'
import type { Subscription } from '../../../src/lib/infernet/subscription.js'
import { createTracker, type Tracked } from '../../../src/lib/node/tracker.js'

const START = 1_700_000_000

function tracked(changes: Partial<Subscription> = {}, own: Partial<Tracked> = {}): Tracked {
  return {
    id: 1,
    subscription: {
      owner: '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e',
      activeAt: START,
      period: 60,
      frequency: 3,
      redundancy: 1,
      containerId: ZERO_BYTES32,
      lazy: false,
      verifier: ZERO_ADDRESS,
      paymentAmount: 0n,
      paymentToken: ZERO_ADDRESS,
      wallet: ZERO_ADDRESS,
      ...changes,
    },
    fingerprint: ZERO_BYTES32,
    containers: [],
    isFresh: true,
    handledInterval: 0,
    revision: 0,
    isVoid: false,
    ...own,
  }
}

function dueAt(tracker: ReturnType<typeof createTracker>, nowSec: number) {
  return tracker
    .takeDue(nowSec)
    .map((due) => (due.type === 'begin' ? [due.interval, due.missedFrom] : due.type))
}

describe('createTracker', () => {
  it('gives every interval out once, from its first second on', () => {
    const tracker = createTracker()
    tracker.put(tracked())

    const seen = [-1, 0, 1, 59, 60, 119, 120, 179].map((second) => dueAt(tracker, START + second))

    expect(seen).toEqual([[], [[1, null]], [], [], [[2, null]], [], [[3, null]], []])
  })

  it('says when the last interval is over', () => {
    const tracker = createTracker()
    tracker.put(tracked({}, { handledInterval: 3 }))

    expect(dueAt(tracker, START + 179)).toEqual([])
    expect(dueAt(tracker, START + 180)).toEqual(['expired'])
  })

  it('names the intervals that passed while nobody looked', () => {
    const tracker = createTracker()
    tracker.put(tracked({}, { handledInterval: 1 }))

    expect(dueAt(tracker, START + 130)).toEqual([[3, 2]])
  })

  it('counts nothing as missed for a subscription that is older than the node', () => {
    const tracker = createTracker()
    tracker.put(tracked({}, { isFresh: false }))

    expect(dueAt(tracker, START + 130)).toEqual([[3, null]])
  })

  it('gives a one-off out once, however late', () => {
    const tracker = createTracker()
    tracker.put(tracked({ period: 0, frequency: 5 }))

    expect(dueAt(tracker, START)).toEqual([[1, null]])
    expect(dueAt(tracker, START + 100_000)).toEqual([])
  })

  it('holds void subscriptions back until they are found again', () => {
    const tracker = createTracker()
    tracker.put(tracked({}, { isVoid: true }))

    expect(dueAt(tracker, START)).toEqual([])
    tracker.put(tracked())
    expect(dueAt(tracker, START)).toEqual([[1, null]])
  })

  it('gives nothing twice when the time of the chain goes back', () => {
    const tracker = createTracker()
    tracker.put(tracked())

    expect(dueAt(tracker, START + 60)).toEqual([[2, 1]])
    expect(dueAt(tracker, START + 59)).toEqual([])
    expect(dueAt(tracker, START + 60)).toEqual([])
  })

  it('gives out what is due among many, each once and in the order of time', () => {
    const tracker = createTracker()
    const offsets = Array.from({ length: 500 }, (_, index) => (index * 7_919) % 500)
    for (const [index, offset] of offsets.entries())
      tracker.put(tracked({ activeAt: START + offset, period: 0, frequency: 1 }, { id: index + 1 }))
    for (const id of [3, 5, 9]) tracker.remove(id)

    const first = tracker.takeDue(START + 249)
    const rest = tracker.takeDue(START + 10_000)

    const idsOf = (due: readonly { readonly tracked: Tracked }[]) => due.map((item) => item.tracked.id)
    const expected = offsets
      .map((offset, index) => ({ id: index + 1, offset }))
      .filter(({ id }) => ![3, 5, 9].includes(id))
      .sort((a, b) => a.offset - b.offset)
    expect(idsOf(first)).toEqual(expected.filter(({ offset }) => offset <= 249).map(({ id }) => id))
    expect(idsOf(rest)).toEqual(expected.filter(({ offset }) => offset > 249).map(({ id }) => id))
    expect(tracker.size).toBe(497)
  })

  it('goes on giving out intervals after most subscriptions went away', () => {
    const tracker = createTracker()
    for (let id = 1; id <= 5_000; id += 1) tracker.put(tracked({ activeAt: START + 100 }, { id }))
    for (let id = 1; id < 5_000; id += 1) tracker.remove(id)
    tracker.put(tracked({}, { id: 7_000 }))

    expect(tracker.takeDue(START).map((due) => due.tracked.id)).toEqual([7_000])
    expect(tracker.takeDue(START + 100).map((due) => due.tracked.id)).toEqual([7_000, 5_000])
  })

  it('takes changes of a subscription without giving an interval out again', () => {
    const tracker = createTracker()
    tracker.put(tracked())
    tracker.takeDue(START)

    const kept = tracker.get(1) as Tracked
    tracker.put({ ...kept, isVoid: true })
    const whileVoid = tracker.takeDue(START + 60)
    tracker.put({ ...kept, revision: 1 })

    expect(whileVoid).toEqual([])
    expect(dueAt(tracker, START + 60)).toEqual([[2, null]])
    expect(tracker.get(1)).toMatchObject({ revision: 1, handledInterval: 2 })
  })
})
