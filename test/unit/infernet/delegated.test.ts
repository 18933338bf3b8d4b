import { describe, expect, it } from '@jest/globals'
import { SigningKey } from 'ethers/crypto'
import { ZERO_ADDRESS } from '../../../src/lib/hex.js'
import { containerIdOf } from '../../../src/lib/infernet/container-id.js'
import {
  type DelegateSubscription,
  delegateDigest,
  hashDelegateSubscription,
  hashSubscription,
  recoverDelegateSigner,
  signDelegateSubscription,
} from '../../../src/lib/infernet/delegated.js'

const key = new SigningKey('0x00000000000000000000000000000000000000000000000000000000000a11ce')
const signer = '0xe05fcC23807536bEe418f142D19fa0d21BB0cfF7'
const domain = { chainId: 31337, coordinator: '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1' } as const

const oneOff: DelegateSubscription = {
  nonce: 5,
  expiry: 4_102_444_800,
  subscription: {
    owner: '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e',
    activeAt: 1_700_000_000,
    period: 0,
    frequency: 1,
    redundancy: 1,
    containerId: containerIdOf(['some-llm']),
    lazy: false,
    verifier: ZERO_ADDRESS,
    paymentAmount: 0n,
    paymentToken: ZERO_ADDRESS,
    wallet: ZERO_ADDRESS,
  },
}
const everyField: DelegateSubscription = {
  nonce: 7,
  expiry: 4_102_444_800,
  subscription: {
    owner: '0x8cDbD76bB6Cf0293e07deEEEd460cf579873aF44',
    activeAt: 1_700_000_000,
    period: 3600,
    frequency: 24,
    redundancy: 3,
    containerId: containerIdOf(['A', 'B', 'C']),
    lazy: true,
    verifier: '0x1111111111111111111111111111111111111111',
    paymentAmount: 1_000_000_000_000_000_000n,
    paymentToken: '0x2222222222222222222222222222222222222222',
    wallet: '0x3333333333333333333333333333333333333333',
  },
}

describe('delegated subscriptions', () => {
  it.each([
    {
      vector: 'A, one-off and unpaid',
      delegated: oneOff,
      subHash: '0xab551d6d1de1a20fc934974513cdc6493012c34726b55caf393306ea8c0507a2',
      structHash: '0x5bc692576ffe456af88c89c8117d0d12c7a757881c955eb17b4015b826d76997',
      digest: '0x4839d780e28027ce2498a37e605d209536e29181f27f9c259d774c1d07f718f9',
      r: '0xf7d29afd32a7284a61f8e59749d586b8c9acb35f40b401f54c310110442bdde9',
      s: '0x4fc79332c48fb402b9871945004f2302d06e3c653f7ced3cbed40a72e44eb407',
    },
    {
      vector: 'B, all fields set',
      delegated: everyField,
      subHash: '0xe7b4709519a58853cb9aafc8a422b6fe6669a3bce69d38846d32b3c567a3a551',
      structHash: '0x039d611df96dd457076f91e99681659bfa2ee6da28cae9dd1dbdb7f0dbea2ff2',
      digest: '0x3cb1212435bdd19f12a640c27987f0acaeeb278b6a2345b3243f96494bff5a60',
      r: '0x423d46e242ea5897ce452b948c1c7953008ca5a3470a503afec5b82afcdc9f12',
      s: '0x6225f74ae1cb6d735467a988d2a6d3b2cb3d8b69a24b85e44bcc1e6e85c452cd',
    },
  ] as const)(
    'are hashed and signed as vector $vector',
    ({ delegated, subHash, structHash, digest, r, s }) => {
      expect(hashSubscription(delegated.subscription)).toBe(subHash)
      expect(hashDelegateSubscription(delegated)).toBe(structHash)
      expect(delegateDigest(delegated, domain)).toBe(digest)

      const signature = signDelegateSubscription(delegated, domain, key)

      expect(signature).toEqual({ v: 28, r, s })
      expect(recoverDelegateSigner(delegated, domain, signature)).toBe(signer)
    },
  )

  it('recover another account when the nonce, the chain or the Coordinator differs', () => {
    const signature = signDelegateSubscription(oneOff, domain, key)

    expect(recoverDelegateSigner({ ...oneOff, nonce: 6 }, domain, signature)).not.toBe(signer)
    expect(recoverDelegateSigner(oneOff, { ...domain, chainId: 1 }, signature)).not.toBe(signer)
    expect(recoverDelegateSigner(oneOff, { ...domain, coordinator: signer }, signature)).not.toBe(signer)
  })

  it('recover the signer of a high-s signature, which the Coordinator takes too', () => {
    const { r, s } = signDelegateSubscription(oneOff, domain, key)
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const high = (order - BigInt(s)).toString(16).padStart(64, '0')

    expect(recoverDelegateSigner(oneOff, domain, { v: 27, r, s: `0x${high}` })).toBe(signer)
  })

  it.each([
    ['v is 5', { v: 5 }],
    ['v is 0', { v: 0 }],
    ['r is zero', { r: `0x${'00'.repeat(32)}` }],
    ['r is too short', { r: '0x01' }],
    ['s is no hex', { s: '0xzz' }],
  ] as const)('refuse a signature whose %s', (_what, change) => {
    const signature = { ...signDelegateSubscription(oneOff, domain, key), ...change }

    expect(() => recoverDelegateSigner(oneOff, domain, signature)).toThrow(
      expect.objectContaining({ code: 'USAGE_INVALID' }),
    )
  })
})
