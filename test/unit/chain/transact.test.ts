import { AbiCoder } from 'ethers/abi'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { modelRegistryArtifact } from '../../../src/lib/abi/model-registry.js'
import { testTokenArtifact } from '../../../src/lib/abi/test-token.js'
import { broadcast } from '../../../src/lib/chain/broadcast.js'
import { encodeCall, encodeDeploy, parseLogs, readContract } from '../../../src/lib/chain/contracts.js'
import { openChain } from '../../../src/lib/chain/provider.js'
import { createSigner, hashOf, type ChainSigner } from '../../../src/lib/chain/signer.js'
import {
  prepareTransaction,
  sendTransaction,
  simulateTransaction,
  type SignedTransaction,
} from '../../../src/lib/chain/transact.js'
import { findTransaction, waitForTransaction } from '../../../src/lib/chain/wait.js'
import { devnetAccounts, type DevnetAccount } from '../../../src/lib/devnet/accounts.js'
import { ZERO_BYTES32, type Address, type Hex } from '../../../src/lib/hex.js'
import { anvilRequest, startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { jsonRpc, startHttpServer } from '../../helpers/http-server.js'

const [owner, other] = devnetAccounts() as [DevnetAccount, DevnetAccount]
const SOME_WEI = 1_000n
const options = {
  confirmations: 1,
  timeoutMs: 20_000,
  revertInterfaces: [modelRegistryArtifact, testTokenArtifact],
}

let local: TestChain
let signer: ChainSigner
let token: Address
let snapshot: unknown

beforeAll(async () => {
  local = await startAnvil()
  signer = createSigner(owner.privateKey, local.chain)
  const deployed = await sendTransaction(
    local.chain,
    signer,
    { to: null, data: encodeDeploy(testTokenArtifact, ['Test FLOCK', 'tFLOCK']) },
    options,
  )
  token = deployed.contractAddress as Address
})

afterAll(() => local.close())

beforeEach(async () => {
  snapshot = await anvilRequest(local.chain, 'evm_snapshot')
})

afterEach(async () => {
  await anvilRequest(local.chain, 'evm_setAutomine', [true])
  await anvilRequest(local.chain, 'evm_revert', [snapshot])
})

const mint = (amount: bigint) => ({
  to: token,
  data: encodeCall(testTokenArtifact, 'mint', [other.address, amount]),
})
const balanceOf = (account: Address) =>
  readContract<bigint>(local.chain, testTokenArtifact, token, 'balanceOf', [account])
const pauseUnknown = async () => {
  const { contractAddress } = await sendTransaction(
    local.chain,
    signer,
    { to: null, data: encodeDeploy(modelRegistryArtifact, []) },
    options,
  )
  return { to: contractAddress, data: encodeCall(modelRegistryArtifact, 'pause', [ZERO_BYTES32]) }
}

describe('sendTransaction', () => {
  it('mines a call and returns its logs', async () => {
    const mined = await sendTransaction(local.chain, signer, mint(5n), options)

    expect(await balanceOf(other.address)).toBe(5n)
    expect(mined.gasUsed).toBeGreaterThan(21_000n)
    expect(mined.effectiveGasPrice).toBeGreaterThan(0n)
    expect(parseLogs(testTokenArtifact, mined.logs)).toMatchObject([
      { contract: 'TestToken', name: 'Transfer', args: { to: other.address, amount: 5n } },
    ])
  })

  it('tells hash and nonce before the transaction leaves and again when it left', async () => {
    const seen: string[] = []

    const mined = await sendTransaction(local.chain, signer, mint(1n), {
      ...options,
      onSigned: async ({ hash }) => {
        seen.push(`signed ${await findTransaction(local.chain, hash)}`)
      },
      onSent: async (hash, nonce) => {
        seen.push(`sent ${await findTransaction(local.chain, hash)} ${nonce}`)
      },
    })

    expect(seen).toEqual(['signed unknown', 'sent mined 1'])
    expect(mined.hash).toMatch(/^0x/)
  })

  it('gives transactions that are sent at once their own nonces', async () => {
    await Promise.all(
      [1n, 2n, 3n, 4n].map((amount) => sendTransaction(local.chain, signer, mint(amount), options)),
    )

    expect(await balanceOf(other.address)).toBe(10n)
  })

  it('refuses before sending when the contract would revert, with the decoded error', async () => {
    const request = await pauseUnknown()
    const before = await local.chain.provider.getTransactionCount(owner.address)

    const error = await caught(sendTransaction(local.chain, signer, request, options))

    expect(error.code).toBe('TX_REVERTED')
    expect(error.message).toContain('ModelRegistry refused the call: ')
    expect(error.details).toMatchObject({ contract: 'ModelRegistry', args: { modelId: ZERO_BYTES32 } })
    expect(await local.chain.provider.getTransactionCount(owner.address)).toBe(before)
  })

  it('refuses before sending when the account cannot pay', async () => {
    await anvilRequest(local.chain, 'anvil_setBalance', [owner.address, '0x10'])

    const error = await caught(sendTransaction(local.chain, signer, mint(1n), options))

    expect(error.code).toBe('FUNDS_INSUFFICIENT')
    expect(error.details).toMatchObject({ account: owner.address, balanceWei: 16n })
  })

  it('refuses a value that the account does not have', async () => {
    const error = await caught(
      sendTransaction(local.chain, signer, { to: other.address, data: '0x', value: 10n ** 30n }, options),
    )

    expect(error.code).toBe('FUNDS_INSUFFICIENT')
  })

  it('refuses a cost above the limit', async () => {
    const error = await caught(
      sendTransaction(local.chain, signer, mint(1n), { ...options, maxCostWei: SOME_WEI }),
    )

    expect(error.code).toBe('FEE_TOO_HIGH')
  })

  it('names the conflict when the nonce was used by another transaction', async () => {
    const error = await caught(sendTransaction(local.chain, signer, { ...mint(1n), nonce: 0 }, options))

    expect(error.code).toBe('NONCE_CONFLICT')
    expect(error.details).toHaveProperty('txHash')
  })

  it('reports a transaction that was mined and failed, with its decoded error', async () => {
    const request = await pauseUnknown()

    const error = await caught(async () => {
      const signed = await signBlindly({ ...request, gasLimit: 200_000n })
      await broadcast(local.chain, signed)
      return waitForTransaction(local.chain, signed, options)
    })

    expect(error.code).toBe('TX_REVERTED')
    expect(error.details).toMatchObject({ contract: 'ModelRegistry', args: { modelId: ZERO_BYTES32 } })
    expect(error.details).toHaveProperty('txHash')
  })

  it('reports a transaction that ran out of gas', async () => {
    const error = await caught(
      sendTransaction(local.chain, signer, { ...mint(1n), gasLimit: 25_000n }, options),
    )

    expect(error.message).toContain('ran out of its 25000 gas')
  })

  it('keeps the hash when the transaction is not mined in time', async () => {
    await anvilRequest(local.chain, 'evm_setAutomine', [false])

    const error = await caught(sendTransaction(local.chain, signer, mint(1n), { ...options, timeoutMs: 200 }))

    expect(error.code).toBe('TX_TIMEOUT')
    expect(await findTransaction(local.chain, error.details['txHash'] as Hex)).toBe('pending')
  })

  it('keeps the hash when the wait is interrupted', async () => {
    await anvilRequest(local.chain, 'evm_setAutomine', [false])
    const stop = new AbortController()

    const error = await caught(
      sendTransaction(local.chain, signer, mint(1n), {
        ...options,
        signal: stop.signal,
        onSent: () => stop.abort(),
      }),
    )

    expect(error.code).toBe('INTERRUPTED')
    expect(error.details['txHash']).toMatch(/^0x/)
  })

  it('waits for as many blocks as asked', async () => {
    await anvilRequest(local.chain, 'evm_setIntervalMining', [1])

    const mined = await sendTransaction(local.chain, signer, mint(1n), { ...options, confirmations: 2 })

    expect(await local.chain.provider.getBlockNumber()).toBeGreaterThan(mined.blockNumber)
    await anvilRequest(local.chain, 'evm_setIntervalMining', [0])
  })
})

describe('broadcast', () => {
  it('takes the same transaction twice, pending and mined, and spends once', async () => {
    await anvilRequest(local.chain, 'evm_setAutomine', [false])
    const signed = await prepareTransaction(local.chain, signer, mint(7n), options)

    await broadcast(local.chain, signed)
    await broadcast(local.chain, signed)
    await anvilRequest(local.chain, 'evm_mine')
    await broadcast(local.chain, signed)

    await waitForTransaction(local.chain, signed, options)
    expect(await balanceOf(other.address)).toBe(7n)
  })

  it('sends the same bytes again when the answer to the first send was lost', async () => {
    const signed = await prepareTransaction(local.chain, signer, mint(9n), options)
    let sends = 0
    const lossy = await startHttpServer((body, response) => {
      void forward(local.rpcUrl, body).then((answer) => {
        if (body.includes('eth_sendRawTransaction') && ++sends === 1) response.destroy()
        else response.end(answer)
      })
    })
    const chain = await openChain({ rpcUrl: lossy.url, expectedChainId: null, timeoutMs: 5_000 })

    await broadcast(chain, signed)

    expect(await balanceOf(other.address)).toBe(9n)
    expect(await findTransaction(local.chain, signed.hash)).toBe('mined')
    chain.close()
    await lossy.close()
  })
})

describe('waitForTransaction', () => {
  it('sends a transaction again that the node dropped', async () => {
    await anvilRequest(local.chain, 'evm_setAutomine', [false])
    const signed = await prepareTransaction(local.chain, signer, mint(3n), options)
    await broadcast(local.chain, signed)
    await anvilRequest(local.chain, 'anvil_dropTransaction', [signed.hash])
    await anvilRequest(local.chain, 'evm_setAutomine', [true])

    const mined = await waitForTransaction(local.chain, signed, options)

    expect(mined.hash).toBe(signed.hash)
    expect(await balanceOf(other.address)).toBe(3n)
  })

  it('names the conflict when another transaction took the nonce of a dropped one', async () => {
    const signed = await prepareTransaction(local.chain, signer, mint(3n), options)
    await sendTransaction(local.chain, signer, mint(4n), options)

    const error = await caught(waitForTransaction(local.chain, signed, options))

    expect(error.code).toBe('NONCE_CONFLICT')
    expect(error.details['txHash']).toBe(signed.hash)
    expect(await balanceOf(other.address)).toBe(4n)
  })
})

describe('simulateTransaction', () => {
  it('needs no key', async () => {
    expect(await simulateTransaction(local.chain, other.address, mint(1n), [])).toBeGreaterThan(21_000n)
  })

  it('asks for the revert data by a call when the estimate tells none', async () => {
    const data = `0x08c379a0${AbiCoder.defaultAbiCoder().encode(['string'], ['not today']).slice(2)}`
    const node = await startHttpServer(
      jsonRpc((method) => {
        if (method === 'eth_chainId') return '0x1'
        const refusal = { code: -32000, message: 'execution reverted' }
        throw (method === 'eth_call' ? { ...refusal, code: 3, data } : refusal) as unknown as Error
      }),
    )
    const chain = await openChain({ rpcUrl: node.url, expectedChainId: null, timeoutMs: 5_000 })

    const error = await caught(simulateTransaction(chain, other.address, mint(1n), []))

    expect(error.message).toBe('The contract refused the call: not today.')
    chain.close()
    await node.close()
  })
})

/** Signs without the simulation that would refuse. */
async function signBlindly(request: {
  to: Address | null
  data: Hex
  gasLimit: bigint
}): Promise<SignedTransaction> {
  const nonce = await local.chain.provider.getTransactionCount(owner.address)
  const maxFeePerGas = 10n ** 10n
  const raw = (await signer.wallet.signTransaction({
    ...request,
    type: 2,
    chainId: 31_337,
    nonce,
    maxFeePerGas,
    maxPriorityFeePerGas: 1n,
  })) as Hex
  const hash = hashOf(raw)
  return { hash, raw, from: owner.address, nonce, gasLimit: request.gasLimit, maxFeePerGas, maxCostWei: 0n }
}

async function forward(url: string, body: string): Promise<string> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return response.text()
}
