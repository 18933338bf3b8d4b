import { describe, expect, it } from '@jest/globals'
import {
  countNodeEvent,
  nodeEventRecord,
  nodeReadyLine,
  type NodeStartJson,
} from '../../../../src/lib/cli/views/node.js'
import type { NodeEvent } from '../../../../src/lib/node/events.js'

const NODE: NodeStartJson = {
  address: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  chainId: 31_337,
  coordinator: '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1',
  containers: ['a', 'b'],
  port: 4000,
  delivered: 0,
  closed: {},
}

function closed(reason: Extract<NodeEvent, { type: 'intervalClosed' }>['reason']): NodeEvent {
  return { type: 'intervalClosed', id: 1, interval: 1, reason, message: 'why' }
}

describe('nodeReadyLine', () => {
  it('names account, containers, chain and port', () => {
    expect(nodeReadyLine(NODE)).toBe(
      'Node 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 serves a, b on chain 31337; REST on port 4000',
    )
  })

  it('says when no container is configured', () => {
    expect(nodeReadyLine({ ...NODE, containers: [] })).toContain('serves no containers')
  })
})

describe('countNodeEvent', () => {
  it('counts deliveries, and other ends by their reason', () => {
    const delivered: NodeEvent = {
      type: 'delivered',
      id: 1,
      interval: 1,
      txHash: '0x',
      blockNumber: 1,
      gasUsed: 1n,
    }
    const events = [
      delivered,
      closed('raceLost'),
      closed('raceLost'),
      closed('filled'),
      { type: 'stopped' } as const,
    ]

    const result = events.reduce(countNodeEvent, NODE)

    expect(result).toEqual({ ...NODE, delivered: 1, closed: { raceLost: 2, filled: 1 } })
  })
})

describe('nodeEventRecord', () => {
  it.each<[NodeEvent, string]>([
    [{ type: 'stopped' }, 'info'],
    [{ type: 'intervalStarted', id: 1, interval: 1 }, 'debug'],
    [{ type: 'subscriptionDropped', id: 1, reason: 'containersUnknown', message: 'm' }, 'debug'],
    [{ type: 'subscriptionDropped', id: 1, reason: 'gaveUp', message: 'm' }, 'warn'],
    [closed('raceLost'), 'info'],
    [closed('containerFailed'), 'warn'],
    [{ type: 'rpcFailed', code: 'RPC_UNREACHABLE', message: 'm', retryInMs: 1 }, 'warn'],
  ])('gives %j level %s', (event, level) => {
    expect(nodeEventRecord(event).level).toBe(level)
  })

  it('takes what could move a cursor out of the words of strangers', () => {
    const record = nodeEventRecord({
      type: 'subscriptionDropped',
      id: 7,
      reason: 'gaveUp',
      message: 'refused: \u001b[2Jall is well\nreally',
    })

    expect(record.fields).toEqual({ id: 7, reason: 'gaveUp', message: 'refused: [2Jall is well really' })
  })
})
