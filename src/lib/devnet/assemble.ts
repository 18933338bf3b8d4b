/** Puts Infernet, FLock and test tokens on a fresh local chain, or finds them on one that was kept. */
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { testTokenArtifact } from '../abi/test-token.js'
import { walletFactoryArtifact } from '../abi/wallet-factory.js'
import type { ContractArtifact } from '../chain/artifact.js'
import { encodeCall, encodeDeploy, parseLogs, readCodeHash, readContract } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import { createSigner, type ChainSigner } from '../chain/signer.js'
import { sendTransaction } from '../chain/transact.js'
import type { MinedTransaction } from '../chain/wait.js'
import type { ContractRef } from '../deploy/contracts.js'
import { describeDeployed } from '../deploy/describe.js'
import { inputHashOf } from '../deploy/plan.js'
import {
  contractList,
  deployedAddress,
  withContracts,
  type ContractName,
  type DeployedContract,
  type DeploymentRecord,
} from '../deploy/record.js'
import { FlockError } from '../errors.js'
import { sameAddress, type Address, type Hex } from '../hex.js'
import type { DevnetAccount, DevnetRole } from './accounts.js'
import {
  flockContracts,
  infernetContracts,
  STARTER_KIT_ADDRESSES,
  STARTER_KIT_NODE_WALLET,
  type DevnetContract,
} from './devnet-contracts.js'

/** Test tokens of every account, in base units: a million. */
const TOKENS_PER_ACCOUNT = 1_000_000n * 10n ** 18n

/** A local chain answers in milliseconds; this bounds a hung one. */
const STEP_TIMEOUT_MS = 30_000

interface Workshop {
  readonly chain: Chain
  readonly accounts: readonly DevnetAccount[]
  readonly signal?: AbortSignal
}

/**
 * Deploys everything, in the order that gives the known addresses.
 * @param record an empty one
 */
export async function assembleDevnet(
  workshop: Workshop,
  record: DeploymentRecord,
): Promise<DeploymentRecord> {
  const owner = signerOf(workshop, 'owner')
  const deployer = signerOf(workshop, 'infernet-deployer')
  // Two accounts, two rows of nonces: they do not wait for each other.
  const [infernet, flock] = await Promise.all([
    assembleInfernet(workshop, deployer),
    deployInOrder(workshop, owner, flockContracts(owner.address)),
  ])
  const assembled = withContracts(withContracts(record, infernet), flock)
  await prepareFlock(workshop, owner, assembled)
  return assembled
}

/**
 * The record of a chain that was kept: what an earlier record says of contracts that still stand, completed by what
 * must stand where on a devnet.
 * @throws CHAIN_START_FAILED when the chain is no devnet
 */
export async function recoverDevnet(
  { chain, accounts }: Workshop,
  previous: DeploymentRecord,
): Promise<DeploymentRecord> {
  const expected = [
    ...infernetContracts(accountOf(accounts, 'infernet-deployer').address),
    ...flockContracts(accountOf(accounts, 'owner').address),
  ]
  const known = new Map(expected.map(({ wanted, address }) => [wanted.name, address]))
  // One after the other, so that the same contract is named whatever the order in which answers arrive.
  const found: (readonly [ContractName, DeployedContract])[][] = []
  for (const contract of expected) found.push(await recover(chain, contract, known))
  const standing = await Promise.all(
    contractList(previous.contracts).map(async ({ name, ...contract }) => {
      const isSame = (await readCodeHash(chain, contract.address)) === contract.codeHash
      return isSame ? [[name, contract] as const] : []
    }),
  )
  return withContracts(
    withContracts({ ...previous, contracts: {} }, Object.fromEntries(found.flat())),
    Object.fromEntries(standing.flat()),
  )
}

async function assembleInfernet(
  workshop: Workshop,
  signer: ChainSigner,
): Promise<Partial<Record<ContractName, DeployedContract>>> {
  const contracts = await deployInOrder(workshop, signer, infernetContracts(signer.address))
  for (const [name, address] of Object.entries(STARTER_KIT_ADDRESSES)) {
    requireAddress(name, contracts[name as ContractName]?.address, address)
  }
  const node = accountOf(workshop.accounts, 'infernet-node').address
  const factory = contracts.WalletFactory?.address as Address
  const { logs } = await call(workshop, signer, walletFactoryArtifact, factory, 'createWallet', [node])
  const created = parseLogs(walletFactoryArtifact, logs)[0]?.args['wallet']
  requireAddress('the node wallet', created as Address | undefined, STARTER_KIT_NODE_WALLET)
  return contracts
}

