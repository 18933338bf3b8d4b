import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import type { NodeEvent } from '../../../src/lib/node/events.js'
import {
  startManagedContainers,
  type ManagedContainers,
  type ManagedOptions,
} from '../../../src/lib/node/managed-containers.js'
import { caught } from '../../helpers/caught.js'
import { freePort, startDocker, type CreateBody, type FakeDocker } from '../../helpers/docker-server.js'
import { until } from '../../helpers/until.js'

let docker: FakeDocker
let events: NodeEvent[]
let opened: ManagedContainers[]
let port: number

beforeEach(async () => {
  docker = await startDocker({ service: (_, response) => response.end('served') })
  docker.remote.set('ritual/hello:latest', { id: 'sha256:1' })
  docker.remote.set('me/other:2', { id: 'sha256:2' })
  events = []
  opened = []
  port = await freePort()
})

afterEach(async () => {
  for (const managed of opened) await managed.close()
  await docker.close()
})

async function start(config: object = {}, options: Partial<ManagedOptions> = {}): Promise<ManagedContainers> {
  const { config: parsed } = parseNodeConfig({
    startup_wait: 0,
    containers: [{ id: 'hello', image: 'ritual/hello', port }],
    ...config,
  })
  const managed = await startManagedContainers(parsed, {
    socketPath: () => docker.socketPath,
    containerHost: 'localhost',
    except: [],
    emit: (event) => events.push(event),
    now: Date.now,
    signal: new AbortController().signal,
    ...options,
  })
  opened.push(managed)
  return managed
}

const typesOf = () => events.map(({ type }) => type)
const eventsOf = (type: NodeEvent['type']) => events.filter((event) => event.type === type)
const binding = (hostIp: string, hostPort: number): CreateBody => ({
  Image: 'ritual/hello:latest',
  HostConfig: { PortBindings: { '3000/tcp': [{ HostIp: hostIp, HostPort: String(hostPort) }] } },
})

describe('startManagedContainers', () => {
  it('pulls, creates and starts, says where containers are called, and stops them at the end', async () => {
    const managed = await start()
    const answer = await fetch(managed.urls.hello ?? '')
    const text = await answer.text()
    await managed.close()

    expect(managed.urls).toEqual({ hello: `http://localhost:${port}` })
    expect(text).toBe('served')
    expect(typesOf()).toEqual(['imagePulling', 'imagePulled', 'containerStarted', 'containerStopped'])
    expect(eventsOf('containerStarted')).toEqual([
      { type: 'containerStarted', container: 'hello', image: 'ritual/hello', port, isNew: true },
    ])
    expect(docker.containers.get('hello')).toMatchObject({ status: 'exited' })
    expect(docker.calls).toContain('POST /containers/hello/stop?t=60')
  })

  it.each([
    ['manage_containers is false', { manage_containers: false }, {}],
    ['there are no containers', { containers: [] }, {}],
    ['all of them run elsewhere', {}, { except: ['hello'] }],
  ])('asks for no engine when %s', async (_, config, options) => {
    const socketPath = () => {
      throw new Error('nobody needs a socket')
    }

    expect((await start(config, { ...options, socketPath })).urls).toEqual({})
  })

  it('publishes on the loopback alone, or on the bridge when the node is in a container itself', async () => {
    await start()
    const { HostConfig } = JSON.parse(docker.bodies.at(-1) ?? '') as CreateBody
    const other = await start({}, { containerHost: 'host.docker.internal' })

    const recreated = JSON.parse(docker.bodies.at(-1) ?? '') as CreateBody
    expect(HostConfig.PortBindings?.['3000/tcp']?.[0]?.HostIp).toBe('127.0.0.1')
    expect(recreated.HostConfig.PortBindings?.['3000/tcp']?.[0]?.HostIp).toBe('127.0.0.2')
    expect(other.urls).toEqual({ hello: `http://host.docker.internal:${port}` })
  })

  it('calls a container at its url when it has one, and runs it all the same', async () => {
    const containers = [{ id: 'hello', image: 'ritual/hello', port, url: 'http://10.0.0.7:3000' }]

    expect((await start({ containers })).urls).toEqual({})
    expect(docker.containers.get('hello')?.status).toBe('running')
  })

  it('logs in with the credentials of the configuration', async () => {
    docker.remote.set('ritual/hello:latest', { id: 'sha256:1', login: 'me:secret' })

    await start({ docker: { username: 'me', password: 'secret' } })

    expect(typesOf()).toContain('imagePulled')
  })

  it('makes do with a local image, and says so', async () => {
    docker.remote.clear()
    docker.local.set('ritual/hello:latest', 'sha256:0')

    await start()

    expect(eventsOf('imageNotPulled')).toHaveLength(1)
    expect(docker.containers.get('hello')?.imageId).toBe('sha256:0')
  })

  it('names all images that are neither to be pulled nor found', async () => {
    docker.remote.clear()
    const containers = ['a/x', 'b/y:3'].map((image, index) => ({ id: `c${index}`, image }))

    const error = await caught(start({ containers }))

    expect(error.code).toBe('DOCKER_FAILED')
    expect(error.message).toMatch(/pull a\/x: .*\n.*pull b\/y:3: /)
    expect(error.details).toEqual({ images: ['a/x', 'b/y:3'] })
    expect(error.hint).toContain('docker.username')
  })

  it('uses a container of its own again while nothing changed', async () => {
    await (await start()).close()
    await start()

    expect(docker.bodies).toHaveLength(1)
    expect(eventsOf('containerStarted').at(-1)).toMatchObject({ isNew: false })
    expect(eventsOf('containerDiffers')).toEqual([])
  })

  it.each<[string, () => object]>([
    [
      'the configuration',
      () => ({ containers: [{ id: 'hello', image: 'ritual/hello', port, env: { A: 'b' } }] }),
    ],
    [
      'the image',
      () => {
        docker.remote.set('ritual/hello:latest', { id: 'sha256:9' })
        return {}
      },
    ],
  ])('makes a container of its own anew when %s changed', async (_, change) => {
    await (await start()).close()
    await start(change())

    expect(docker.calls).toContain('DELETE /containers/hello?force=true')
    expect(eventsOf('containerStarted').at(-1)).toMatchObject({ isNew: true })
  })

  it('takes a container that somebody else made as it is, calls it where it is, and warns', async () => {
    docker.local.set('ritual/hello:latest', 'sha256:0')
    const theirs = await freePort()
    docker.add('hello', binding('0.0.0.0', theirs))

    const { urls } = await start()

    expect(urls).toEqual({ hello: `http://localhost:${theirs}` })
    expect(docker.bodies).toEqual([])
    expect(eventsOf('containerDiffers').map((event) => 'message' in event && event.message)).toEqual([
      'It was made from another image than ritual/hello is now.',
      'It is published on 0.0.0.0, where the rules of the node do not hold.',
    ])
  })

  it('calls one that publishes nothing where the configuration says, and warns', async () => {
    docker.local.set('ritual/hello:latest', 'sha256:1')
    docker.add('hello', { Image: 'ritual/hello:latest', HostConfig: {} }, 'running')

    expect((await start()).urls).toEqual({ hello: `http://localhost:${port}` })
    expect(eventsOf('containerDiffers')).toEqual([
      {
        type: 'containerDiffers',
        container: 'hello',
        message: `It publishes no port 3000; it is called on port ${port}.`,
      },
    ])
  })

  it('stops what it started when one of them does not start', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const containers = [
      { id: 'hello', image: 'ritual/hello', port },
      { id: 'other', image: 'me/other:2', port: (taken.address() as AddressInfo).port },
    ]

    const error = await caught(start({ containers }))
    await new Promise((resolve) => taken.close(resolve))

    expect(error.code).toBe('DOCKER_FAILED')
    expect(error.message).toContain('port is already allocated')
    expect(docker.containers.get('hello')?.status).toBe('exited')
  })

  it('ends with the reason of its signal while an image is on its way', async () => {
    docker.remote.set('ritual/hello:latest', { id: 'sha256:1', hangs: true })
    const controller = new AbortController()
    const emit: ManagedOptions['emit'] = ({ type }) => {
      if (type === 'imagePulling') controller.abort(new Error('enough'))
    }

    await expect(start({}, { emit, signal: controller.signal })).rejects.toThrow('enough')
  })

  it('waits after a start, and not when everything ran already', async () => {
    const slow = { startup_wait: 90 }
    const controller = new AbortController()
    const emit: ManagedOptions['emit'] = ({ type }) => {
      if (type === 'containerStarted') controller.abort(new Error('it waits'))
    }

    await expect(start(slow, { emit, signal: controller.signal })).rejects.toThrow('it waits')
    docker.containers.clear()
    docker.add('hello', binding('127.0.0.1', port), 'running')
    const { urls } = await start(slow)

    expect(urls).toEqual({ hello: `http://localhost:${port}` })
  })
})

