import { describe, expect, it } from '@jest/globals'
import { parseNodeConfig, type NodeContainer } from '../../../src/lib/infernet/node-config.js'
import { SPEC_LABEL, specOf } from '../../../src/lib/node/managed-spec.js'

const LOOPBACK = { hostIp: '127.0.0.1', port: 3005 }

function containerOf(given: object): NodeContainer {
  const { config } = parseNodeConfig({ containers: [{ id: 'hello', image: 'ritual/hello', ...given }] })
  return config.containers[0] as NodeContainer
}

describe('specOf', () => {
  it('publishes port 3000 on the given address alone and lets Docker start it again five times', () => {
    const { body, hash } = specOf(containerOf({}), LOOPBACK)

    expect(body).toEqual({
      Image: 'ritual/hello:latest',
      Env: [],
      ExposedPorts: { '3000/tcp': {} },
      HostConfig: {
        Binds: [],
        PortBindings: { '3000/tcp': [{ HostIp: '127.0.0.1', HostPort: '3005' }] },
        RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 5 },
      },
      Labels: { [SPEC_LABEL]: hash },
    })
  })

  it('hands over command, environment, volumes and all GPUs', () => {
    const { body } = specOf(
      containerOf({
        command: '--bind=0.0.0.0:3000 --name "two words"',
        env: { TOKEN: 'a=b', WORKERS: 2, DEBUG: true, QUIET: false, EMPTY: '' },
        volumes: ['/srv/models:/models:ro', 'cache:/root/.cache'],
        gpu: true,
      }),
      LOOPBACK,
    )

    expect(body).toMatchObject({
      Cmd: ['--bind=0.0.0.0:3000', '--name', 'two words'],
      Env: ['TOKEN=a=b', 'WORKERS=2', 'DEBUG=True', 'QUIET=False', 'EMPTY='],
      HostConfig: {
        Binds: ['/srv/models:/models:ro', 'cache:/root/.cache'],
        DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }],
      },
    })
  })

  it('has another hash for anything else that Docker is told, and the same for the same', () => {
    const hashes = [{}, { command: 'x' }, { env: { A: 'b' } }, { volumes: ['cache:/b'] }, { gpu: true }].map(
      (given) => specOf(containerOf(given), LOOPBACK).hash,
    )

    expect(new Set(hashes).size).toBe(5)
    expect(specOf(containerOf({}), { ...LOOPBACK, port: 3006 }).hash).not.toBe(hashes[0])
    expect(specOf(containerOf({ description: 'other', allowed_ips: ['::1'] }), LOOPBACK).hash).toBe(hashes[0])
  })
})
