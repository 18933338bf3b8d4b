import { AbiCoder, Interface, type JsonFragment } from 'ethers/abi'
import { SigningKey, keccak256 } from 'ethers/crypto'
import { TypedDataEncoder } from 'ethers/hash'
import { toUtf8Bytes } from 'ethers/utils'
import { eip712CoordinatorArtifact } from '../../src/lib/abi/eip712-coordinator.js'
import { emissionProgramArtifact } from '../../src/lib/abi/emission-program.js'
import { modelHostConsumerArtifact } from '../../src/lib/abi/model-host-consumer.js'
import { modelRegistryArtifact } from '../../src/lib/abi/model-registry.js'
import { rewardDistributorArtifact } from '../../src/lib/abi/reward-distributor.js'
import { stakeVaultArtifact } from '../../src/lib/abi/stake-vault.js'
import { testTokenArtifact } from '../../src/lib/abi/test-token.js'
import { usageMeterArtifact } from '../../src/lib/abi/usage-meter.js'
import type { DevnetAccount } from '../../src/lib/devnet/accounts.js'
import { deployedAddress } from '../../src/lib/deploy/record.js'
import { ZERO_ADDRESS, bytesToHex, type Address, type Hex } from '../../src/lib/hex.js'
import { stringifyJson } from '../../src/lib/json.js'
import { signDelegateSubscription } from '../../src/lib/infernet/delegated.js'
import { hashTaskEnvelope, type TaskEnvelope } from '../../src/lib/infernet/task-envelope.js'
import { signAttestation } from '../../src/lib/models/attestation.js'
import type { Contributor } from '../../src/lib/models/contributors.js'
import { createReceiptKey } from '../../src/lib/usage/receipt-key.js'
import { createReceiptSigner, encodeReceipt } from '../../src/lib/usage/receipt.js'
import { createFlockWorld, type FlockWorld } from './flock-world.js'

const ARTIFACTS = {
  token: testTokenArtifact,
  registry: modelRegistryArtifact,
  distributor: rewardDistributorArtifact,
  meter: usageMeterArtifact,
  vault: stakeVaultArtifact,
  emissions: emissionProgramArtifact,
  consumer: modelHostConsumerArtifact,
  coordinator: eip712CoordinatorArtifact,
}

export type Contract = keyof typeof ARTIFACTS

/** A contract call that changes something. */
export interface Call {
  readonly from: Address
  readonly contract: Contract
  readonly fn: string
  readonly args: readonly unknown[]
}

/** What became of a call: the events of the block, or the named error that refused it. */
export type Outcome =
  | { readonly ok: true; readonly events: readonly ChainEvent[] }
  | { readonly ok: false; readonly error: string }

