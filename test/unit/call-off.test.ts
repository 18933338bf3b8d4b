import { describe, expect, it } from '@jest/globals'
import { type CallOffSignal, createCallOff } from '../../src/lib/call-off.js'

describe('work under way', () => {
  it('is told once that it is called off', () => {
    const callOff = createCallOff()
    const told: string[] = []
    callOff.addEventListener('abort', () => told.push('a'))
    callOff.addEventListener('abort', () => told.push('b'))
    const before = callOff.aborted

    callOff.abort()
    callOff.abort()

    expect([before, callOff.aborted]).toEqual([false, true])
    expect(told).toEqual(['a', 'b'])
  })

  it('is not told when it stopped listening, or began to listen too late', () => {
    const callOff = createCallOff()
    const told: string[] = []
    const left = () => told.push('left')
    callOff.addEventListener('abort', left)
    callOff.removeEventListener('abort', left)
    callOff.removeEventListener('abort', left)

    callOff.abort()
    callOff.addEventListener('abort', () => told.push('late'))

    expect(told).toEqual([])
  })

  it('may take away another listener while it is told', () => {
    const callOff = createCallOff()
    const told: string[] = []
    const second = () => told.push('second')
    callOff.addEventListener('abort', () => callOff.removeEventListener('abort', second))
    callOff.addEventListener('abort', second)

    callOff.abort()

    expect(told).toEqual([])
  })

  it('is told once by a listener that was given twice', () => {
    const callOff = createCallOff()
    let times = 0
    const listener = () => {
      times += 1
    }
    callOff.addEventListener('abort', listener)
    callOff.addEventListener('abort', listener)

    callOff.abort()

    expect(times).toBe(1)
  })

  it('can listen to an AbortSignal in the same way', () => {
    const controller = new AbortController()
    const signal: CallOffSignal = controller.signal
    let isTold = false
    signal.addEventListener('abort', () => {
      isTold = true
    })

    controller.abort()

    expect([signal.aborted, isTold]).toEqual([true, true])
  })
})
