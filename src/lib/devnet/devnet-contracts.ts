import { getCreateAddress } from 'ethers/address'
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { feeArtifact } from '../abi/fee.js'
import { inboxArtifact } from '../abi/inbox.js'
import { infernetRegistryArtifact } from '../abi/infernet-registry.js'
import { readerArtifact } from '../abi/reader.js'
import { testTokenArtifact } from '../abi/test-token.js'
import { walletFactoryArtifact } from '../abi/wallet-factory.js'
import type { ContractArtifact } from '../chain/artifact.js'
import { coreContracts, type WantedContract } from '../deploy/contracts.js'
import type { ContractName } from '../deploy/record.js'
import type { Address } from '../hex.js'

/** A contract of the devnet: its address follows from who deploys it and in which place. */
export interface DevnetContract {
  readonly wanted: WantedContract
  readonly deployer: Address
  readonly nonce: number
  readonly address: Address
}

/**
 * Where the chain of Ritual's starter kit has them, so that configurations written for it work here unchanged. They
 * follow from deployer and nonces; stated to be checked.
 */
export const STARTER_KIT_ADDRESSES: Readonly<Partial<Record<ContractName, Address>>> = {
  InfernetRegistry: '0x663F3ad617193148711d28f5334eE4Ed07016602',
  EIP712Coordinator: '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1',
  Inbox: '0x8438Ad1C834623CfF278AB6829a248E37C2D7E3f',
  Reader: '0xBC9129Dc0487fc2E169941C75aABC539f208fb01',
  Fee: '0x6e989C01a3e3A94C973A62280a72EC335598490e',
  WalletFactory: '0xF6168876932289D073567f347121A267095f3DD6',
}

/** The wallet that the starter kit's chain gives its node: the first one of the factory. */
export const STARTER_KIT_NODE_WALLET: Address = '0x60985ee8192B322c3CAbA97A9A9f7298bdc4335C'

/** The starter kit's chain takes no protocol fee. */
const PROTOCOL_FEE_BPS = '0'

/** The contracts of Infernet; the registry comes first and is told the addresses of the others in advance. */
export function infernetContracts(deployer: Address): DevnetContract[] {
  const at = (nonce: number) => getCreateAddress({ from: deployer, nonce }) as Address
  const registry = at(0)
  const parts: [ContractName, ContractArtifact, string[]][] = [
    ['InfernetRegistry', infernetRegistryArtifact, [at(1), at(2), at(3), at(4), at(5)]],
    ['EIP712Coordinator', eip712CoordinatorArtifact, [registry]],
    ['Inbox', inboxArtifact, [registry]],
    ['Reader', readerArtifact, [registry]],
    ['Fee', feeArtifact, [deployer, PROTOCOL_FEE_BPS]],
    ['WalletFactory', walletFactoryArtifact, [registry]],
  ]
  return parts.map(([name, artifact, args], nonce) => ({
    wanted: { name, artifact, args, creates: [] },
    deployer,
    nonce,
    address: at(nonce),
  }))
}

/** The test token and FLock's core, with the owner as treasury. */
export function flockContracts(owner: Address): DevnetContract[] {
  const at = (nonce: number) => getCreateAddress({ from: owner, nonce }) as Address
  const token: WantedContract = {
    name: 'PaymentToken',
    artifact: testTokenArtifact,
    args: ['Test FLOCK', 'tFLOCK'],
    creates: [],
  }
  const core = coreContracts({ owner, treasury: owner, paymentToken: at(0), stakeToken: at(0) })
  return [token, ...core].map((wanted, nonce) => ({ wanted, deployer: owner, nonce, address: at(nonce) }))
}
