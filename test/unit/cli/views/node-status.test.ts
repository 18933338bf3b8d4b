import { describe, expect, it } from '@jest/globals'
import { nodeStatusLines } from '../../../../src/lib/cli/views/node-status.js'
import type { NodeStatusJson } from '../../../../src/lib/node/read-status.js'

const AT = '2026-01-02T03:04:05.000Z'
const STATUS: NodeStatusJson = {
  node: {
    address: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    chainId: 31_337,
    coordinator: '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1',
    containers: ['echo', 'other'],
    port: 4000,
  },
  figures: {
    startedAt: AT,
    isSynced: true,
    tracked: 2,
    delivered: 1,
    gasUsed: '100000',
    closed: { raceLost: 3 },
    missed: 4,
    reorgs: 0,
    rpcFaults: 1,
    lastRpcFault: { code: 'RPC_FAILED', message: 'syncing\u001b[31m', at: AT },
    containerFaults: { echo: 5 },
    deliveries: [{ id: 7, interval: 1, txHash: '0xabcdef', blockNumber: 16, gasUsed: '100000', at: AT }],
  },
  underWay: 1,
  journal: { accepted: 2, open: 1, signed: 1, lastId: 9 },
  probe: {
    blockNumber: 16,
    headAgeSec: 2,
    latencyMs: 11,
    balance: '1500000000000000000',
    walletBalance: '1',
    fault: null,
  },
}

describe('nodeStatusLines', () => {
  it('tells what is served, done, owned, and how the endpoint is', () => {
    const lines = nodeStatusLines(STATUS, null)

    expect(lines).toEqual([
      'node           0x70997970C51812dc3A010C7d01b50e0d17dc79C8 on chain 31337',
      'containers     echo, other',
      `since          ${AT}`,
      'subscriptions  2 served, ids judged up to 9',
      'jobs           1 under way, 1 answers not confirmed (1 signed)',
      'intervals      1 delivered (100000 gas), 3 raceLost, 4 missed',
      'balance        1.5 ETH, payment wallet 0.000000000000000001 ETH',
      `rpc            block 16, 2 s old, 11 ms a call; 1 faults, the last at ${AT}: syncing[31m`,
      'container echo failed 5 times',
      '',
      'DELIVERED                 ID  INTERVAL  BLOCK     GAS  TRANSACTION',
      '2026-01-02T03:04:05.000Z   7         1     16  100000  0xabcdef',
    ])
  })

  it('says what is not known', () => {
    const { figures, probe } = STATUS
    const lines = nodeStatusLines(
      {
        ...STATUS,
        node: { ...STATUS.node, containers: [] },
        figures: { ...figures, isSynced: false, startedAt: null, lastRpcFault: null, deliveries: [] },
        journal: { ...STATUS.journal, lastId: null },
        probe: { ...probe, balance: null, walletBalance: null, fault: 'RPC_UNREACHABLE' },
      },
      null,
    )

    expect(lines.slice(1, 4)).toEqual([
      'containers     none',
      'since          not begun, not caught up with the chain',
      'subscriptions  2 served, ids judged up to none',
    ])
    expect(lines.slice(6, 8)).toEqual([
      'balance        unknown',
      'rpc            does not answer (RPC_UNREACHABLE)',
    ])
  })
})
