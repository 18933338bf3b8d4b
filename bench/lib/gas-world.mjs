// The local chain with everything on it, and short words for what the gas scenarios do there.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SigningKey, keccak256 } from 'ethers'
import { compile } from '../../contracts/compile.mjs'
import { eip712CoordinatorArtifact } from '../../dist/lib/abi/eip712-coordinator.js'
import { emissionProgramArtifact } from '../../dist/lib/abi/emission-program.js'
import { modelHostConsumerArtifact } from '../../dist/lib/abi/model-host-consumer.js'
import { modelRegistryArtifact } from '../../dist/lib/abi/model-registry.js'
import { rewardDistributorArtifact } from '../../dist/lib/abi/reward-distributor.js'
import { stakeVaultArtifact } from '../../dist/lib/abi/stake-vault.js'
import { testTokenArtifact } from '../../dist/lib/abi/test-token.js'
import { encodeCall, encodeDeploy, readContract } from '../../dist/lib/chain/contracts.js'
import { openChain } from '../../dist/lib/chain/provider.js'
import { createSigner } from '../../dist/lib/chain/signer.js'
import { sendTransaction } from '../../dist/lib/chain/transact.js'
import { startDevnet } from '../../dist/lib/devnet/devnet.js'
import { decodeTaskEnvelope, hashTaskEnvelope } from '../../dist/lib/infernet/task-envelope.js'
import { silentLogger } from '../../dist/lib/log.js'
import { attestContributors } from '../../dist/lib/models/attestation.js'
import { artifactIdOf, modelIdOf } from '../../dist/lib/models/model.js'
import { createReceiptKey } from '../../dist/lib/usage/receipt-key.js'
import { createReceiptSigner, encodeReceipt } from '../../dist/lib/usage/receipt.js'

const PROMPT = 'a'.repeat(256)
const ANSWER = 'b'.repeat(128)
export const MAX_UINT256 = 2n ** 256n - 1n
const DAY_SEC = 86_400
const TOKEN = 10n ** 18n

