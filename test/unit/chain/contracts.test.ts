import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { modelRegistryArtifact } from '../../../src/lib/abi/model-registry.js'
import { testTokenArtifact } from '../../../src/lib/abi/test-token.js'
import {
  encodeCall,
  encodeDeploy,
  eventTopic,
  parseLogs,
  readCodeHash,
  readContract,
  requireCode,
} from '../../../src/lib/chain/contracts.js'
import { getLogsInRanges, type ChainLog } from '../../../src/lib/chain/logs.js'
import { openChain } from '../../../src/lib/chain/provider.js'
import { createSigner, type ChainSigner } from '../../../src/lib/chain/signer.js'
import { sendTransaction } from '../../../src/lib/chain/transact.js'
import { devnetAccounts, type DevnetAccount } from '../../../src/lib/devnet/accounts.js'
import { ZERO_BYTES32, type Address, type Hex } from '../../../src/lib/hex.js'
import { startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { jsonRpc, startHttpServer } from '../../helpers/http-server.js'

const [owner, other] = devnetAccounts() as [DevnetAccount, DevnetAccount]
const options = { confirmations: 1, timeoutMs: 20_000, revertInterfaces: [] }

let local: TestChain
let signer: ChainSigner
let token: Address
let registry: Address

beforeAll(async () => {
  local = await startAnvil()
  signer = createSigner(owner.privateKey, local.chain)
  token = await deploy(encodeDeploy(testTokenArtifact, ['Test FLOCK', 'tFLOCK']))
  registry = await deploy(encodeDeploy(modelRegistryArtifact, []))
})

afterAll(() => local.close())

async function deploy(data: Hex): Promise<Address> {
  const { contractAddress } = await sendTransaction(local.chain, signer, { to: null, data }, options)
  return contractAddress as Address
}

describe('readContract', () => {
  it('returns one output as it is', async () => {
    expect(await readContract(local.chain, testTokenArtifact, token, 'symbol')).toBe('tFLOCK')
  })

  it('returns structs as objects with integers as bigint', async () => {
    const model = await readContract(local.chain, modelRegistryArtifact, registry, 'getModel', [ZERO_BYTES32])

    expect(model).toMatchObject({ status: 0n, nodes: [], containers: '' })
  })

  it('returns several outputs as a list', async () => {
    const facts = await readContract(local.chain, modelRegistryArtifact, registry, 'receiptFacts', [
      ZERO_BYTES32,
      owner.address,
    ])

    expect(facts).toEqual([expect.stringMatching(/^0x0+$/), 0n])
  })

  it('names contract, address and chain when nothing stands there', async () => {
    const error = await caught(readContract(local.chain, testTokenArtifact, other.address, 'symbol'))

    expect(error.code).toBe('CONTRACT_MISSING')
    expect(error.message).toContain(`No TestToken answers at ${other.address} on chain 31337`)
  })
})

describe('code at an address', () => {
  it('has a hash that is the same for the same code', async () => {
    const again = await deploy(encodeDeploy(modelRegistryArtifact, []))

    expect(await readCodeHash(local.chain, again)).toBe(await readCodeHash(local.chain, registry))
    expect(await readCodeHash(local.chain, other.address)).toBeNull()
  })

  it('is required by name', async () => {
    await requireCode(local.chain, token, 'Payment token')

    const error = await caught(requireCode(local.chain, other.address, 'Payment token'))

    expect(error.code).toBe('CONTRACT_MISSING')
    expect(error.message).toContain('Payment token: no contract stands at')
  })
})

describe('getLogsInRanges', () => {
  it('reads all events, oldest first, in ranges of at most so many blocks', async () => {
    const fromBlock = (await local.chain.provider.getBlockNumber()) + 1
    for (const amount of [1n, 2n, 3n, 4n, 5n]) {
      const data = encodeCall(testTokenArtifact, 'mint', [other.address, amount])
      await sendTransaction(local.chain, signer, { to: token, data }, options)
    }
    const query = {
      address: token,
      topics: [eventTopic(testTokenArtifact, 'Transfer')],
      fromBlock,
      toBlock: fromBlock + 4,
      maxRange: 2,
    }

    const ranges: ChainLog[][] = []
    for await (const logs of getLogsInRanges(local.chain, query)) ranges.push(logs)

    expect(ranges.map((logs) => logs.length)).toEqual([2, 2, 1])
    const amounts = parseLogs(testTokenArtifact, ranges.flat()).map(({ args }) => args['amount'])
    expect(amounts).toEqual([1n, 2n, 3n, 4n, 5n])
    expect(ranges[0]?.[0]).toMatchObject({ address: token, blockNumber: fromBlock, logIndex: 0 })
  })

  it('halves a range that the node refuses and reads every block once', async () => {
    const asked: [number, number][] = []
    const node = await startHttpServer(
      jsonRpc((method, [filter]) => {
        if (method === 'eth_chainId') return '0x1'
        const { fromBlock, toBlock } = filter as { fromBlock: string; toBlock: string }
        const [from, to] = [Number(fromBlock), Number(toBlock)]
        if (to - from + 1 > 30)
          throw { code: -32005, message: 'query returned more than 10000 results' } as unknown as Error
        asked.push([from, to])
        return []
      }),
    )
    const chain = await openChain({ rpcUrl: node.url, expectedChainId: null, timeoutMs: 5_000 })

    const query = { address: token, topics: [], fromBlock: 0, toBlock: 99, maxRange: 100 }
    for await (const logs of getLogsInRanges(chain, query)) expect(logs).toEqual([])

    expect(asked.map(([from, to]) => to - from + 1)).toEqual([25, 25, 25, 25])
    expect(asked.flat()).toEqual([0, 24, 25, 49, 50, 74, 75, 99])
    chain.close()
    await node.close()
  })

  it('gives up on a single block that the node refuses', async () => {
    const node = await startHttpServer(
      jsonRpc((method) => {
        if (method === 'eth_chainId') return '0x1'
        throw { code: -32000, message: 'no logs today' } as unknown as Error
      }),
    )
    const chain = await openChain({ rpcUrl: node.url, expectedChainId: null, timeoutMs: 5_000 })

    const query = { address: token, topics: [], fromBlock: 0, toBlock: 3, maxRange: 4 }
    const error = await caught(getLogsInRanges(chain, query).next())

    expect(error.code).toBe('RPC_FAILED')
    expect(error.message).toContain('no logs today')
    chain.close()
    await node.close()
  })
})

describe('createSigner', () => {
  it('refuses what is no key and does not repeat it', async () => {
    for (const bad of ['0x1234', ZERO_BYTES32, `0x${'ff'.repeat(32)}`] as Hex[]) {
      const error = await caught(() => createSigner(bad, local.chain))

      expect(error.code).toBe('KEY_INVALID')
      expect(`${error.message}${String(error.cause)}`).not.toContain(bad)
    }
  })
})
