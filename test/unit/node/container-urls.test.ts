import { describe, expect, it } from '@jest/globals'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { containerUrls } from '../../../src/lib/node/container-urls.js'
import { caught } from '../../helpers/caught.js'

function urlsOf(containers: object[], overrides: Record<string, string> = {}) {
  const { config } = parseNodeConfig({ manage_containers: false, containers })
  return Object.fromEntries(containerUrls(config.containers, { host: 'localhost', overrides }))
}

describe('containerUrls', () => {
  it('uses the port on the local host, and the url where there is one', () => {
    const urls = urlsOf([
      { id: 'a', port: 3001 },
      { id: 'b', url: 'https://models.internal/base/' },
    ])

    expect(urls).toEqual({ a: 'http://localhost:3001', b: 'https://models.internal/base' })
  })

  it('moves containers that share a port to free ones from 3999 downwards', () => {
    const urls = urlsOf([{ id: 'a' }, { id: 'b' }, { id: 'c', port: 3999 }, { id: 'd' }])

    expect(urls).toEqual({
      a: 'http://localhost:3000',
      b: 'http://localhost:3998',
      c: 'http://localhost:3999',
      d: 'http://localhost:3997',
    })
  })

  it('prefers an override to the configuration', () => {
    expect(urlsOf([{ id: 'a', url: 'http://other' }], { a: 'http://127.0.0.1:9000/' })).toEqual({
      a: 'http://127.0.0.1:9000',
    })
  })

  it('refuses an override of a container that is not configured', async () => {
    const error = await caught(() => urlsOf([{ id: 'flock-workflow' }], { 'flock-workflw': 'http://x' }))

    expect(error.code).toBe('USAGE_INVALID')
    expect(error.hint).toContain('flock-workflow')
  })
})
