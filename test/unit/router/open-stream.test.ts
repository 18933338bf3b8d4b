import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Pool } from 'undici'
import { type OpenedStream, openStream } from '../../../src/lib/router/open-stream.js'
import { CalledOffError, TimeoutError } from '../../../src/lib/router/send.js'
import { type HostAnswer, createGate, cut, raw, silence } from '../../helpers/fake-host.js'
import { createHostPools, outgoing } from '../../helpers/host-pools.js'
import { until } from '../../helpers/until.js'

const pools = createHostPools()
const { setUp } = pools

afterEach(() => pools.close())

const isFreeOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length === 0

describe('an answer that is read as it comes', () => {
  const limits = { silenceMs: 20_000, timeoutMs: 20_000, signal: undefined }
  const endless: HostAnswer = (response) => void response.writeHead(200).write('a')

  async function textOf(opened: OpenedStream): Promise<string> {
    const parts: Uint8Array[] = []
    for (let part = await opened.read(); part !== null; part = await opened.read()) parts.push(part)
    return Buffer.concat(parts).toString('utf8')
  }

  async function readAll(pool: Pool, change: Partial<Parameters<typeof openStream>[2]>): Promise<string> {
    const opened = await openStream(pool, outgoing, { ...limits, ...change })
    return textOf(opened).finally(() => opened.release(false))
  }

  it('has a status, a body, and the time that the host asks for', async () => {
    const { pool } = await setUp(raw(503, 'later', { 'retry-after': '3' }))

    const opened = await openStream(pool, outgoing, limits)

    expect(opened).toMatchObject({ status: 503, retryAfter: '3' })
    expect(await textOf(opened)).toBe('later')
    opened.release(true)
  })

  it('keeps its connection when all was read', async () => {
    const { host, pool } = await setUp(raw(200, 'yes'))

    for (let turn = 0; turn < 5; turn += 1) {
      const opened = await openStream(pool, outgoing, limits)
      await textOf(opened)
      opened.release(true)
    }

    expect(host.connections()).toBe(1)
  })

  it('keeps its connection when the rest does not matter', async () => {
    const { host, pool } = await setUp(raw(404, 'x'.repeat(1_000)))

    for (let turn = 0; turn < 5; turn += 1) {
      const opened = await openStream(pool, outgoing, limits)
      opened.release(true)
      opened.release(false)
    }
    await readAll(pool, {})

    expect(host.connections()).toBe(1)
  })

  it('keeps its connection while the rest is on its way, whatever is said later', async () => {
    const gate = createGate()
    const { host, pool } = await setUp((response, request) => {
      response.writeHead(404).write('a')
      gate.hold((open) => open.end('b'))(response, request)
    })
    const opened = await openStream(pool, outgoing, limits)

    opened.release(true)
    opened.release(false)
    gate.open()
    await readAll(pool, {})

    expect(host.connections()).toBe(1)
    expect(host.abandoned()).toBe(0)
  })

  it('gives its connection up when nobody wants the rest', async () => {
    const { host, pool } = await setUp(endless)
    const opened = await openStream(pool, outgoing, limits)

    opened.release(false)

    await until(() => host.abandoned() === 1)
  })

  it.each([
    ['an answer', silence],
    ['a first piece', (response) => void response.writeHead(200).flushHeaders()],
    ['a further piece', endless],
  ] as [string, HostAnswer][])('does not let %s be waited for in vain', async (_what, answer) => {
    const { host, pool } = await setUp(answer)
    const { signal } = new AbortController()

    const failing = readAll(pool, { silenceMs: 200, signal })

    await expect(failing).rejects.toThrow(new TimeoutError(200))
    expect(isFreeOf(signal)).toBe(true)
    // On a busy machine the time may be over before the host has heard of it.
    await until(() => host.abandoned() === host.requests.length)
  })

  it('may take its time between pieces, but not for ever', async () => {
    const { pool } = await setUp((response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('a'), 5)
      response.on('close', () => clearInterval(timer))
    })

    const failing = readAll(pool, { silenceMs: 5_000, timeoutMs: 60 })

    await expect(failing).rejects.toThrow(new TimeoutError(60))
  })

  it('is not hurried while somebody else is waited for', async () => {
    const gate = createGate()
    const { pool } = await setUp((response, request) => {
      response.writeHead(200).write('a')
      gate.hold((open) => open.end('b'))(response, request)
    })
    const opened = await openStream(pool, outgoing, { ...limits, silenceMs: 300 })
    await opened.read()

    // Longer than the host itself may be silent.
    await new Promise((resolve) => setTimeout(resolve, 400))
    gate.open()

    expect(Buffer.from((await opened.read()) ?? '').toString()).toBe('b')
    opened.release(false)
  })

  it.each([
    ['before it is sent', silence, true],
    ['before it has begun', silence, false],
    ['in its middle', endless, false],
  ] as [string, HostAnswer, boolean][])('is called off %s', async (_what, answer, isEarly) => {
    const { host, pool } = await setUp(answer)
    const gone = new AbortController()
    if (isEarly) gone.abort()
    const failing = readAll(pool, { signal: gone.signal })
    if (!isEarly) await until(() => host.requests.length === 1)

    gone.abort()

    await expect(failing).rejects.toThrow(CalledOffError)
    expect(host.requests).toHaveLength(isEarly ? 0 : 1)
  })

  it('does not mind a caller who goes away after its end', async () => {
    const { host, pool } = await setUp(endless)
    const gone = new AbortController()
    const opened = await openStream(pool, outgoing, { ...limits, signal: gone.signal })
    opened.release(false)
    expect(isFreeOf(gone.signal)).toBe(true)

    gone.abort()

    await until(() => host.abandoned() === 1)
  })

  it('says why its connection failed', async () => {
    const { pool } = await setUp(cut('half'))
    const { signal } = new AbortController()
    const opened = await openStream(pool, outgoing, { ...limits, signal })

    await expect(textOf(opened)).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
    opened.release(false)
    expect(isFreeOf(signal)).toBe(true)
  })

  it('makes a host wait that writes faster than its reader reads', async () => {
    const piece = Buffer.alloc(65_536, 'a')
    const total = 64 * 1024 * 1024
    let written = 0
    let isWriting = false
    const { pool } = await setUp((response) => {
      const write = () => {
        isWriting = true
        while (written < total) {
          written += piece.length
          if (!response.write(piece)) break
        }
        isWriting = false
        if (written >= total) response.end()
      }
      response.on('drain', write)
      write()
    })
    const opened = await openStream(pool, outgoing, limits)

    // What the system keeps of a connection is a few MiB; the host stands still once that is full.
    let before = -1
    while (before !== written || isWriting) {
      before = written
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const standing = written
    let size = 0
    for (let part = await opened.read(); part !== null; part = await opened.read()) size += part.length

    expect(standing).toBeLessThan(total / 2)
    expect(size).toBe(total)
    opened.release(true)
  })

  it('gives what came before its connection failed', async () => {
    const { pool } = await setUp(cut('half'))
    const opened = await openStream(pool, outgoing, limits)
    await until(() => pool.stats.connected === 0)

    expect(Buffer.from((await opened.read()) ?? '').toString()).toBe('half')
    await expect(opened.read()).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
    opened.release(false)
  })

  it('gives its connection up when more follows than its end is worth', async () => {
    const { host, pool } = await setUp((response) => {
      response.writeHead(404)
      const write = () => {
        while (response.write('x'.repeat(1_000)));
      }
      response.on('drain', write)
      write()
    })
    const opened = await openStream(pool, outgoing, limits)

    opened.release(true)

    await until(() => host.abandoned() === 1)
  })
})
