import { describe, expect, it } from '@jest/globals'
import { FlockError } from '../../../src/lib/errors.js'
import { createGroupCommit } from '../../../src/lib/service/group-commit.js'
import { caught } from '../../helpers/caught.js'

/** Commits that a test finishes by hand. */
function setUp({ maxBatchBytes = 100, maxWaitingBytes = 1_000 } = {}) {
  const started: { batch: readonly string[]; finish: () => void; fail: (error: unknown) => void }[] = []
  const group = createGroupCommit<string>({
    commit: (batch) => new Promise<void>((finish, fail) => started.push({ batch, finish, fail })),
    maxBatchBytes,
    maxWaitingBytes,
  })
  const begun = async (count: number) => {
    while (started.length < count) await new Promise((resolve) => setImmediate(resolve))
    return started[count - 1]
  }
  return { group, started, begun }
}

const broken = new FlockError('PATH_UNWRITABLE', 'The disk is full.')

describe('a group commit', () => {
  it('commits what comes at once in one go', async () => {
    const { group, started, begun } = setUp()

    const added = ['a', 'b', 'c'].map((item) => group.add(item, 1))
    const commit = await begun(1)
    commit?.finish()
    await Promise.all(added)

    expect(started.map(({ batch }) => batch)).toEqual([['a', 'b', 'c']])
  })

  it('lets what comes meanwhile share the next one', async () => {
    const { group, started, begun } = setUp()
    const first = group.add('a', 1)
    await begun(1)

    const later = ['b', 'c'].map((item) => group.add(item, 1))
    started[0]?.finish()
    await first
    const commit = await begun(2)
    commit?.finish()
    await Promise.all(later)

    expect(started.map(({ batch }) => batch)).toEqual([['a'], ['b', 'c']])
  })

  it('settles nothing before its commit is done', async () => {
    const { group, started, begun } = setUp()
    const done: string[] = []
    const first = group.add('a', 1).then(() => done.push('a'))
    await begun(1)
    const second = group.add('b', 1).then(() => done.push('b'))

    started[0]?.finish()
    await first
    await begun(2)

    expect(done).toEqual(['a'])
    started[1]?.finish()
    await second
  })

  it('ends a batch before it grows too large, but takes an item that is larger', async () => {
    const { group, begun, started } = setUp({ maxBatchBytes: 10 })
    const sizes = { a: 4, b: 6, c: 1, huge: 50, d: 1 }

    const added = Object.entries(sizes).map(([item, bytes]) => group.add(item, bytes))
    for (const count of [1, 2, 3, 4]) (await begun(count))?.finish()
    await Promise.all(added)

    expect(started.map(({ batch }) => batch)).toEqual([['a', 'b'], ['c'], ['huge'], ['d']])
  })

  it('refuses what would make too much wait, and takes more when some is done', async () => {
    const { group, begun } = setUp({ maxWaitingBytes: 10 })
    const first = group.add('a', 10)

    expect((await caught(group.add('b', 1))).code).toBe('SERVICE_UNREACHABLE')
    const commit = await begun(1)
    const second = group.add('c', 10)
    commit?.finish()
    ;(await begun(2))?.finish()

    await Promise.all([first, second])
  })

  it('fails everyone in the batch, everyone who waits and everyone later when a commit fails', async () => {
    const { group, begun, started } = setUp()
    const inBatch = [caught(group.add('a', 1)), caught(group.add('b', 1))]
    const commit = await begun(1)
    const waiting = caught(group.add('c', 1))

    commit?.fail(broken)

    expect(await Promise.all([...inBatch, waiting])).toEqual([broken, broken, broken])
    expect(await caught(group.add('d', 1))).toBe(broken)
    expect(group.fault).toBe(broken)
    expect(started).toHaveLength(1)
  })

  it('does not trust a commit that was under way when a fault came from elsewhere', async () => {
    const { group, begun } = setUp()
    const added = caught(group.add('a', 1))
    const commit = await begun(1)

    group.fail(broken)
    commit?.finish()

    expect(await added).toBe(broken)
  })

  it('keeps the first fault', async () => {
    const { group } = setUp()

    group.fail(broken)
    group.fail(new FlockError('INTERNAL', 'another'))

    expect(group.fault).toBe(broken)
  })

  it('is idle when all is committed, also when it failed', async () => {
    const { group, begun } = setUp()
    const first = group.add('a', 1)
    ;(await begun(1))?.finish()
    await group.idle()
    await first
    const second = caught(group.add('b', 1))

    ;(await begun(2))?.fail(new Error('no FlockError'))
    await group.idle()

    expect((await second).code).toBe('INTERNAL')
    await group.idle()
  })
})
