// A local chain with the Infernet contracts and a consumer that takes every answer, for measuring nodes.
import { getCreateAddress } from 'ethers'
import { request } from 'undici'
import { eip712CoordinatorArtifact } from '../../dist/lib/abi/eip712-coordinator.js'
import { feeArtifact } from '../../dist/lib/abi/fee.js'
import { inboxArtifact } from '../../dist/lib/abi/inbox.js'
import { infernetRegistryArtifact } from '../../dist/lib/abi/infernet-registry.js'
import { readerArtifact } from '../../dist/lib/abi/reader.js'
import { walletFactoryArtifact } from '../../dist/lib/abi/wallet-factory.js'
import { encodeCall, encodeDeploy } from '../../dist/lib/chain/contracts.js'
import { resolveAnvil } from '../../dist/lib/devnet/chain-process.js'

const CONSUMER = `0x${'c0'.repeat(20)}`
/** Answers every call with empty bytes, which is what `getContainerInputs` may give: mstore(0, 32); return(0, 64). */
const CONSUMER_CODE = '0x602060005260406000f3'
const DEPLOYER = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'
const ZERO_ADDRESS = `0x${'0'.repeat(40)}`
/** Thousands of deliveries fit into one block: what is measured is the node. */
const GAS_LIMIT = 4_000_000_000
const CREATE_GAS = 200_000

/** The program and arguments of a chain that mines a block each second. */
export function chainCommand(port) {
  const options = ['--block-time', '1', '--gas-limit', String(GAS_LIMIT), '--base-fee', '0', '--silent']
  return [resolveAnvil(), '--port', String(port), ...options]
}

/** Asks a chain by JSON-RPC over HTTP. */
export function createAsk(port) {
  let id = 0
  return async (method, params = []) => {
    id += 1
    const { body } = await request(`http://127.0.0.1:${port}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
    })
    const { result, error } = await body.json()
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }
}

const hex = (number) => `0x${number.toString(16)}`

/** Puts the contracts on the chain and returns what a bench does with them. */
export async function openWorld(ask) {
  await ask('evm_setIntervalMining', [0])
  const planned = [1, 2, 3, 4, 5].map((nonce) => getCreateAddress({ from: DEPLOYER, nonce }))
  const registry = getCreateAddress({ from: DEPLOYER, nonce: 0 })
  const coordinator = planned[0]
  const deployments = [
    [infernetRegistryArtifact, planned],
    [eip712CoordinatorArtifact, [registry]],
    [inboxArtifact, [registry]],
    [readerArtifact, [registry]],
    [feeArtifact, [DEPLOYER, 0]],
    [walletFactoryArtifact, [registry]],
  ]
  for (const [artifact, args] of deployments) {
    const data = encodeDeploy(artifact, args)
    await ask('eth_sendTransaction', [{ from: DEPLOYER, data, gas: hex(10_000_000) }])
    await ask('evm_mine')
  }
  await ask('anvil_setCode', [CONSUMER, CONSUMER_CODE])
  await ask('anvil_setBalance', [CONSUMER, hex(10n ** 24n)])
  await ask('anvil_impersonateAccount', [CONSUMER])
  await ask('evm_setIntervalMining', [1])

  /** Hands a request to the chain; it is mined with the next block. */
  function subscribe({ period = 0, frequency = 1 } = {}) {
    const args = ['bench', frequency, period, 1, false, ZERO_ADDRESS, 0, ZERO_ADDRESS, ZERO_ADDRESS]
    const data = encodeCall(eip712CoordinatorArtifact, 'createSubscription', args)
    return ask('eth_sendTransaction', [{ from: CONSUMER, to: coordinator, data, gas: hex(CREATE_GAS) }])
  }

  /** Has so many requests mined in one block and returns its number. */
  async function subscribeInOneBlock(count, options) {
    await ask('evm_setIntervalMining', [0])
    const hashes = []
    for (let index = 0; index < count; index += 1) hashes.push(await subscribe(options))
    await ask('evm_mine')
    const { blockNumber, status } = await ask('eth_getTransactionReceipt', [hashes.at(-1)])
    if (status !== '0x1') throw new Error('a request was refused')
    await ask('evm_setIntervalMining', [1])
    return Number(blockNumber)
  }

  return { registry, coordinator, subscribe, subscribeInOneBlock }
}
