import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import { exchange } from '../../../src/lib/router/exchange.js'
import { CalledOffError, TimeoutError } from '../../../src/lib/router/send.js'
import { type HostAnswer, createGate, cut, raw, silence } from '../../helpers/fake-host.js'
import { createHostPools, outgoing } from '../../helpers/host-pools.js'
import { closedPort } from '../../helpers/http-server.js'
import { until } from '../../helpers/until.js'

const pools = createHostPools()
const { setUp, poolOf } = pools

afterEach(() => pools.close())

const patient = { timeoutMs: 20_000, signal: undefined }
const isFreeOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length === 0
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

describe('an exchange', () => {
  it('sends method, path, headers and body, and gives back status and text', async () => {
    const { host, pool } = await setUp(raw(200, 'yes'))

    expect(await exchange(pool, outgoing, patient)).toEqual({ status: 200, retryAfter: null, text: 'yes' })
    expect(host.requests[0]).toMatchObject({ method: 'POST', path: '/x', body: { a: 1 } })
    expect(host.requests[0]?.headers).toMatchObject({ 'x-a': '1', 'content-length': '7' })
  })

  it('sends requests without a body', async () => {
    const { host, pool } = await setUp(raw(200, ''))

    expect((await exchange(pool, { method: 'GET', path: '/m', headers: [] }, patient)).text).toBe('')
    expect(host.requests[0]?.method).toBe('GET')
  })

  it('joins what comes in pieces, whole characters or not', async () => {
    const bytes = Buffer.from('bees — 🐝')
    const { pool } = await setUp((response) => {
      response.writeHead(200)
      for (const byte of bytes) response.write(Buffer.of(byte))
      response.end()
    })

    expect((await exchange(pool, outgoing, patient)).text).toBe('bees — 🐝')
  })

  it('reads answers of any status, with the time that the host asks for', async () => {
    const { pool } = await setUp(raw(429, 'no', { 'retry-after': '7' }))

    expect(await exchange(pool, outgoing, patient)).toEqual({ status: 429, retryAfter: '7', text: 'no' })
  })

  it('passes over hints that come before the answer', async () => {
    const { pool } = await setUp((response) => {
      response.writeEarlyHints({ link: '</x>; rel=preload' })
      response.writeHead(200).end('yes')
    })

    expect(await exchange(pool, outgoing, patient)).toEqual({ status: 200, retryAfter: null, text: 'yes' })
  })

  it('leaves neither timer nor listener behind', async () => {
    const { pool } = await setUp(raw(200, 'yes'))
    const { signal } = new AbortController()

    await exchange(pool, outgoing, patient)
    const before = timers()

    for (let turn = 0; turn < 20; turn += 1) await exchange(pool, outgoing, { ...patient, signal })

    expect(timers()).toBeLessThan(before + 10)
    expect(isFreeOf(signal)).toBe(true)
  })
})

describe('the time of an exchange', () => {
  it.each<[string, HostAnswer]>([
    ['nothing comes', silence],
    ['an answer has no end', (response) => void response.writeHead(200).write('{')],
  ])('runs out when %s, and the connection is given up', async (_what, answer) => {
    const { host, pool } = await setUp(answer)
    const { signal } = new AbortController()

    const failing = exchange(pool, outgoing, { timeoutMs: 30, signal })

    await expect(failing).rejects.toThrow(new TimeoutError(30))
    expect(isFreeOf(signal)).toBe(true)
    await until(() => host.abandoned() === 1)
  })

  it('runs out for a request that still waits for a connection, which then is never sent', async () => {
    const gate = createGate()
    const { host, pool } = await setUp(gate.hold(raw(200, 'yes')))
    const first = exchange(pool, outgoing, patient)
    await until(() => gate.held() === 1)

    await expect(exchange(pool, outgoing, { timeoutMs: 20, signal: undefined })).rejects.toThrow(TimeoutError)
    gate.open()

    expect((await first).text).toBe('yes')
    expect((await exchange(pool, outgoing, patient)).text).toBe('yes')
    expect(host.requests).toHaveLength(2)
  })
})

describe('a caller who goes away', () => {
  it('is not answered, nothing is sent when that is known beforehand', async () => {
    const { host, pool } = await setUp(raw(200, 'yes'))

    const failing = exchange(pool, outgoing, { ...patient, signal: AbortSignal.abort() })

    await expect(failing).rejects.toThrow(CalledOffError)
    expect(host.requests).toHaveLength(0)
  })

  it('calls off a request that waits for a connection', async () => {
    const gate = createGate()
    const { host, pool } = await setUp(gate.hold(raw(200, 'yes')))
    const first = exchange(pool, outgoing, patient)
    await until(() => gate.held() === 1)
    const gone = new AbortController()
    const failing = exchange(pool, outgoing, { ...patient, signal: gone.signal })

    gone.abort()
    await expect(failing).rejects.toThrow(CalledOffError)
    gate.open()

    expect((await first).text).toBe('yes')
    expect((await exchange(pool, outgoing, patient)).text).toBe('yes')
    expect(host.requests).toHaveLength(2)
  })

  it('calls off a request while the host computes', async () => {
    const { host, pool } = await setUp(silence)
    const gone = new AbortController()
    const failing = exchange(pool, outgoing, { ...patient, signal: gone.signal })
    await until(() => host.requests.length === 1)

    gone.abort()

    await expect(failing).rejects.toThrow(CalledOffError)
    expect(isFreeOf(gone.signal)).toBe(true)
    await until(() => host.abandoned() === 1)
  })
})

describe('a connection that fails', () => {
  it.each([
    ['is closed', cut(), 'UND_ERR_SOCKET'],
    ['is closed midway', cut('{'), 'UND_ERR_SOCKET'],
  ])('says why when it %s', async (_what, answer, code) => {
    const { pool } = await setUp(answer)
    const { signal } = new AbortController()

    await expect(exchange(pool, outgoing, { ...patient, signal })).rejects.toMatchObject({ code })
    expect(isFreeOf(signal)).toBe(true)
  })

  it('says that nobody listens', async () => {
    const pool = poolOf(`http://127.0.0.1:${await closedPort()}`, () => Promise.resolve())

    await expect(exchange(pool, outgoing, patient)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('says that it was closed here', async () => {
    const { pool } = await setUp(raw(200, 'yes'))
    const { signal } = new AbortController()
    await pool.destroy()

    await expect(exchange(pool, outgoing, { ...patient, signal })).rejects.toMatchObject({
      code: 'UND_ERR_DESTROYED',
    })
    expect(isFreeOf(signal)).toBe(true)
  })

  it('refuses what cannot be sent', async () => {
    const { pool } = await setUp(raw(200, 'yes'))
    const { signal } = new AbortController()

    await expect(
      exchange(pool, { ...outgoing, headers: ['x-a', 'a\nb'] }, { ...patient, signal }),
    ).rejects.toMatchObject({ code: 'UND_ERR_INVALID_ARG' })
    expect(isFreeOf(signal)).toBe(true)
  })
})
