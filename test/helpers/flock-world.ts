import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { toUtf8Bytes } from 'ethers/utils'
import { eip712CoordinatorArtifact } from '../../src/lib/abi/eip712-coordinator.js'
import { modelHostConsumerArtifact } from '../../src/lib/abi/model-host-consumer.js'
import { testTokenArtifact } from '../../src/lib/abi/test-token.js'
import { usageMeterArtifact } from '../../src/lib/abi/usage-meter.js'
import { planCall, sendCalls, type PlannedCall } from '../../src/lib/chain/calls.js'
import { encodeDeploy, readContract } from '../../src/lib/chain/contracts.js'
import type { Chain } from '../../src/lib/chain/provider.js'
import { createSigner, type ChainSigner } from '../../src/lib/chain/signer.js'
import { sendTransaction } from '../../src/lib/chain/transact.js'
import type { MinedTransaction } from '../../src/lib/chain/wait.js'
import type { DevnetAccount, DevnetRole } from '../../src/lib/devnet/accounts.js'
import { deployedAddress, withContracts, writeDeploymentRecord } from '../../src/lib/deploy/record.js'
import { ZERO_ADDRESS, ZERO_BYTES32, bytesToHex, type Address, type Hex } from '../../src/lib/hex.js'
import { decodeTaskEnvelope, hashTaskEnvelope } from '../../src/lib/infernet/task-envelope.js'
import { buildListing, type Listing, type ModelSource } from '../../src/lib/models/model.js'
import { planRegistration } from '../../src/lib/models/registration.js'
import { readModel } from '../../src/lib/models/registry.js'
import { planRequest, requestFromLogs } from '../../src/lib/models/request.js'
import type { OpenedRequest, RequestChoices } from '../../src/lib/models/request.js'
import { createReceiptKey } from '../../src/lib/usage/receipt-key.js'
import { createReceiptSigner, encodeReceipt, type UsageReceipt } from '../../src/lib/usage/receipt.js'
import { startTestDevnet, type TestDevnet } from './devnet.js'

/** A devnet with the consumer of the model host on it, and hands to work it without a node. */
export interface FlockWorld extends TestDevnet {
  /** The places of the contracts, as commands pass them to the libraries. */
  readonly place: {
    readonly chain: Chain
    readonly modelRegistry: Address
    readonly rewardDistributor: Address
    readonly usageMeter: Address
    readonly stakeVault: Address
    readonly fromBlock: number
  }
  readonly consumer: Address
  readonly paymentToken: Address
  /** The nth account of a role. */
  readonly nth: (role: DevnetRole, index?: number) => DevnetAccount
  readonly signer: (account: DevnetAccount) => ChainSigner
  send(account: DevnetAccount, calls: readonly PlannedCall[]): Promise<readonly MinedTransaction[]>
  /** Registers a model of the model host and returns its id. */
  register(source: ModelSource): Promise<{ modelId: Hex; listing: Listing }>
  ask(modelId: Hex, choices?: Partial<RequestChoices>): Promise<OpenedRequest>
  /** Delivers an answer as a node would; `change` forges the receipt before it is signed. */
  deliver(request: OpenedRequest, delivery: Delivery): Promise<MinedTransaction>
  tokensOf(account: Address): Promise<bigint>
  advance(seconds: number): Promise<void>
}

export interface Delivery {
  readonly answer: string
  readonly promptTokens: bigint
  readonly completionTokens: bigint
  readonly interval?: number
  /** Who delivers; by default the first Infernet node. */
  readonly node?: DevnetAccount
  readonly change?: (receipt: UsageReceipt) => UsageReceipt
  readonly signingKey?: Hex
}

const WAIT = { confirmations: 1, timeoutMs: 20_000 }

