import { mkdir, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { dockerSocketPath } from '../../../src/lib/node/docker-socket.js'
import { caught } from '../../helpers/caught.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const USUAL = '/var/run/docker.sock'
const NO_HOME = '/nowhere/home'

describe('dockerSocketPath', () => {
  it.each([
    ['unix:///run/user/1000/docker.sock', '/run/user/1000/docker.sock'],
    ['/tmp/docker.sock', '/tmp/docker.sock'],
    ['npipe:////./pipe/other', '//./pipe/other'],
  ])('takes %s as DOCKER_HOST', (host, path) => {
    expect(dockerSocketPath({ DOCKER_HOST: host }, NO_HOME, 'linux')).toBe(path)
  })

  it('refuses an engine elsewhere without repeating where', async () => {
    const error = await caught(() =>
      dockerSocketPath({ DOCKER_HOST: 'tcp://me:hunter2@10.0.0.7:2375' }, NO_HOME, 'linux'),
    )

    expect(error.code).toBe('NODE_CONFIG_INVALID')
    expect(JSON.stringify([error.message, error.details, error.hint])).not.toContain('hunter2')
  })

  it('takes the socket of an engine without root, or of Docker Desktop, where it is the one there is', async () => {
    await withTempDir(async (dir) => {
      await mkdir(join(dir, '.docker', 'run'), { recursive: true })
      await writeFile(join(dir, '.docker', 'run', 'docker.sock'), '')
      const ofDesktop = dockerSocketPath({}, dir, 'darwin')
      await writeFile(join(dir, 'docker.sock'), '')
      const withoutRoot = dockerSocketPath({ XDG_RUNTIME_DIR: dir }, dir, 'linux')

      // The usual socket comes first on machines that have it.
      const expected = (path: string) => (existsSync(USUAL) ? USUAL : path)
      expect(ofDesktop).toBe(expected(join(dir, '.docker', 'run', 'docker.sock')))
      expect(withoutRoot).toBe(expected(join(dir, 'docker.sock')))
    })
  })

  it('names the usual place where there is none', () => {
    expect(dockerSocketPath({}, NO_HOME, 'linux')).toBe(USUAL)
    expect(dockerSocketPath({}, NO_HOME, 'win32')).toBe('//./pipe/docker_engine')
  })
})
