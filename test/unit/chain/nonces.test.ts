import { describe, expect, it } from '@jest/globals'
import { createNonces } from '../../../src/lib/chain/nonces.js'

function noncesOf(pending: number[], reserved: readonly number[] = []) {
  let asked = 0
  const nonces = createNonces(async () => pending[asked++] ?? -1, reserved)
  return { ...nonces, asked: () => asked }
}

describe('createNonces', () => {
  it('asks the chain once, however many are taken at once', async () => {
    const nonces = noncesOf([7])

    const taken = await Promise.all([nonces.take(), nonces.take(), nonces.take()])

    expect(taken).toEqual([7, 8, 9])
    expect(nonces.asked()).toBe(1)
  })

  it('gives the lowest of those that were given back first', async () => {
    const nonces = noncesOf([7])
    for (let count = 0; count < 4; count += 1) await nonces.take()

    nonces.release(9)
    nonces.release(8)
    nonces.release(8)

    expect([await nonces.take(), await nonces.take(), await nonces.take()]).toEqual([8, 9, 11])
  })

  it('keeps those of an earlier process, and gives what is free between them', async () => {
    const nonces = noncesOf([5], [6, 8])

    const taken = [await nonces.take(), await nonces.take(), await nonces.take()]

    expect(taken).toEqual([5, 7, 9])
  })

  it('goes on behind those of others when it is told to look again', async () => {
    const nonces = noncesOf([5, 9])
    await nonces.take()
    nonces.release(5)

    nonces.resync()

    expect(await nonces.take()).toBe(9)
  })

  it('does not go back behind its own when the endpoint lags', async () => {
    const nonces = noncesOf([5, 5])
    await nonces.take()
    await nonces.take()

    nonces.resync()

    expect(await nonces.take()).toBe(7)
  })

  it('does not give what was claimed', async () => {
    const nonces = noncesOf([5])
    await nonces.take()
    nonces.release(5)

    nonces.claim(5)
    nonces.claim(6)

    expect(await nonces.take()).toBe(7)
  })

  it('asks again after a failure', async () => {
    let fails = true
    const nonces = createNonces(async () => {
      if (fails) throw new Error('away')
      return 3
    }, [])

    await expect(nonces.take()).rejects.toThrow('away')
    fails = false

    expect(await nonces.take()).toBe(3)
  })
})
