import { describe, expect, it } from '@jest/globals'
import { recoverDelegateSigner } from '../../../src/lib/infernet/delegated.js'
import { delegateSignatureOf, parseDelegatedRequest } from '../../../src/lib/infernet/delegated-request.js'

/** Vector A of the protocol's specification, as `infernet-client` posts it. */
const R = '112093381178808550316484284171158646739120368854229973066181922825115248877033'
const S = '36085333529379579954401165984502010237944169569973594677793132985983060325383'
const ZERO = '0x0000000000000000000000000000000000000000'
const FIELDS: Readonly<Record<string, string>> = {
  owner: '"0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e"',
  active_at: '1700000000',
  period: '0',
  frequency: '1',
  redundancy: '1',
  containers: '"0x868f8afd42a93e57411cfaf733cfc007fdff4a069be48020ca20d6ed7be02d7e"',
  lazy: 'false',
  verifier: `"${ZERO}"`,
  payment_amount: '0',
  payment_token: `"${ZERO}"`,
  wallet: `"${ZERO}"`,
}
const SIGNATURE: Readonly<Record<string, string>> = { nonce: '5', expiry: '4102444800', v: '28', r: R, s: S }

function render(members: Readonly<Record<string, string | undefined>>): string {
  const written = Object.entries(members).filter(([, text]) => text !== undefined)
  return `{${written.map(([name, text]) => `${JSON.stringify(name)}: ${text}`).join(', ')}}`
}

interface Changes {
  readonly signature?: Readonly<Record<string, string | undefined>>
  readonly subscription?: Readonly<Record<string, string | undefined>>
  readonly body?: Readonly<Record<string, string | undefined>>
}

function bodyWith({ signature, subscription, body }: Changes = {}): string {
  return render({
    signature: render({ ...SIGNATURE, ...signature }),
    subscription: render({ ...FIELDS, ...subscription }),
    data: '{"prompt": "hi", "big": 123456789012345678901234567890}',
    ...body,
  })
}

describe('parseDelegatedRequest', () => {
  it('reads integers of 78 digits so that the signer is recovered', () => {
    const request = parseDelegatedRequest(bodyWith())

    expect(request.signature).toEqual({ v: 28, r: BigInt(R), s: BigInt(S) })
    const signer = recoverDelegateSigner(
      request,
      { chainId: 31337, coordinator: '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1' },
      delegateSignatureOf(request),
    )
    expect(signer).toBe('0xe05fcC23807536bEe418f142D19fa0d21BB0cfF7')
  })

  it('keeps the data as it is written', () => {
    expect(parseDelegatedRequest(bodyWith()).dataJson).toBe(
      '{"prompt": "hi", "big": 123456789012345678901234567890}',
    )
  })

  it('pads r and s to words', () => {
    const request = parseDelegatedRequest(bodyWith({ signature: { r: '1', s: '0' } }))

    expect(delegateSignatureOf(request)).toEqual({
      v: 28,
      r: `0x${'0'.repeat(63)}1`,
      s: `0x${'0'.repeat(64)}`,
    })
  })

  it('checksums addresses of any casing and takes a hash without 0x', () => {
    const { subscription } = parseDelegatedRequest(
      bodyWith({
        subscription: {
          owner: '"0x13d69cf7d6ce4218f646b759dcf334d82c023d8e"',
          containers: '"868F8AFD42A93E57411CFAF733CFC007FDFF4A069BE48020CA20D6ED7BE02D7E"',
        },
      }),
    )

    expect(subscription.owner).toBe('0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e')
    expect(subscription.containerId).toBe(
      '0x868f8afd42a93e57411cfaf733cfc007fdff4a069be48020ca20d6ed7be02d7e',
    )
  })

  it.each([
    [undefined, false],
    ['null', false],
    ['false', false],
    ['true', true],
  ])('reads requires_proof %s as %s', (text, requiresProof) => {
    expect(parseDelegatedRequest(bodyWith({ body: { requires_proof: text } })).requiresProof).toBe(
      requiresProof,
    )
  })

  it.each<[string, Changes, string]>([
    ['no signature', { body: { signature: undefined } }, '`signature`'],
    ['a signature that is a list', { body: { signature: '[]' } }, '`signature`'],
    ['no data', { body: { data: undefined } }, '`data`'],
    ['data that are a list', { body: { data: '[1]' } }, '`data`'],
    ['a proof flag that is a number', { body: { requires_proof: '1' } }, '`requires_proof`'],
    ['no nonce', { signature: { nonce: undefined } }, '`signature.nonce`'],
    ['an expiry beyond uint32', { signature: { expiry: '4294967296' } }, '`signature.expiry`'],
    ['r as text', { signature: { r: `"${R}"` } }, '`signature.r`'],
    ['r with an exponent', { signature: { r: '1e77' } }, '`signature.r`'],
    ['s beyond 256 bits', { signature: { s: '9'.repeat(78) } }, '`signature.s`'],
    ['s of a million digits', { signature: { s: '9'.repeat(1_000_000) } }, '`signature.s`'],
    ['a negative v', { signature: { v: '-1' } }, '`signature.v`'],
    [
      'an owner with a wrong checksum',
      { subscription: { owner: '"0x13D69cf7d6CE4218F646B759Dcf334D82c023d8e"' } },
      '`subscription.owner`',
    ],
    ['a wallet that is null', { subscription: { wallet: 'null' } }, '`subscription.wallet`'],
    ['a list of containers', { subscription: { containers: '["a"]' } }, '`subscription.containers`'],
    ['a short hash', { subscription: { containers: '"0x12"' } }, '`subscription.containers`'],
    ['lazy as a number', { subscription: { lazy: '0' } }, '`subscription.lazy`'],
    ['a redundancy beyond uint16', { subscription: { redundancy: '65536' } }, '`subscription.redundancy`'],
  ])('refuses %s', (_, changes, field) => {
    expect(() => parseDelegatedRequest(bodyWith(changes))).toThrow(
      expect.objectContaining({ code: 'TASK_INVALID', message: expect.stringContaining(field) as unknown }),
    )
  })
})
