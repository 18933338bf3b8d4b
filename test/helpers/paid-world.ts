import { walletFactoryArtifact } from '../../src/lib/abi/wallet-factory.js'
import { feeArtifact } from '../../src/lib/abi/fee.js'
import { eip712CoordinatorArtifact } from '../../src/lib/abi/eip712-coordinator.js'
import { infernetRegistryArtifact } from '../../src/lib/abi/infernet-registry.js'
import { walletArtifact } from '../../src/lib/abi/wallet.js'
import type { ContractArtifact } from '../../src/lib/chain/artifact.js'
import { encodeCall, encodeDeploy, parseLogs, readContract } from '../../src/lib/chain/contracts.js'
import { readTokenBalance } from '../../src/lib/chain/erc20.js'
import { createSigner } from '../../src/lib/chain/signer.js'
import { sendTransaction } from '../../src/lib/chain/transact.js'
import type { MinedTransaction } from '../../src/lib/chain/wait.js'
import { ZERO_ADDRESS, type Address, type Hex } from '../../src/lib/hex.js'
import { compile } from '../../contracts/compile.mjs'
import { createNodeWorld, privateKeyOf, type NodeWorld } from './node-world.js'

/** A node world with wallets, a token of six decimals, a verifier, and a consumer that asks in every way. */
export interface PaidWorld extends NodeWorld {
  /** Keeps its last answer, and names `signerKey`'s account as its signer. */
  readonly recorder: Address
  readonly paymentToken: Address
  readonly verifier: Address
  /** The consumer's wallet; its owner is the requester. */
  readonly wallet: Address
  /** The node's wallet; its owner is the node's account. */
  readonly nodeWallet: Address
  /** Account that signs delegated subscriptions. */
  readonly signerKey: Hex
  deploy(artifact: string, args: readonly unknown[]): Promise<Address>
  /** Sends a call from an account of the devnet, by its number. */
  sendTo(
    to: Address,
    artifact: ContractArtifact,
    fn: string,
    args: readonly unknown[],
    from?: number,
  ): Promise<MinedTransaction>
  artifactOf(name: string): ContractArtifact
  /** Creates a subscription of the recorder and returns its id. */
  create(options?: Partial<CreateOptions>): Promise<number>
  /** Lets the recorder spend from its wallet, and fills it. */
  fund(paymentToken: Address, amount: bigint): Promise<void>
  fill(address: Address, paymentToken: Address, amount: bigint): Promise<void>
  balanceOf(address: Address, paymentToken: Address): Promise<bigint>
  read<T>(address: Address, artifact: ContractArtifact, fn: string, args?: readonly unknown[]): Promise<T>
  lastAnswer(): Promise<RecordedAnswer>
}

export interface CreateOptions {
  readonly containers: string
  readonly frequency: number
  readonly period: number
  readonly redundancy: number
  readonly lazy: boolean
  readonly paymentToken: Address
  readonly amount: bigint
  readonly wallet: Address
  readonly verifier: Address
}

export interface RecordedAnswer {
  readonly subscriptionId: bigint
  readonly interval: bigint
  readonly redundancy: bigint
  readonly node: Address
  readonly output: Hex
  readonly proof: Hex
  readonly containerId: Hex
  readonly index: bigint
}

export const NODE = 1
export const REQUESTER = 3
export const SIGNER = 5

const MOCKS = 'contracts/test/mocks/infernet'
const SOURCES = {
  RecordingConsumer: `${MOCKS}/RecordingConsumer.sol`,
  AskingCallbackConsumer: `${MOCKS}/AskingConsumers.sol:AskingCallbackConsumer`,
  ListingConsumer: `${MOCKS}/AskingConsumers.sol:ListingConsumer`,
  SixDecimalsToken: `${MOCKS}/MockTokens.sol:SixDecimalsToken`,
  MockVerifier: `${MOCKS}/MockVerifier.sol`,
}
/** Basis points, taken twice of each payment. */
const FEE_BPS = 500
const FEE_OWNER = 2

