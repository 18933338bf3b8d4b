import { afterEach, describe, expect, it } from '@jest/globals'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { openRest, type RestFace } from '../../../src/lib/node/rest.js'
import { caught } from '../../helpers/caught.js'

const ADDRESS = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const { config } = parseNodeConfig({
  manage_containers: false,
  containers: [{ id: 'hello-world', image: 'ritualnetwork/hello-world-infernet:latest', bearer: 'token' }],
})

let faces: RestFace[] = []

afterEach(async () => {
  await Promise.all(faces.map((face) => face.close()))
  faces = []
})

async function open(port = 0): Promise<RestFace> {
  const status = () => ({ address: ADDRESS, containers: config.containers, pendingOnChain: 3 }) as const
  const face = await openRest({ host: '127.0.0.1', port, status })
  faces.push(face)
  return face
}

describe('openRest', () => {
  it('says that it is healthy', async () => {
    const { port } = await open()

    const response = await fetch(`http://127.0.0.1:${port}/health`)

    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.text()).toBe('{"status":"healthy"}\n')
  })

  it('tells what the reference node tells, compact, with sorted keys, and no secrets', async () => {
    const { port } = await open()

    const response = await fetch(`http://127.0.0.1:${port}/info?x=1`)

    expect(await response.text()).toBe(
      `{"chain":{"address":"${ADDRESS}","enabled":true},` +
        '"containers":[{"description":"","external":true,"id":"hello-world","image":"ritualnetwork/hello-world-infernet:latest"}],' +
        '"pending":{"offchain":0,"onchain":3},"version":"1.4.0"}\n',
    )
  })

  it.each([
    ['GET', '/nothing', 404],
    ['GET', '/__proto__', 404],
    ['POST', '/info', 405],
    ['HEAD', '/health', 200],
  ])('answers %s %s with %i', async (method, path, status) => {
    const { port } = await open()

    expect((await fetch(`http://127.0.0.1:${port}${path}`, { method })).status).toBe(status)
  })

  it('says when the port is taken', async () => {
    const { port } = await open()

    const error = await caught(open(port))

    expect(error.code).toBe('PORT_IN_USE')
    expect(error.details).toMatchObject({ port })
  })
})
