import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { parseNodeConfig, type NodeContainer } from '../../../src/lib/infernet/node-config.js'
import { openDockerEngine, type PullOptions } from '../../../src/lib/node/docker-engine.js'
import { specOf } from '../../../src/lib/node/managed-spec.js'
import { caught } from '../../helpers/caught.js'
import { startDocker, type FakeDocker } from '../../helpers/docker-server.js'

const IMAGE = 'ritual/hello'
const QUIET: PullOptions = {
  credentials: null,
  signal: new AbortController().signal,
  onProgress: () => undefined,
}

let docker: FakeDocker

beforeEach(async () => {
  docker = await startDocker()
})

afterEach(() => docker.close())

const open = (options: object = {}) =>
  openDockerEngine({ socketPath: docker.socketPath, isContainer: false, ...options })

function spec(env: Record<string, string> = {}) {
  const { config } = parseNodeConfig({ containers: [{ id: 'hello', image: IMAGE, env }] })
  return specOf(config.containers[0] as NodeContainer, { hostIp: '127.0.0.1', port: 3000 })
}

describe('openDockerEngine', () => {
  it('says how to install the client library when it is not there', async () => {
    const error = await caught(open({ clientPackage: 'dockerode-that-is-absent' }))

    expect(error.code).toBe('DOCKER_MISSING')
    expect(error.message).toContain('dockerode-that-is-absent is not installed')
    expect(error.hint).toContain('npm install --ignore-scripts dockerode@5')
  })

  it('says where it looked when no engine is there', async () => {
    const error = await caught(open({ socketPath: '/nowhere/docker.sock' }))

    expect(error.code).toBe('DOCKER_MISSING')
    expect(error.message).toContain('no Docker engine answers on /nowhere/docker.sock (ENOENT)')
    expect(error.hint).toContain('set manage_containers to false')
  })

  it('speaks to the socket that it is given whatever DOCKER_HOST says', async () => {
    const before = process.env.DOCKER_HOST
    process.env.DOCKER_HOST = 'tcp://127.0.0.1:1'
    try {
      await open()
    } finally {
      if (before === undefined) delete process.env.DOCKER_HOST
      else process.env.DOCKER_HOST = before
    }

    expect(docker.calls[0]).toMatch(/^GET \/info/)
  })
})

describe('publishAddress', () => {
  it.each([
    [false, 'Debian', '127.0.0.1'],
    [true, 'Debian', '127.0.0.2'],
    [true, 'Docker Desktop', '127.0.0.1'],
  ])('in a container: %s, on %s: %s', async (isContainer, operatingSystem, expected) => {
    const other = await startDocker({ operatingSystem })

    const engine = await openDockerEngine({ socketPath: other.socketPath, isContainer })
    const address = await engine.publishAddress()
    await other.close()

    expect(address).toBe(expected)
  })
})

describe('pull', () => {
  it('asks for one tag, tells of bytes that came, and ends when the image is there', async () => {
    docker.remote.set(`${IMAGE}:latest`, { id: 'sha256:1' })
    const progress: number[][] = []
    const engine = await open()

    await engine.pull(IMAGE, { ...QUIET, onProgress: (...bytes) => progress.push(bytes) })

    expect(docker.calls).toContain('POST /images/create?fromImage=ritual%2Fhello%3Alatest')
    expect(progress).toEqual([
      [10, 100],
      [60, 400],
      [150, 400],
    ])
    expect(await engine.imageId(IMAGE)).toBe('sha256:1')
  })

  it('logs in at the registry', async () => {
    docker.remote.set('ghcr.io/me/private:1', { id: 'sha256:2', login: 'me:hünter+2/' })
    const engine = await open()

    await engine.pull('ghcr.io/me/private:1', {
      ...QUIET,
      credentials: { username: 'me', password: 'hünter+2/' },
    })

    expect(docker.local.has('ghcr.io/me/private:1')).toBe(true)
    expect(docker.calls.join()).not.toContain('hünter')
  })

  it.each([
    [
      'is not there',
      null,
      "pull access denied for ritual/hello:latest, repository does not exist or may require 'docker login'.",
    ],
    [
      'breaks in the middle of it',
      'unexpected EOF',
      'The Docker engine does not pull ritual/hello: unexpected EOF.',
    ],
  ])('fails when the image %s', async (_, breaks, message) => {
    if (breaks !== null) docker.remote.set(`${IMAGE}:latest`, { id: 'sha256:1', breaks })
    const engine = await open()

    const error = await caught(engine.pull(IMAGE, QUIET))

    expect(error.code).toBe('DOCKER_FAILED')
    expect(error.message).toContain(message)
  })

  it('ends with the reason of its signal', async () => {
    docker.remote.set(`${IMAGE}:latest`, { id: 'sha256:1', hangs: true })
    const controller = new AbortController()
    const engine = await open()

    const pulling = engine.pull(IMAGE, {
      ...QUIET,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })

    await expect(pulling).rejects.toThrow('enough')
  })
})

describe('containers', () => {
  beforeEach(() => {
    docker.local.set(`${IMAGE}:latest`, 'sha256:1')
  })

  it('are created, started and stopped, each also when that is done already', async () => {
    const engine = await open()

    expect(await engine.inspect('hello')).toBeNull()
    expect(await engine.create('hello', spec())).toBe(true)
    expect(await engine.create('hello', spec())).toBe(false)
    await engine.start('hello')
    await engine.start('hello')
    expect(await engine.inspect('hello')).toMatchObject({
      state: 'running',
      imageId: 'sha256:1',
      published: { hostIp: '127.0.0.1', port: 3000 },
    })
    await engine.stop('hello', 7)
    await engine.stop('hello', 7)
    expect(await engine.inspect('hello')).toMatchObject({ state: 'exited', exitCode: 143 })
    await engine.remove('hello')
    await engine.remove('hello')
    await engine.stop('hello', 7)

    expect(docker.calls).toContain('POST /containers/hello/stop?t=7')
  })

  it('have no secrets of their environment in URLs', async () => {
    const engine = await open()

    await engine.create('hello', spec({ TOKEN: 'hunter2' }))

    expect(docker.bodies.join()).toContain('TOKEN=hunter2')
    expect(docker.calls.join()).not.toContain('hunter2')
  })

  it('fail with the words of the engine', async () => {
    docker.faults.set(/start/, 'could not select device driver "" with capabilities: [[gpu]].')
    const engine = await open()
    await engine.create('hello', spec())

    const error = await caught(engine.start('hello'))

    expect(error.code).toBe('DOCKER_FAILED')
    expect(error.message).toBe(
      'The Docker engine does not start hello: could not select device driver "" with capabilities: [[gpu]].',
    )
    expect(error.details).toEqual({ status: 500 })
  })
})