describe('the watch over containers', () => {
  it('starts one again that ended by itself', async () => {
    await start({}, { watchMs: 5 })

    await docker.exit('hello', 137)
    await until(() => eventsOf('containerStarted').length === 2)

    expect(eventsOf('containerDown')[0]).toEqual({
      type: 'containerDown',
      container: 'hello',
      state: 'exited',
      exitCode: 137,
    })
    expect(docker.containers.get('hello')?.status).toBe('running')
  })

  it('makes one anew that was removed', async () => {
    await start({}, { watchMs: 5 })

    await docker.exit('hello', 0)
    docker.containers.delete('hello')
    await until(() => eventsOf('containerStarted').length === 2)

    expect(eventsOf('containerDown').at(-1)).toMatchObject({ exitCode: null, state: 'missing' })
    expect(eventsOf('containerStarted').at(-1)).toMatchObject({ isNew: true })
  })

  it('leaves one alone that Docker starts again itself', async () => {
    await start({}, { watchMs: 5 })
    const container = docker.containers.get('hello')
    const looks = () => docker.calls.filter((call) => call.startsWith('GET /containers/hello/json')).length

    if (container !== undefined) container.status = 'restarting'
    const before = looks()
    await until(() => looks() > before + 2)

    expect(eventsOf('containerDown')).toEqual([])
  })

  it('tells when Docker fails, and tries again', async () => {
    await start({}, { watchMs: 5 })

    docker.faults.set(/hello\/start/, 'no space left on device')
    await docker.exit('hello', 1)
    await until(() => eventsOf('engineFailed').length > 1)
    docker.faults.clear()
    await until(() => eventsOf('containerStarted').length === 2)

    expect(eventsOf('engineFailed')[0]).toMatchObject({ container: 'hello', code: 'DOCKER_FAILED' })
  })

  it('ends before containers are stopped, and does not start them again', async () => {
    const managed = await start({}, { watchMs: 1 })

    await managed.close()

    expect(typesOf().at(-1)).toBe('containerStopped')
    expect(eventsOf('containerDown')).toEqual([])
    expect(docker.containers.get('hello')?.status).toBe('exited')
  })
})