async function deployInOrder(
  workshop: Workshop,
  signer: ChainSigner,
  contracts: readonly DevnetContract[],
): Promise<Partial<Record<ContractName, DeployedContract>>> {
  const { chain, signal } = workshop
  const known = new Map(contracts.map(({ wanted, address }) => [wanted.name, address]))
  const deployed: Partial<Record<ContractName, DeployedContract>> = {}
  for (const { wanted } of contracts) {
    const args = wanted.args.map((arg) => (typeof arg === 'string' ? arg : addressOf(arg, known)))
    const mined = await send(workshop, signer, null, encodeDeploy(wanted.artifact, args), [wanted.artifact])
    Object.assign(deployed, await describeDeployed(chain, wanted, args, mined, signal))
  }
  return deployed
}

/** Names the attester and gives every account its tokens. */
async function prepareFlock(workshop: Workshop, owner: ChainSigner, record: DeploymentRecord): Promise<void> {
  const attester = accountOf(workshop.accounts, 'attester').address
  const distributor = deployedAddress(record, 'RewardDistributor')
  const token = deployedAddress(record, 'PaymentToken')
  const work = [
    call(workshop, owner, rewardDistributorArtifact, distributor, 'setAttester', [attester, true]),
    ...workshop.accounts.map(({ address }) =>
      call(workshop, owner, testTokenArtifact, token, 'mint', [address, TOKENS_PER_ACCOUNT]),
    ),
  ]
  await Promise.all(work)
}

async function recover(
  chain: Chain,
  { wanted, address, deployer }: DevnetContract,
  known: ReadonlyMap<ContractName, Address>,
): Promise<(readonly [ContractName, DeployedContract])[]> {
  const codeHash = await readCodeHash(chain, address)
  if (codeHash === null) throw notDevnet(wanted.name, address)
  const origin = { txHash: null, blockNumber: 0, deployer }
  const args = wanted.args.map((arg) => (typeof arg === 'string' ? arg : addressOf(arg, known)))
  const own = { address, ...origin, args, codeHash, inputHash: inputHashOf(wanted, args) }
  const children = await Promise.all(
    wanted.creates.map(async ({ name, getter }) => {
      const child = await readContract<Address>(chain, wanted.artifact, address, getter)
      const childHash = await readCodeHash(chain, child)
      if (childHash === null) throw notDevnet(name, child)
      return [name, { address: child, ...origin, args: [], codeHash: childHash }] as const
    }),
  )
  return [[wanted.name, own], ...children]
}

function call(
  workshop: Workshop,
  signer: ChainSigner,
  artifact: ContractArtifact,
  to: Address,
  fn: string,
  args: readonly unknown[],
): Promise<MinedTransaction> {
  return send(workshop, signer, to, encodeCall(artifact, fn, args), [artifact])
}

function send(
  { chain, signal }: Workshop,
  signer: ChainSigner,
  to: Address | null,
  data: Hex,
  revertInterfaces: readonly ContractArtifact[],
): Promise<MinedTransaction> {
  const options = { confirmations: 1, timeoutMs: STEP_TIMEOUT_MS, revertInterfaces }
  return sendTransaction(chain, signer, { to, data }, signal === undefined ? options : { ...options, signal })
}

function signerOf({ chain, accounts }: Workshop, role: DevnetRole): ChainSigner {
  return createSigner(accountOf(accounts, role).privateKey, chain)
}

/** The first account of a role. */
export function accountOf(accounts: readonly DevnetAccount[], role: DevnetRole): DevnetAccount {
  const account = accounts.find((candidate) => candidate.role === role)
  if (account !== undefined) return account
  throw new FlockError('INTERNAL', `The devnet has no account for the role ${role}.`)
}

function addressOf(ref: ContractRef, known: ReadonlyMap<ContractName, Address>): Address {
  const address = known.get(ref.contract)
  if (address !== undefined) return address
  throw new FlockError('INTERNAL', `The devnet deploys ${ref.contract} too late.`)
}

function requireAddress(what: string, actual: Address | undefined, expected: Address): void {
  if (actual !== undefined && sameAddress(actual, expected)) return
  throw new FlockError('INTERNAL', `${what} stands at ${actual ?? 'no address'}, expected is ${expected}.`)
}

function notDevnet(name: string, address: Address): FlockError {
  return new FlockError(
    'CHAIN_START_FAILED',
    `The state file holds another chain: no ${name} at ${address}.`,
    {
      details: { contract: name, address },
      hint: 'Name another file with --state, or delete this one to begin anew.',
    },
  )
}
