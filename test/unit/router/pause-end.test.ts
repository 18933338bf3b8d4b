import { describe, expect, it } from '@jest/globals'
import { type HealthTracker, createHealthTracker } from '../../../src/lib/router/health.js'
import { admitAfterPauses } from '../../../src/lib/router/pause-end.js'
import { until } from '../../helpers/until.js'

const nowMs = () => performance.now()

/** A host, and a promise of the moment at which those who wait for it are let in. */
function watched(isClosed = () => false): {
  health: HealthTracker
  admitted: Promise<number>
  count: () => number
  stop: () => void
} {
  const health = createHealthTracker()
  let count = 0
  let tell: (atMs: number) => void = () => undefined
  const admitted = new Promise<number>((resolve) => (tell = resolve))
  const admit = () => {
    count += 1
    tell(nowMs())
  }
  const stop = admitAfterPauses({ health, admit, isClosed }, nowMs)
  return { health, admitted, count: () => count, stop }
}

describe('those who wait for a host that pauses', () => {
  it('are let in when it may be asked again, and not before', async () => {
    const { health, admitted } = watched()
    health.rested(nowMs(), 20)

    const atMs = await admitted

    expect(health.circuit(atMs)).toBe('closed')
  })

  it('are let in once, after the last of several pauses', async () => {
    const { health, admitted, count } = watched()
    health.rested(nowMs(), 10)
    health.rested(nowMs(), 30)

    expect(health.pauseMs(await admitted)).toBe(0)
    expect(count()).toBe(1)
  })

  it('are let in after the next pause, too', async () => {
    const { health, admitted, count } = watched()
    health.rested(nowMs(), 5)
    await admitted

    health.rested(nowMs(), 5)
    await until(() => count() === 2)

    expect(health.pauseMs(nowMs())).toBe(0)
  })

  it('are not let in to a host that was closed, or once it is stopped', async () => {
    const closed = watched(() => true)
    const stopped = watched()
    const open = watched()
    closed.health.rested(nowMs(), 5)
    stopped.health.rested(nowMs(), 5)
    stopped.stop()
    open.health.rested(nowMs(), 20)

    await open.admitted

    expect([closed.count(), stopped.count()]).toEqual([0, 0])
  })
})