export async function createFlockWorld(): Promise<FlockWorld> {
  const test = await startTestDevnet()
  const { chain, devnet, recordDir } = test
  const { record } = devnet
  const nth = (role: DevnetRole, index = 0) => {
    const account = devnet.accounts.filter((candidate) => candidate.role === role)[index]
    if (account === undefined) throw new Error(`there is no ${role} number ${index}`)
    return account
  }
  const signers = new Map<number, ChainSigner>()
  const signer = (account: DevnetAccount) => {
    const known = signers.get(account.index) ?? createSigner(account.privateKey, chain)
    signers.set(account.index, known)
    return known
  }
  const place = {
    chain,
    modelRegistry: deployedAddress(record, 'ModelRegistry'),
    rewardDistributor: deployedAddress(record, 'RewardDistributor'),
    usageMeter: deployedAddress(record, 'UsageMeter'),
    stakeVault: deployedAddress(record, 'StakeVault'),
    fromBlock: 0,
  }
  const paymentToken = deployedAddress(record, 'PaymentToken')
  const coordinator = deployedAddress(record, 'EIP712Coordinator')
  const host = nth('model-host')
  const deployed = await sendTransaction(
    chain,
    signer(host),
    {
      to: null,
      data: encodeDeploy(modelHostConsumerArtifact, [
        deployedAddress(record, 'InfernetRegistry'),
        place.usageMeter,
        host.address,
        host.address,
      ]),
    },
    { ...WAIT, revertInterfaces: [modelHostConsumerArtifact] },
  )
  const consumer = deployed.contractAddress as Address
  writeDeploymentRecord(
    recordDir,
    withContracts(record, {
      ModelHostConsumer: {
        address: consumer,
        txHash: deployed.hash,
        blockNumber: deployed.blockNumber,
        deployer: host.address,
        args: [],
        codeHash: ZERO_BYTES32,
      },
    }),
  )

  const send = async (account: DevnetAccount, calls: readonly PlannedCall[]) => {
    const mined: MinedTransaction[] = []
    for await (const event of sendCalls(chain, signer(account), calls, WAIT)) {
      if (event.type === 'callMined') mined.push(event.transaction)
    }
    return mined
  }
  return {
    ...test,
    place,
    consumer,
    paymentToken,
    nth,
    signer,
    send,
    async register(source) {
      const receiptSigner = nth('receipt-signer').address
      const listing = buildListing(source, { consumer, receiptSigner, metadataHash: ZERO_BYTES32 })
      const wish = { host: host.address, listing, allowUpdate: false, signerGraceSec: 0 }
      const plan = planRegistration(place.modelRegistry, null, wish)
      await send(host, plan.calls)
      return { modelId: plan.modelId, listing }
    },
    async ask(modelId, choices = {}) {
      const requester = nth('requester')
      const model = await readModel(place, modelId)
      if (model === null) throw new Error(`${modelId} is not registered`)
      const plan = await planRequest(place, model, requester.address, {
        payload: 'Which way do the geese fly?',
        intervals: 1,
        periodSec: 0,
        redundancy: 1,
        lazy: false,
        timeoutSec: 3600,
        maxCost: null,
        ...choices,
      })
      const mined = await send(requester, plan.calls)
      const request = requestFromLogs(
        place.usageMeter,
        mined.flatMap(({ logs }) => logs),
      )
      if (request === null) throw new Error('no request was made')
      return request
    },
    async deliver(request, delivery) {
      const { interval = 1, node = nth('infernet-node') } = delivery
      const args = [request.subscriptionId, interval, 0, node.address]
      const input = await readContract<Hex>(
        chain,
        modelHostConsumerArtifact,
        consumer,
        'getContainerInputs',
        args,
      )
      const answer = bytesToHex(toUtf8Bytes(delivery.answer))
      const honest: UsageReceipt = {
        requestId: request.requestId,
        modelId: request.modelId,
        requester: request.requester,
        node: node.address,
        interval,
        inputHash: hashTaskEnvelope(decodeTaskEnvelope(input)),
        outputHash: keccak256(answer) as Hex,
        promptTokens: delivery.promptTokens,
        completionTokens: delivery.completionTokens,
      }
      const receipt = delivery.change?.(honest) ?? honest
      const key = createReceiptKey(delivery.signingKey ?? nth('receipt-signer').privateKey)
      const domain = { chainId: chain.chainId, usageMeter: place.usageMeter }
      const output = AbiCoder.defaultAbiCoder().encode(['bytes', 'bytes'], [answer, encodeReceipt(receipt)])
      const proof = createReceiptSigner(domain, key).sign(receipt)
      const call = planCall(
        'deliver',
        eip712CoordinatorArtifact,
        coordinator,
        'deliverCompute',
        [request.subscriptionId, interval, '0x', output, proof, ZERO_ADDRESS],
        { alsoReverts: [modelHostConsumerArtifact, usageMeterArtifact] },
      )
      const [mined] = await send(node, [call])
      return mined as MinedTransaction
    },
    tokensOf: (account) =>
      readContract<bigint>(chain, testTokenArtifact, paymentToken, 'balanceOf', [account]),
    async advance(seconds) {
      await chain.provider.send('evm_increaseTime', [seconds])
      await chain.provider.send('evm_mine', [])
    },
  }
}