export async function createPaidWorld(): Promise<PaidWorld> {
  const world = await createNodeWorld()
  const { chain, registry, coordinator } = world
  const compiled = compile(SOURCES) as Record<string, Omit<ContractArtifact, 'contractName'>>
  const artifactOf = (name: string): ContractArtifact => {
    const found = compiled[name]
    if (found === undefined) throw new Error(`there is no ${name}`)
    return { ...found, contractName: name }
  }
  const signers = new Map(
    [NODE, FEE_OWNER, REQUESTER].map((index) => [index, createSigner(privateKeyOf(index), chain)]),
  )
  const transact = (from: number, to: Address | null, data: Hex, artifact: ContractArtifact, value = 0n) => {
    const signer = signers.get(from)
    if (signer === undefined) throw new Error(`account ${from} does not send here`)
    const revertInterfaces = [artifact, eip712CoordinatorArtifact, walletArtifact]
    return sendTransaction(
      chain,
      signer,
      { to, data, value },
      { confirmations: 1, timeoutMs: 20_000, revertInterfaces },
    )
  }
  const deploy = async (name: string, args: readonly unknown[]) => {
    const mined = await transact(REQUESTER, null, encodeDeploy(artifactOf(name), args), artifactOf(name))
    return mined.contractAddress as Address
  }
  const sendTo: PaidWorld['sendTo'] = (to, artifact, fn, args, from = REQUESTER) =>
    transact(from, to, encodeCall(artifact, fn, args), artifact)
  const place = (name: string) => readContract<Address>(chain, infernetRegistryArtifact, registry, name)
  const createWallet = async (owner: Address) => {
    const factory = await place('WALLET_FACTORY')
    const mined = await sendTo(factory, walletFactoryArtifact, 'createWallet', [owner])
    return parseLogs(walletFactoryArtifact, mined.logs)[0]?.args.wallet as Address
  }
  const addressOf = (index: number) => createSigner(privateKeyOf(index), chain).address

  await sendTo(await place('FEE'), feeArtifact, 'updateFee', [FEE_BPS], FEE_OWNER)
  const recorder = await deploy('RecordingConsumer', [registry, addressOf(SIGNER)])
  const paymentToken = await deploy('SixDecimalsToken', [])
  const verifier = await deploy('MockVerifier', [coordinator])
  const wallet = await createWallet(addressOf(REQUESTER))
  const nodeWallet = await createWallet(addressOf(NODE))
  const fill: PaidWorld['fill'] = async (address, token, amount) => {
    if (token === ZERO_ADDRESS) await transact(REQUESTER, address, '0x', walletArtifact, amount)
    else await sendTo(token, artifactOf('SixDecimalsToken'), 'mint', [address, amount])
  }
  const balanceOf: PaidWorld['balanceOf'] = (address, token) =>
    token === ZERO_ADDRESS ? chain.provider.getBalance(address) : readTokenBalance(chain, token, address)
  const read: PaidWorld['read'] = (address, artifact, fn, args = []) =>
    readContract(chain, artifact, address, fn, args)

  return {
    ...world,
    recorder,
    paymentToken,
    verifier,
    wallet,
    nodeWallet,
    signerKey: privateKeyOf(SIGNER),
    deploy,
    sendTo,
    artifactOf,
    create: async (options = {}) => {
      const { containers = 'echo', frequency = 1, period = 0, redundancy = 1, lazy = false } = options
      const paymentTokenOf = options.paymentToken ?? ZERO_ADDRESS
      const { amount = 0n, wallet: from = wallet, verifier: by = ZERO_ADDRESS } = options
      const args = [containers, frequency, period, redundancy, lazy, paymentTokenOf, amount, from, by]
      const mined = await sendTo(recorder, artifactOf('RecordingConsumer'), 'create', args)
      return Number(parseLogs(eip712CoordinatorArtifact, mined.logs)[0]?.args.id)
    },
    fund: async (token, amount) => {
      await sendTo(wallet, walletArtifact, 'approve', [recorder, token, amount])
      await fill(wallet, token, amount)
    },
    fill,
    balanceOf,
    read,
    lastAnswer: () => read<RecordedAnswer>(recorder, artifactOf('RecordingConsumer'), 'lastAnswer'),
  }
}
