import { describe, expect, it } from '@jest/globals'
import type { CallOffSignal } from '../../../src/lib/call-off.js'
import { createSharing } from '../../../src/lib/service/sharing.js'
import { caught } from '../../helpers/caught.js'

/** Work that a test finishes by hand. */
function manual() {
  const started: { signal: CallOffSignal; finish: (value: string) => void; fail: (error: Error) => void }[] =
    []
  const work = (signal: CallOffSignal) =>
    new Promise<string>((finish, fail) => started.push({ signal, finish, fail }))
  return { started, work }
}

describe('shared work', () => {
  it('is done once for callers who ask at the same time', async () => {
    const { started, work } = manual()
    const sharing = createSharing<string>(10)

    const results = [sharing.run('a', work), sharing.run('a', work), sharing.run('a', work)]
    started[0]?.finish('done')

    expect(await Promise.all(results)).toEqual(['done', 'done', 'done'])
    expect(started).toHaveLength(1)
  })

  it('is done again for a caller who asks later', async () => {
    const { started, work } = manual()
    const sharing = createSharing<string>(10)
    const first = sharing.run('a', work)
    started[0]?.finish('first')
    await first

    const second = sharing.run('a', work)
    started[1]?.finish('second')

    expect(await second).toBe('second')
  })

  it('is kept apart by key', async () => {
    const { started, work } = manual()
    const sharing = createSharing<string>(10)

    const results = [sharing.run('a', work), sharing.run('b', work)]
    started[0]?.finish('A')
    started[1]?.finish('B')

    expect(await Promise.all(results)).toEqual(['A', 'B'])
  })

  it('fails for all callers alike, and can be tried again', async () => {
    const { started, work } = manual()
    const sharing = createSharing<string>(10)

    const results = [sharing.run('a', work), sharing.run('a', work)].map((run) =>
      run.catch((error: Error) => error.message),
    )
    started[0]?.fail(new Error('no'))

    expect(await Promise.all(results)).toEqual(['no', 'no'])
    const again = sharing.run('a', work)
    started[1]?.finish('yes')
    expect(await again).toBe('yes')
  })

  it('goes on while one caller is left, and is called off with the last', async () => {
    const { started, work } = manual()
    const sharing = createSharing<string>(10)
    const [first, second] = [new AbortController(), new AbortController()]
    const left = caught(sharing.run('a', work, first.signal))
    const last = caught(sharing.run('a', work, second.signal))

    first.abort()
    expect((await left).code).toBe('INTERRUPTED')
    expect(started[0]?.signal.aborted).toBe(false)

    second.abort()
    expect((await last).code).toBe('INTERRUPTED')
    expect(started[0]?.signal.aborted).toBe(true)
  })

  it('that was called off is not joined any more', async () => {
    const { started, work } = manual()
    const sharing = createSharing<string>(10)
    const gone = new AbortController()
    const left = caught(sharing.run('a', work, gone.signal))
    gone.abort()
    await left

    const fresh = sharing.run('a', work)
    started[1]?.finish('fresh')

    expect(await fresh).toBe('fresh')
  })

  it('does not start for a caller who is gone', async () => {
    const { started, work } = manual()

    await caught(createSharing<string>(10).run('a', work, AbortSignal.abort()))

    expect(started).toHaveLength(0)
  })

  it('is done apart above the bound', async () => {
    const { started, work } = manual()
    const sharing = createSharing<string>(1)

    const results = [sharing.run('a', work), sharing.run('b', work), sharing.run('b', work)]
    started.forEach(({ finish }, position) => finish(`${position}`))

    expect(await Promise.all(results)).toEqual(['0', '1', '2'])
  })
})
