import { describe, expect, it } from '@jest/globals'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { createOffchainGuard } from '../../../src/lib/node/offchain-guard.js'

const { config } = parseNodeConfig({
  manage_containers: false,
  containers: [
    { id: 'open' },
    { id: 'proving', generates_proofs: true },
    { id: 'inner', external: false, allowed_ips: ['10.0.0.9/24'] },
    { id: 'mine', allowed_ips: ['127.0.0.1', '2001:db8::/32'] },
  ],
})
const guard = createOffchainGuard(config.containers)

describe('createOffchainGuard', () => {
  it('gives the containers in the order they run', () => {
    const verdict = guard({ containers: ['open', 'inner', 'open'], requiresProof: false }, '10.0.0.1')

    expect('containers' in verdict && verdict.containers.map(({ id }) => id)).toEqual([
      'open',
      'inner',
      'open',
    ])
  })

  it.each<[string[], boolean, string, string, object]>([
    [[], true, '1.1.1.1', 'No containers specified', {}],
    [['open', 'other'], false, '1.1.1.1', 'Container not supported', { container: 'other' }],
    [['__proto__'], false, '1.1.1.1', 'Container not supported', { container: '__proto__' }],
    [['inner', 'other'], true, '1.1.1.1', 'Container not supported', { container: 'other' }],
    [['inner'], true, '1.1.1.1', 'First container must be external', { first_container: 'inner' }],
    [['mine', 'open'], true, '1.1.1.1', 'Container does not generate proof', { container: 'open' }],
    [
      ['mine', 'proving'],
      true,
      '1.1.1.1',
      'Container not allowed for address',
      { container: 'mine', address: '1.1.1.1' },
    ],
    [
      ['open', 'inner'],
      false,
      '10.0.1.1',
      'Container not allowed for address',
      { container: 'inner', address: '10.0.1.1' },
    ],
  ])('refuses %j (proof: %s) from %s: %s', (containers, requiresProof, client, error, params) => {
    expect(guard({ containers, requiresProof }, client)).toEqual({ refusal: { error, params } })
  })

  it.each(['127.0.0.1', '2001:db8:7::1'])('lets %s in, which is on the list', (client) => {
    expect(guard({ containers: ['mine'], requiresProof: false }, client)).toHaveProperty('containers')
  })

  it('looks for proofs at the last container alone', () => {
    expect(guard({ containers: ['open', 'proving'], requiresProof: true }, '1.1.1.1')).toHaveProperty(
      'containers',
    )
  })
})
