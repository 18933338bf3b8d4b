import type { ContractName } from '../../deploy/record.js'
import type { Devnet } from '../../devnet/devnet.js'
import type { DevnetAccount } from '../../devnet/accounts.js'
import type { Address } from '../../hex.js'
import { pairLines, tableLines } from './table.js'

/** A running devnet. The keys are public. */
export interface DevnetJson {
  readonly chainId: number
  readonly rpcUrl: string
  readonly port: number
  readonly recordFile: string
  readonly restored: boolean
  readonly nodeWallet: Address
  readonly contracts: Readonly<Partial<Record<ContractName, Address>>>
  readonly accounts: readonly DevnetAccount[]
}

export function devnetJson(devnet: Devnet): DevnetJson {
  const { chainId, rpcUrl, port, recordFile, isRestored, nodeWallet, accounts, contracts } = devnet
  return {
    chainId,
    rpcUrl,
    port,
    recordFile,
    restored: isRestored,
    nodeWallet,
    contracts,
    accounts,
  }
}

/** Where the chain is, what stands on it, and who can sign. */
export function devnetLines(devnet: DevnetJson, width: number | null): string[] {
  const contracts = [...Object.entries(devnet.contracts), ['Wallet of the node', devnet.nodeWallet]] as const
  return [
    ...pairLines([
      ['RPC', devnet.rpcUrl],
      ['Chain', `${devnet.chainId}${devnet.restored ? ', as kept by the last run' : ''}`],
      ['Record', devnet.recordFile],
    ]),
    '',
    ...tableLines(
      contracts,
      [
        { header: 'CONTRACT', value: ([name]) => name ?? '' },
        { header: 'ADDRESS', value: ([, address]) => address ?? '' },
      ],
      width,
    ),
    '',
    ...tableLines(
      devnet.accounts,
      [
        { header: '#', value: ({ index }) => String(index), align: 'right' },
        { header: 'ROLE', value: ({ role }) => role },
        { header: 'ADDRESS', value: ({ address }) => address },
        { header: 'PRIVATE KEY', value: ({ privateKey }) => privateKey },
      ],
      width,
    ),
  ]
}
