import { describe, expect, it } from '@jest/globals'
import type { CallOffSignal } from '../../../src/lib/call-off.js'
import { FlockError } from '../../../src/lib/errors.js'
import { type Race, race } from '../../../src/lib/router/hedge.js'
import { caught } from '../../helpers/caught.js'

/** A piece of work that a test ends. */
interface Work {
  readonly run: Race<string>['first']
  readonly begun: Promise<void>
  readonly isCalledOff: () => boolean
  succeed(result: string): void
  fail(error: unknown): void
}

function workOf(): Work {
  let succeed: (result: string) => void = () => undefined
  let fail: (error: unknown) => void = () => undefined
  let begin: () => void = () => undefined
  let given: CallOffSignal | undefined
  const result = new Promise<string>((resolve, reject) => {
    succeed = resolve
    fail = reject
  })
  const begun = new Promise<void>((resolve) => (begin = resolve))
  return {
    run: async (signal) => {
      given = signal
      begin()
      return result
    },
    begun,
    isCalledOff: () => given?.aborted === true,
    succeed: (text) => succeed(text),
    fail: (error) => fail(error),
  }
}

interface SetUp {
  readonly first: Work
  readonly second: Work
  readonly late: string[]
  readonly result: Promise<string>
}

/** A race whose second piece of work begins at once. */
function start(change: Partial<Race<string>> = {}): SetUp {
  const [first, second] = [workOf(), workOf()]
  const late: string[] = []
  const result = race<string>({
    delayMs: 0,
    signal: undefined,
    first: first.run,
    second: () => second.run,
    late: (text) => late.push(text),
    ...change,
  })
  return { first, second, late, result }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('two pieces of work', () => {
  it('give the result of the first when it comes first, and call off the second', async () => {
    const { first, second, result, late } = start()
    await second.begun

    first.succeed('one')

    expect(await result).toBe('one')
    expect([first.isCalledOff(), second.isCalledOff()]).toEqual([false, true])
    expect(late).toEqual([])
  })

  it('give the result of the second when it comes first, and call off the first', async () => {
    const { first, second, result } = start()
    await second.begun

    second.succeed('two')

    expect(await result).toBe('two')
    expect([first.isCalledOff(), second.isCalledOff()]).toEqual([true, false])
  })

  it('hand over what came although it was called off', async () => {
    const { first, second, result, late } = start()
    await second.begun
    second.succeed('two')
    await result

    first.succeed('one')
    await settled()

    expect(late).toEqual(['one'])
  })

  it('let a failure of what was called off pass', async () => {
    const { first, second, result, late } = start()
    await second.begun
    second.succeed('two')
    await result

    first.fail(new FlockError('INTERRUPTED', 'called off'))
    await settled()

    expect(late).toEqual([])
  })

  it('wait for the other when one fails', async () => {
    const { first, second, result } = start()
    await second.begun

    first.fail(new FlockError('HOST_FAILED', 'first'))
    await settled()
    second.succeed('two')

    expect(await result).toBe('two')
  })

  it('fail as the last one does when both fail', async () => {
    const { first, second, result } = start()
    await second.begun

    second.fail(new FlockError('HOST_FAILED', 'second'))
    await settled()
    first.fail(new FlockError('HOST_UNREACHABLE', 'first'))

    expect((await caught(result)).message).toBe('first')
  })

  it('are both called off by the caller', async () => {
    const caller = new AbortController()
    const { first, second, result } = start({ signal: caller.signal })
    await second.begun

    caller.abort()

    expect([first.isCalledOff(), second.isCalledOff()]).toEqual([true, true])
    first.fail(new FlockError('INTERRUPTED', 'x'))
    second.fail(new FlockError('INTERRUPTED', 'x'))
    expect((await caught(result)).code).toBe('INTERRUPTED')
  })

  it('leave the winner to the caller, who may still call it off', async () => {
    const caller = new AbortController()
    const { first, second, result } = start({ signal: caller.signal })
    await second.begun
    second.succeed('two')
    await result
    expect(second.isCalledOff()).toBe(false)

    caller.abort()

    expect(second.isCalledOff()).toBe(true)
    first.fail(new FlockError('INTERRUPTED', 'x'))
  })
})

describe('one piece of work', () => {
  const never = () => {
    throw new Error('a second piece of work was asked for')
  }

  it('is left alone with the signal of the caller when there is no delay', async () => {
    const caller = new AbortController()
    let given: CallOffSignal | undefined

    const result = await race<string>({
      delayMs: null,
      signal: caller.signal,
      first: async (signal) => {
        given = signal
        return 'one'
      },
      second: never,
      late: never,
    })

    expect(result).toBe('one')
    expect(given).toBe(caller.signal)
  })

  it.each([
    ['done', (work: Work) => work.succeed('one')],
    ['failed', (work: Work) => work.fail(new FlockError('HOST_FAILED', 'x'))],
  ])('is not doubled when it is %s before the delay is over', async (_what, end) => {
    const { first, result } = start({ delayMs: 20, second: never })
    end(first)
    await result.catch(() => undefined)

    // Later than the delay, so that a timer that was left would have rung.
    await new Promise((resolve) => setTimeout(resolve, 40))

    expect(first.isCalledOff()).toBe(false)
  })

  it('goes on when there is nothing to begin beside it', async () => {
    let asked = 0
    const { first, result } = start({
      second() {
        asked += 1
        return null
      },
    })
    while (asked === 0) await settled()

    first.succeed('one')

    expect(await result).toBe('one')
    expect(asked).toBe(1)
  })

  it('fails with an error of ours, whatever was thrown', async () => {
    const { first, result } = start({ second: () => null })

    first.fail('oops')

    expect(await caught(result)).toMatchObject({ code: 'INTERNAL', message: 'oops' })
  })
})