/** Runs scenarios on a chain of their own; `use` is given the world. */
export async function withWorld(use) {
  const folder = await mkdtemp(join(tmpdir(), 'flock-gas-'))
  const devnet = await startDevnet({ port: 0, recordDir: folder, log: silentLogger })
  const chain = await openChain({ rpcUrl: devnet.rpcUrl, expectedChainId: devnet.chainId, timeoutMs: 10_000 })
  try {
    return await use(createWorld(devnet, chain))
  } finally {
    chain.close()
    await devnet.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The devnet with short words for what scenarios do. */
function createWorld({ accounts, record, chainId }, chain) {
  const at = (name) => record.contracts[name].address
  const account = (role, nth = 0) => accounts.filter((item) => item.role === role)[nth]
  const signers = new Map()
  const signerOf = (role, nth = 0) => {
    const { address, privateKey } = account(role, nth)
    if (!signers.has(address)) signers.set(address, createSigner(privateKey, chain))
    return signers.get(address)
  }
  const send = async (signer, to, data) =>
    sendTransaction(
      chain,
      signer,
      { to, data },
      {
        confirmations: 1,
        timeoutMs: 30_000,
        revertInterfaces: [
          rewardDistributorArtifact,
          stakeVaultArtifact,
          emissionProgramArtifact,
          modelHostConsumerArtifact,
        ],
      },
    )
  const call = async (signer, artifact, to, fn, args) =>
    (await send(signer, to, encodeCall(artifact, fn, args))).gasUsed
  const rpc = (method, params) => chain.provider.send(method, params)
  const now = async () => (await chain.provider.getBlock('latest')).timestamp
  return {
    /** Today as a number of UTC days. */
    today: async () => Math.floor((await now()) / DAY_SEC),
    /** Goes on to noon of the next UTC day. */
    async nextDay() {
      const noon = (Math.floor((await now()) / DAY_SEC) + 1) * DAY_SEC + DAY_SEC / 2
      await rpc('evm_setNextBlockTimestamp', [noon])
      await rpc('evm_mine', [])
    },
    /** Has so many further accounts delegate one token each to an operator, many in a block. */
    async delegateByMany(operator, count) {
      const [token, vault] = [at('PaymentToken'), at('StakeVault')]
      const calls = (from) => [
        [token, encodeCall(testTokenArtifact, 'mint', [from, TOKEN])],
        [token, encodeCall(testTokenArtifact, 'approve', [vault, TOKEN])],
        [vault, encodeCall(stakeVaultArtifact, 'delegate', [operator, TOKEN])],
      ]
      await rpc('anvil_autoImpersonateAccount', [true])
      await rpc('evm_setAutomine', [false])
      const hashes = []
      for (let nth = 1; nth <= count; nth += 1) {
        const from = `0x${(0xde1e_0000 + nth).toString(16).padStart(40, '0')}`
        await rpc('anvil_setBalance', [from, `0x${TOKEN.toString(16)}`])
        for (const [to, data] of calls(from))
          hashes.push(await rpc('eth_sendTransaction', [{ from, to, data, gas: '0x40000' }]))
        // A block takes the transactions of some forty accounts.
        if (nth % 40 === 0 || nth === count) await rpc('evm_mine', [])
      }
      await rpc('evm_setAutomine', [true])
      await rpc('anvil_autoImpersonateAccount', [false])
      const receipts = await Promise.all(
        hashes.slice(-3).map((hash) => chain.provider.getTransactionReceipt(hash)),
      )
      if (receipts.some((receipt) => receipt?.status !== 1)) throw new Error('a delegation was refused')
    },
    chain,
    chainId,
    at,
    account,
    signerOf,
    send,
    call,
    read: (artifact, to, fn, args = []) => readContract(chain, artifact, to, fn, args),
  }
}

export async function deployConsumers(world) {
  const { at, account, signerOf, send } = world
  const host = account('model-host').address
  const args = [at('InfernetRegistry'), at('UsageMeter'), host, host]
  const { contractAddress: consumer } = await send(
    signerOf('model-host'),
    null,
    encodeDeploy(modelHostConsumerArtifact, args),
  )
  const { trivial } = compile({ trivial: 'contracts/test/mocks/infernet/TrivialConsumer.sol' })
  const artifact = { contractName: 'TrivialConsumer', ...trivial }
  const { contractAddress: bare } = await send(
    signerOf('model-host'),
    null,
    encodeDeploy(artifact, [at('InfernetRegistry')]),
  )
  return { consumer, bare, bareArtifact: artifact }
}

export function createModels(world, consumer) {
  const { at, account, signerOf, call, chainId } = world
  const host = account('model-host').address
  const terms = {
    requestPrice: 10n ** 16n,
    promptPrice: 10n ** 18n,
    completionPrice: 3n * 10n ** 18n,
    maxPromptTokens: 512n,
    maxCompletionTokens: 512n,
    trainingPpm: 300_000n,
    validatorPpm: 200_000n,
  }
  const register = async (name) => {
    const artifactId = artifactIdOf({ hg_repo_id: name, revision: 'main', base_model: 'bench' })
    const listing = {
      artifactId,
      metadataHash: `0x${'00'.repeat(32)}`,
      metadataUri: '',
      containers: 'flock-workflow',
      consumer,
      receiptSigner: account('receipt-signer').address,
      nodes: [account('infernet-node').address],
      terms,
    }
    await call(signerOf('model-host'), modelRegistryArtifact, at('ModelRegistry'), 'register', [listing])
    return modelIdOf(host, artifactId)
  }
  const contribute = async (modelId, training, validators, nonce) => {
    const key = new SigningKey(account('attester').privateKey)
    const entries = (addresses) =>
      addresses.map((address, index) => ({ account: address, weight: index + 1 }))
    const { table, attester, signature } = attestContributors(
      key,
      { training: entries(training), validators: entries(validators) },
      {
        domain: { chainId, rewardDistributor: at('RewardDistributor') },
        modelId,
        nonce,
        expiry: 4_000_000_000,
      },
    )
    return call(signerOf('owner'), rewardDistributorArtifact, at('RewardDistributor'), 'setContributors', [
      table,
      attester,
      signature,
    ])
  }
  return { register, contribute }
}

export function createRequests(world, { consumer, bare, bareArtifact }) {
  const { at, account, signerOf, send, call, read, chainId } = world
  const node = signerOf('infernet-node')
  const receipts = createReceiptSigner(
    { chainId, usageMeter: at('UsageMeter') },
    createReceiptKey(account('receipt-signer').privateKey),
  )
  const lastId = async () => Number(await read(eip712CoordinatorArtifact, at('EIP712Coordinator'), 'id')) - 1
  const deliver = (id, output, proof) =>
    call(node, eip712CoordinatorArtifact, at('EIP712Coordinator'), 'deliverCompute', [
      id,
      1,
      '0x',
      output,
      proof,
      `0x${'00'.repeat(20)}`,
    ])
  const request = async (modelId) => {
    const params = {
      modelId,
      payload: `0x${Buffer.from(PROMPT).toString('hex')}`,
      intervals: 1,
      periodSec: 0,
      redundancy: 1,
      lazy: false,
      timeoutSec: 600,
      maxCost: MAX_UINT256,
    }
    return call(signerOf('requester'), modelHostConsumerArtifact, consumer, 'request', [params])
  }
  const answerOf = async (id) => {
    const envelope = decodeTaskEnvelope(
      await read(modelHostConsumerArtifact, consumer, 'getContainerInputs', [id, 1, 0, node.address]),
    )
    const answer = `0x${Buffer.from(ANSWER).toString('hex')}`
    const { requestId, modelId, requester, interval } = envelope
    const receipt = {
      requestId,
      modelId,
      requester,
      node: node.address,
      interval,
      inputHash: hashTaskEnvelope(envelope),
      outputHash: keccak256(answer),
      promptTokens: 60n,
      completionTokens: 40n,
    }
    const signature = receipts.sign(receipt)
    return { output: encodeOutput(answer, encodeReceipt(receipt)), proof: signature }
  }
  return {
    request,
    async answer(modelId) {
      await request(modelId)
      const id = await lastId()
      const { output, proof } = await answerOf(id)
      return { gas: await deliver(id, output, proof), output, proof }
    },
    async answerBare({ output, proof }) {
      await send(signerOf('requester'), bare, encodeCall(bareArtifact, 'ask', ['flock-workflow']))
      return deliver(await lastId(), output, proof)
    },
  }
}

function encodeOutput(answer, receipt) {
  const word = (value) => BigInt(value).toString(16).padStart(64, '0')
  const bytes = (hex) =>
    word((hex.length - 2) / 2) + hex.slice(2).padEnd(Math.ceil((hex.length - 2) / 64) * 64, '0')
  const first = bytes(answer)
  return `0x${word(64)}${word(64 + first.length / 2)}${first}${bytes(receipt)}`
}