export interface ChainEvent {
  readonly contract: Contract
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

/** A view that takes at most four words and answers with at most five. */
export interface View {
  readonly contract: Contract
  readonly fn: string
  readonly args: readonly unknown[]
}

export interface ModelTerms {
  readonly requestPrice: bigint
  readonly promptPrice: bigint
  readonly completionPrice: bigint
  readonly maxPromptTokens: bigint
  readonly maxCompletionTokens: bigint
  readonly trainingPpm: bigint
  readonly validatorPpm: bigint
}

/** An order as `Usage.sol` has it. */
export interface OrderFields {
  readonly consumer: Address
  readonly modelId: Hex
  readonly requester: Address
  readonly terms: ModelTerms
  readonly payloadHash: Hex
  readonly payloadBytes: number
  readonly deadline: number
  readonly salt: Hex
}

/** One delivered answer. */
export interface Answer {
  readonly node: DevnetAccount
  readonly interval: number
  readonly promptTokens: bigint
  readonly completionTokens: bigint
  /** Length of the answer. */
  readonly outputBytes: bigint
}

/** What a request's receipts name. */
export interface Asked {
  readonly requestId: Hex
  readonly subscriptionId: number
  readonly modelId: Hex
  readonly requester: Address
  readonly terms: ModelTerms
}

/** The contracts on a local chain, with as few round trips for each action as there can be. */
export interface RewardWorld {
  readonly flock: FlockWorld
  readonly addresses: Readonly<Record<Contract, Address>>
  /** Mines the call in a block of its own with that time, which must be later than the block before. */
  send(call: Call, timeSec: number): Promise<Outcome>
  /** All views at the latest block; null where one was refused. */
  read(views: readonly View[]): Promise<(readonly bigint[] | null)[]>
  latestTime(): Promise<number>
  /** Keeps the chain as it is, and returns what brings it back to that. */
  keep(): Promise<() => Promise<void>>
  deliverCall(request: Asked, answer: Answer): Call
  orderCall(order: OrderFields, answer: Answer): Call
  attestCall(table: AttestedTable): Call
  orderDigest(order: OrderFields): Hex
  close(): Promise<void>
}

export interface AttestedTable {
  readonly modelId: Hex
  readonly training: readonly Contributor[]
  readonly validators: readonly Contributor[]
  readonly nonce: bigint
  readonly expiry: number
}

/** Text of every request; with the overhead it bounds prompt tokens. */
export const PROMPT = 'Which way do the geese fly when winter comes to the lake?'
export const CONTAINERS = 'flock-workflow'

const TERMS_FIELDS: { name: keyof ModelTerms; type: string }[] = [
  { name: 'requestPrice', type: 'uint96' },
  { name: 'promptPrice', type: 'uint80' },
  { name: 'completionPrice', type: 'uint80' },
  { name: 'maxPromptTokens', type: 'uint32' },
  { name: 'maxCompletionTokens', type: 'uint32' },
  { name: 'trainingPpm', type: 'uint24' },
  { name: 'validatorPpm', type: 'uint24' },
]

const ORDER_FIELDS = [
  { name: 'consumer', type: 'address' },
  { name: 'modelId', type: 'bytes32' },
  { name: 'requester', type: 'address' },
  { name: 'terms', type: 'Terms' },
  { name: 'payloadHash', type: 'bytes32' },
  { name: 'payloadBytes', type: 'uint32' },
  { name: 'deadline', type: 'uint40' },
  { name: 'salt', type: 'bytes32' },
]

const TERMS_TUPLE = `tuple(${TERMS_FIELDS.map(({ type }) => type).join(',')})`
const RECEIPT_TUPLE = 'tuple(bytes32,bytes32,address,address,uint32,bytes32,bytes32,uint32,uint32)'
const ORDER_TUPLE = `tuple(${ORDER_FIELDS.map(({ type }) => (type === 'Terms' ? TERMS_TUPLE : type)).join(',')})`

/** Errors of the library that moves tokens; the contracts' own ABIs leave them out. */
const TOKEN_LIBRARY = new Interface(['error TransferFailed()', 'error TransferFromFailed()'])

/** Gas of the heaviest call, a batch of claims over many tables; well below anvil's block. */
const GAS = '0xb71b00'

/** Gas of some hundred views, a few of which look far back. */
const READER_GAS = '0x1c9c3800'

/** Where the code that reads many views at once is put. */
const READER: Address = '0x00000000000000000000000000000000000F10c4'
/** What the reader takes for each view, and gives: an address and 160 bytes, 160 bytes and whether the call succeeded. */
const ENTRY_BYTES = 192

/**
 * For each entry of the call data: calls the address in its first word with the 160 bytes behind it, and returns the first
 * 160 bytes of the answer with the success flag behind them. Written by hand, since the compiler takes longer than the test.
 */
const READER_CODE: Hex = `0x${[
  '6000 60a0', // entry = 0, out = 160
  '5b 81 36 11 15 6030 57', // loop: unless calldatasize > entry go to end
  '60a0 82 6020 01 6000 37', // memory[0, 160) = call data behind the address
  '60a0 81 60a0 6000 85 35 5a fa', // staticcall with that input, answer to memory[out, out + 160)
  '81 60a0 01 52', // memory[out + 160] = success
  '60c0 01 90 60c0 01 90', // out += 192, entry += 192
  '6004 56', // go to loop
  '5b 60a0 90 03 60a0 f3', // end: return memory[160, out)
]
  .join('')
  .replaceAll(' ', '')}`

export async function createRewardWorld(): Promise<RewardWorld> {
  const flock = await createFlockWorld()
  const { devnet, place, chain } = flock
  const addresses: Record<Contract, Address> = {
    token: flock.paymentToken,
    registry: place.modelRegistry,
    distributor: place.rewardDistributor,
    meter: place.usageMeter,
    vault: place.stakeVault,
    emissions: deployedAddress(devnet.record, 'EmissionProgram'),
    consumer: flock.consumer,
    coordinator: deployedAddress(devnet.record, 'EIP712Coordinator'),
  }
  const abis = Object.fromEntries(
    Object.entries(ARTIFACTS).map(([name, { abi }]) => [name, new Interface(abi as readonly JsonFragment[])]),
  ) as Record<Contract, Interface>
  const rpc = createRpc(devnet.rpcUrl)
  await rpc('anvil_setCode', [READER, READER_CODE])

  const meterDomain = { chainId: chain.chainId, usageMeter: addresses.meter }
  const receipts = createReceiptSigner(meterDomain, createReceiptKey(flock.nth('receipt-signer').privateKey))
  const hostKey = new SigningKey(flock.nth('model-host').privateKey)
  const attesterKey = new SigningKey(flock.nth('attester').privateKey)
  const keys = new Map(devnet.accounts.map(({ address, privateKey }) => [address, privateKey]))
  const orderTypes = { Order: ORDER_FIELDS, Terms: TERMS_FIELDS }
  const orderDomain = {
    name: 'FLock UsageMeter',
    version: '1',
    chainId: chain.chainId,
    verifyingContract: addresses.meter,
  }
  const orderDigest = (order: OrderFields) => TypedDataEncoder.hash(orderDomain, orderTypes, order) as Hex
  let nextNonce = 1

  const eventsOf = (logs: readonly RawLog[]): ChainEvent[] =>
    logs.flatMap(({ address, topics, data }) => {
      const contract = (Object.keys(addresses) as Contract[]).find(
        (name) => addresses[name].toLowerCase() === address,
      )
      const parsed = contract === undefined ? null : abis[contract].parseLog({ topics, data })
      if (contract === undefined || parsed === null) return []
      return [{ contract, name: parsed.name, args: parsed.args.toObject() }]
    })
  const errorOf = (data: Hex): string => {
    for (const abi of [...Object.values(abis), TOKEN_LIBRARY]) {
      const error = abi.parseError(data)
      if (error !== null) return error.name === 'Panic' ? `Panic(${error.args[0]})` : error.name
    }
    return data === '0x' ? 'no reason' : data
  }
  /** An honest service's output and receipt signature for an answer. */
  const serve = (origin: Pick<Asked, 'subscriptionId'> & Origin, { node, ...answer }: Answer) => {
    const text = bytesToHex(toUtf8Bytes('x'.repeat(Number(answer.outputBytes))))
    const envelope: TaskEnvelope = {
      chainId: BigInt(chain.chainId),
      consumer: addresses.consumer,
      subscriptionId: origin.subscriptionId,
      interval: answer.interval,
      requestId: origin.requestId,
      requester: origin.requester,
      node: node.address,
      modelId: origin.modelId,
      maxPromptTokens: origin.terms.maxPromptTokens,
      maxCompletionTokens: origin.terms.maxCompletionTokens,
      payload: bytesToHex(toUtf8Bytes(PROMPT)),
    }
    const receipt = {
      requestId: origin.requestId,
      modelId: origin.modelId,
      requester: origin.requester,
      node: node.address,
      interval: answer.interval,
      inputHash: hashTaskEnvelope(envelope),
      outputHash: keccak256(text) as Hex,
      promptTokens: answer.promptTokens,
      completionTokens: answer.completionTokens,
    }
    const output = AbiCoder.defaultAbiCoder().encode(['bytes', 'bytes'], [text, encodeReceipt(receipt)])
    return { receipt, output, signature: receipts.sign(receipt) }
  }

  const entries = new Map<string, string>()
  /** What the reader takes for a view. Most views are read after every action, and encoding is what takes longest. */
  const entryOf = ({ contract, fn, args }: View): string => {
    const key = `${contract}.${fn} ${stringifyJson(args)}`
    const known = entries.get(key)
    if (known !== undefined) return known
    const input = abis[contract].encodeFunctionData(fn, args).slice(2)
    const entry = addresses[contract].slice(2).padStart(64, '0') + input.padEnd(320, '0')
    entries.set(key, entry)
    return entry
  }

  return {
    flock,
    addresses,
    orderDigest,
    async send({ from, contract, fn, args }, timeSec) {
      const to = addresses[contract]
      const data = abis[contract].encodeFunctionData(fn, args)
      await rpc('evm_setNextBlockTimestamp', [timeSec])
      const hash = await rpc('eth_sendTransaction', [{ from, to, data, gas: GAS }])
      // anvil answers before the block is there.
      let receipt: RawReceipt | null = null
      while (receipt === null) receipt = (await rpc('eth_getTransactionReceipt', [hash])) as RawReceipt | null
      if (receipt.status === '0x1') return { ok: true, events: eventsOf(receipt.logs) }
      const trace = (await rpc('debug_traceTransaction', [hash, { tracer: 'callTracer' }])) as RawTrace
      return { ok: false, error: errorOf(trace.output ?? '0x') }
    },
    async read(views) {
      const call = { to: READER, data: `0x${views.map(entryOf).join('')}`, gas: READER_GAS }
      const answer = ((await rpc('eth_call', [call, 'latest'])) as Hex).slice(2)
      return views.map((_, index) => {
        const words =
          answer.slice(index * 2 * ENTRY_BYTES, (index + 1) * 2 * ENTRY_BYTES).match(/.{64}/g) ?? []
        const values = words.map((word) => BigInt(`0x${word}`))
        return values.pop() === 1n ? values : null
      })
    },
    async latestTime() {
      const block = (await rpc('eth_getBlockByNumber', ['latest', false])) as { readonly timestamp: Hex }
      return Number(block.timestamp)
    },
    async keep() {
      let snapshot = await rpc('evm_snapshot', [])
      return async () => {
        await rpc('evm_revert', [snapshot])
        // Going back uses a snapshot up.
        snapshot = await rpc('evm_snapshot', [])
      }
    },
    deliverCall(request, answer) {
      const { output, signature } = serve(request, answer)
      const args = [request.subscriptionId, answer.interval, '0x', output, signature, ZERO_ADDRESS]
      return { from: answer.node.address, contract: 'coordinator', fn: 'deliverCompute', args }
    },
    orderCall(order, answer) {
      const digest = orderDigest(order)
      const { receipt, output, signature } = serve({ ...order, requestId: digest, subscriptionId: 0 }, answer)
      const signed = new SigningKey(keys.get(order.requester) as Hex).sign(digest).serialized
      const proof = AbiCoder.defaultAbiCoder().encode(
        [RECEIPT_TUPLE, 'bytes', 'bytes', 'bytes'],
        [Object.values(receipt), signature, encodeOrder(order), signed],
      )
      const subscription = {
        owner: order.consumer,
        activeAt: 1,
        period: 0,
        frequency: 1,
        redundancy: 1,
        containerId: keccak256(AbiCoder.defaultAbiCoder().encode(['string'], [CONTAINERS])) as Hex,
        lazy: false,
        verifier: ZERO_ADDRESS,
        paymentAmount: 0n,
        paymentToken: ZERO_ADDRESS,
        wallet: ZERO_ADDRESS,
      }
      const delegated = { nonce: nextNonce++, expiry: 0xffffffff, subscription }
      const domain = { chainId: chain.chainId, coordinator: addresses.coordinator }
      const { v, r, s } = signDelegateSubscription(delegated, domain, hostKey)
      const { nonce, expiry } = delegated
      const args = [nonce, expiry, subscription, v, r, s, answer.interval, '0x', output, proof, ZERO_ADDRESS]
      return { from: answer.node.address, contract: 'coordinator', fn: 'deliverComputeDelegatee', args }
    },
    attestCall(table) {
      const domain = { chainId: chain.chainId, rewardDistributor: addresses.distributor }
      const { attester, signature } = signAttestation(table, domain, attesterKey)
      return {
        from: flock.nth('spare').address,
        contract: 'distributor',
        fn: 'setContributors',
        args: [table, attester, signature],
      }
    },
    close: flock.close,
  }
}

interface Origin {
  readonly requestId: Hex
  readonly requester: Address
  readonly modelId: Hex
  readonly terms: ModelTerms
}

interface RawLog {
  readonly address: string
  readonly topics: string[]
  readonly data: string
}

interface RawReceipt {
  readonly status: Hex
  readonly logs: readonly RawLog[]
}

interface RawTrace {
  readonly output?: Hex
}

function encodeOrder(order: OrderFields): Hex {
  const { terms, ...rest } = order
  const values = ORDER_FIELDS.map(({ name }) =>
    name === 'terms' ? TERMS_FIELDS.map((field) => terms[field.name]) : rest[name as keyof typeof rest],
  )
  return AbiCoder.defaultAbiCoder().encode([ORDER_TUPLE], [values]) as Hex
}

/** JSON-RPC without a provider around it, which would look at the chain of its own accord. */
function createRpc(url: string): (method: string, params: readonly unknown[]) => Promise<unknown> {
  return async (method, params) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const reply = (await response.json()) as {
      readonly result?: unknown
      readonly error?: { message: string }
    }
    if (reply.error !== undefined) throw new Error(`${method}: ${reply.error.message}`)
    return reply.result
  }
}
