import { describe, expect, it } from '@jest/globals'
import { Interface } from 'ethers/abi'
import { eip712CoordinatorArtifact } from '../../../src/lib/abi/eip712-coordinator.js'
import { encodeDeliverCompute } from '../../../src/lib/node/delivery-call.js'

describe('encodeDeliverCompute', () => {
  it('calls the Coordinator with the answer and the wallet that is paid', () => {
    const coordinator = '0x00000000000000000000000000000000000000C0'
    const nodeWallet = '0x00000000000000000000000000000000000000AB'
    const delivery = { input: '0x01', output: '0x0203', proof: '0x' } as const

    const call = encodeDeliverCompute(
      coordinator,
      nodeWallet,
    )({
      id: 7,
      interval: 2,
      fingerprint: '0x',
      delivery,
    })

    const decoded = new Interface([...eip712CoordinatorArtifact.abi]).parseTransaction(call)
    expect(call.to).toBe(coordinator)
    expect(decoded?.name).toBe('deliverCompute')
    expect(decoded?.args.toArray()).toEqual([7n, 2n, '0x01', '0x0203', '0x', nodeWallet])
  })
})
