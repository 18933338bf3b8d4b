// Whole-transaction gas of named scenarios on the local chain, beside the floors measured elsewhere, and the size of each contract.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SigningKey, keccak256, toUtf8Bytes } from 'ethers'
import { compile } from '../contracts/compile.mjs'
import { eip712CoordinatorArtifact } from '../dist/lib/abi/eip712-coordinator.js'
import { modelHostConsumerArtifact } from '../dist/lib/abi/model-host-consumer.js'
import { modelRegistryArtifact } from '../dist/lib/abi/model-registry.js'
import { rewardDistributorArtifact } from '../dist/lib/abi/reward-distributor.js'
import { stakeVaultArtifact } from '../dist/lib/abi/stake-vault.js'
import { testTokenArtifact } from '../dist/lib/abi/test-token.js'
import { encodeCall, encodeDeploy, readContract } from '../dist/lib/chain/contracts.js'
import { openChain } from '../dist/lib/chain/provider.js'
import { createSigner } from '../dist/lib/chain/signer.js'
import { sendTransaction } from '../dist/lib/chain/transact.js'
import { startDevnet } from '../dist/lib/devnet/devnet.js'
import { decodeTaskEnvelope, hashTaskEnvelope } from '../dist/lib/infernet/task-envelope.js'
import { silentLogger } from '../dist/lib/log.js'
import { attestContributors } from '../dist/lib/models/attestation.js'
import { artifactIdOf, modelIdOf } from '../dist/lib/models/model.js'
import { encodeReceipt, signReceipt } from '../dist/lib/usage/receipt.js'

const PROMPT = 'a'.repeat(256)
const ANSWER = 'b'.repeat(128)
const MAX_UINT256 = 2n ** 256n - 1n
const TEN = 10
const FLOCK = 10n ** 18n

async function measure() {
  const folder = await mkdtemp(join(tmpdir(), 'flock-gas-'))
  const devnet = await startDevnet({ port: 0, recordDir: folder, log: silentLogger })
  const chain = await openChain({ rpcUrl: devnet.rpcUrl, expectedChainId: devnet.chainId, timeoutMs: 10_000 })
  try {
    return await runScenarios(createWorld(devnet, chain))
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
        revertInterfaces: [rewardDistributorArtifact, stakeVaultArtifact, modelHostConsumerArtifact],
      },
    )
  const call = async (signer, artifact, to, fn, args) =>
    (await send(signer, to, encodeCall(artifact, fn, args))).gasUsed
  return {
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

async function deployConsumers(world) {
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

function createModels(world, consumer) {
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

function createRequests(world, { consumer, bare, bareArtifact }) {
  const { at, account, signerOf, send, call, read, chainId } = world
  const node = signerOf('infernet-node')
  const signingKey = new SigningKey(account('receipt-signer').privateKey)
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
    const signature = signReceipt(receipt, { chainId, usageMeter: at('UsageMeter') }, signingKey)
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

async function runScenarios(world) {
  const { at, account, signerOf, call } = world
  const consumers = await deployConsumers(world)
  const models = createModels(world, consumers.consumer)
  const requests = createRequests(world, consumers)
  const many = (seed) =>
    Array.from({ length: 64 }, (_, index) => `0x${keccak256(toUtf8Bytes(`${seed} ${index}`)).slice(-40)}`)
  const operator = signerOf('training-node')
  const delegator = signerOf('delegator')
  const vault = at('StakeVault')
  const distributor = at('RewardDistributor')

  for (const signer of [operator, delegator])
    await call(signer, testTokenArtifact, at('PaymentToken'), 'approve', [vault, MAX_UINT256])
  await call(signerOf('requester'), testTokenArtifact, at('PaymentToken'), 'approve', [
    consumers.consumer,
    MAX_UINT256,
  ])
  await call(operator, stakeVaultArtifact, vault, 'setSigma', [400_000])
  await call(operator, stakeVaultArtifact, vault, 'deposit', [3_000n * FLOCK])
  await call(delegator, stakeVaultArtifact, vault, 'delegate', [operator.address, 1_337n * FLOCK])

  const small = await models.register('small')
  await models.contribute(small, [operator.address], [account('validator').address], 1n)
  const large = await models.register('large')
  const fullTable = await models.contribute(large, many('training'), many('validator'), 1n)
  const replacedTable = await models.contribute(large, many('training'), many('validator'), 2n)
  const none = await models.register('none')
  for (const model of [small, large, none]) await requests.answer(model)

  const rows = []
  const add = (scenario, gas, limit) => rows.push({ scenario, gas: Number(gas), limit })
  const answered = await requests.answer(small)
  const bare = await requests.answerBare(answered).then(() => requests.answerBare(answered))
  add('delivery to a trivial consumer, same bytes', bare, null)
  add('delivery, 1 training node and 1 validator', answered.gas, null)
  add('  over the trivial consumer', answered.gas - bare, 60_000)
  add('delivery, 64 training nodes and 64 validators', (await requests.answer(large)).gas, null)
  add('delivery, no contributors', (await requests.answer(none)).gas, null)
  add('request, 256-byte prompt, again', await requests.request(small), 330_000)

  const claimOperator = () =>
    call(operator, rewardDistributorArtifact, distributor, 'claimOperator', [
      [operator.address],
      `0x${'00'.repeat(20)}`,
    ])
  const claimDelegator = () =>
    call(delegator, rewardDistributorArtifact, distributor, 'claimDelegator', [
      delegator.address,
      [operator.address],
      `0x${'00'.repeat(20)}`,
    ])
  await claimOperator()
  await claimDelegator()
  await requests.answer(small)
  add('operator claim, one model, again', await claimOperator(), 80_000)
  await requests.answer(small)
  add('delegator claim, again', await claimDelegator(), 75_000)
  add('stake, again', await call(operator, stakeVaultArtifact, vault, 'deposit', [10n * FLOCK]), 80_000)
  add(
    'delegate, again',
    await call(delegator, stakeVaultArtifact, vault, 'delegate', [operator.address, 10n * FLOCK]),
    80_000,
  )

  const ten = [small]
  for (let index = 1; index < TEN; index += 1) {
    const model = await models.register(`model ${index}`)
    await models.contribute(model, [operator.address], [account('validator').address], 1n)
    ten.push(model)
  }
  for (const model of ten) await requests.answer(model)
  await claimOperator()
  for (const model of ten) await requests.answer(model)
  add('operator claim, ten models, per model', (await claimOperator()) / BigInt(TEN), 30_000)
  add('new table, 64 and 64 members', fullTable, 16_777_216)
  add('replaced table, 64 and 64 members', replacedTable, 16_777_216)
  return rows
}

const rows = await measure()
if (process.argv.includes('--json'))
  process.stdout.write(`${JSON.stringify({ bench: 'gas', unit: 'gas', rows })}\n`)
else {
  const width = Math.max(...rows.map(({ scenario }) => scenario.length))
  process.stdout.write(
    `${'whole transactions on the local chain'.padEnd(width)} ${'gas'.padStart(12)} ${'at most'.padStart(12)}\n`,
  )
  for (const { scenario, gas, limit } of rows) {
    const most = limit === null ? '' : limit.toLocaleString('en-US')
    process.stdout.write(
      `${scenario.padEnd(width)} ${gas.toLocaleString('en-US').padStart(12)} ${most.padStart(12)}${limit !== null && gas > limit ? '  above' : ''}\n`,
    )
  }
}
