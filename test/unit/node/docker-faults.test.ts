import { describe, expect, it } from '@jest/globals'
import { engineFault } from '../../../src/lib/node/docker-faults.js'

const faultOf = (error: object) => engineFault(Object.assign(new Error('raw'), error), 'start a', '/s')

describe('engineFault', () => {
  it.each(['EACCES', 'EPERM'])('names the group of the socket for %s', (code) => {
    const { code: found, hint } = faultOf({ code })

    expect(found).toBe('DOCKER_MISSING')
    expect(hint).toContain('group docker')
  })

  it.each([
    [{ name: 'AbortError' }, 'no Docker engine answers on /s in time.'],
    [{ code: 'ECONNREFUSED' }, 'no Docker engine answers on /s (ECONNREFUSED).'],
    [{}, 'no Docker engine answers on /s (raw).'],
  ])('says why nobody answers: %j', (error, message) => {
    expect(faultOf(error).message).toContain(message)
  })

  it.each([
    [{ statusCode: 500, json: { message: ' out of disk. ' } }, 'out of disk.'],
    [{ statusCode: 400, json: null }, 'raw.'],
    [{ statusCode: 502, json: Buffer.from('bad gateway') }, 'raw.'],
  ])('repeats what the engine says: %j', (error, reason) => {
    const { code, message } = faultOf(error)

    expect(code).toBe('DOCKER_FAILED')
    expect(message).toBe(`The Docker engine does not start a: ${reason}`)
  })
})
