import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { testTokenArtifact } from '../../../src/lib/abi/test-token.js'
import { encodeCall, encodeDeploy, readContract } from '../../../src/lib/chain/contracts.js'
import { openChain, type Chain } from '../../../src/lib/chain/provider.js'
import { createSigner } from '../../../src/lib/chain/signer.js'
import { sendTransaction } from '../../../src/lib/chain/transact.js'
import { findTransaction } from '../../../src/lib/chain/wait.js'
import { devnetAccounts, type DevnetAccount } from '../../../src/lib/devnet/accounts.js'
import type { Address, Hex } from '../../../src/lib/hex.js'
import { anvilRequest, startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { startHttpServer } from '../../helpers/http-server.js'
import { openTestOutbox, testTask, type TestOutbox } from '../../helpers/outbox.js'
import { startRpcProxy, type RpcProxy } from '../../helpers/rpc-proxy.js'

const [owner, other, foreign] = devnetAccounts() as [DevnetAccount, DevnetAccount, DevnetAccount]
const GWEI = 10n ** 9n

let local: TestChain
let proxy: RpcProxy
let chain: Chain
let token: Address
let outbox: TestOutbox

beforeEach(async () => {
  local = await startAnvil()
  proxy = await startRpcProxy(local.rpcUrl)
  chain = await openChain({ rpcUrl: proxy.url, expectedChainId: null, timeoutMs: 10_000 })
  const deployed = await sendTransaction(
    local.chain,
    createSigner(owner.privateKey, local.chain),
    { to: null, data: encodeDeploy(testTokenArtifact, ['Test FLOCK', 'tFLOCK']) },
    { confirmations: 1, timeoutMs: 20_000, revertInterfaces: [] },
  )
  token = deployed.contractAddress as Address
  outbox = openTestOutbox(chain, owner.privateKey)
  await ask('evm_setAutomine', [false])
}, 30_000)

afterEach(async () => {
  outbox.stop()
  chain.close()
  await proxy.close()
  await local.close()
})

const ask = (method: string, params: readonly unknown[] = []) => anvilRequest(local.chain, method, params)
const mine = () => ask('evm_mine')
const mint = (amount: bigint) => ({
  to: token,
  data: encodeCall(testTokenArtifact, 'mint', [other.address, amount]),
})
/** Fails as soon as somebody else spent the owner's tokens. */
const transfer = (amount: bigint) => ({
  to: token,
  data: encodeCall(testTokenArtifact, 'transfer', [other.address, amount]),
})
const balanceOf = (account: Address) =>
  readContract<bigint>(local.chain, testTokenArtifact, token, 'balanceOf', [account])
const mined = () => local.chain.provider.getTransactionCount(owner.address, 'latest')
const drop = (hash: Hex | undefined) => ask('anvil_dropTransaction', [hash])
const callsOf = (method: string) => proxy.calls.filter((call) => call.method === method).length

/** Looks without end: each test has a limit of its own. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Mines a block whenever the outbox has had its look at the one before, until it holds. */
async function mineUntil(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    const looks = callsOf('eth_getBlockByNumber')
    await mine()
    await until(async () => callsOf('eth_getBlockByNumber') > looks + 2 || (await holds()))
  }
}

/** Another process with the same key. */
async function sendElsewhere(nonce: number, fee = 5n * GWEI): Promise<void> {
  const { wallet } = createSigner(owner.privateKey, local.chain)
  await wallet.sendTransaction({
    to: foreign.address,
    nonce,
    maxFeePerGas: fee,
    maxPriorityFeePerGas: fee,
    gasLimit: 21_000n,
  })
}

describe('createOutbox', () => {
  it('sends many at once with one nonce each and mines them in one block', async () => {
    const before = await mined()
    const tasks = Array.from({ length: 20 }, () => testTask(mint(1n)))

    const sending = tasks.map((task) => outbox.send(task))
    await until(() => tasks.every(({ sent }) => sent.length === 1))
    await mine()
    const results = await Promise.all(sending)

    expect(await balanceOf(other.address)).toBe(20n)
    expect(new Set(results.map((result) => result?.blockNumber)).size).toBe(1)
    const nonces = tasks.map(({ signed }) => signed[0]?.nonce ?? -1)
    expect(nonces.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => before + index))
  })

  it('asks for fees and nonce once for all, and for the receipts of a block at once', async () => {
    const methods = ['eth_maxPriorityFeePerGas', 'eth_getTransactionCount', 'eth_getBlockReceipts']
    const latest = (await ask('eth_getBlockByNumber', ['latest', false])) as Readonly<Record<string, Hex>>
    const { hash, parentHash, number } = latest
    outbox.see({ hash: hash ?? '0x', parentHash: parentHash ?? '0x', number: Number(number) })
    const before = methods.map(callsOf)
    const tasks = Array.from({ length: 10 }, () => testTask(mint(1n)))

    const sending = tasks.map((task) => outbox.send(task))
    await until(() => tasks.every(({ sent }) => sent.length === 1))
    await mine()
    await Promise.all(sending)

    expect(methods.map((method, index) => callsOf(method) - (before[index] ?? 0))).toEqual([1, 1, 1])
  })

  it('writes down what it signed before it leaves, and sends nothing when that fails', async () => {
    const sends = callsOf('eth_sendRawTransaction')
    const failing = testTask(mint(1n), { onSigned: () => Promise.reject(new Error('disk full')) })

    await expect(outbox.send(failing)).rejects.toThrow('disk full')
    const next = testTask(mint(2n))
    const sending = outbox.send(next)
    await until(() => next.sent.length === 1)
    await mine()
    await sending

    expect(callsOf('eth_sendRawTransaction')).toBe(sends + 1)
    expect(await balanceOf(other.address)).toBe(2n)
  })

  it('refuses a call that needs more gas than it may use', async () => {
    const error = await caught(outbox.send(testTask(mint(1n), { maxGasLimit: 30_000n })))

    expect(error.code).toBe('FEE_TOO_HIGH')
    expect(error.details).toMatchObject({ maxGasLimit: 30_000n })
  })

  it('signs no more gas than it may use, though the margin would', async () => {
    const task = testTask(mint(1n))
    const estimate = await local.chain.provider.estimateGas({ from: owner.address, ...mint(1n) })

    const sending = outbox.send({ ...task, maxGasLimit: estimate + 100n })
    await until(() => task.sent.length === 1)
    const found = await local.chain.provider.getTransaction(task.sent[0] ?? '')
    await mine()
    await sending

    expect(found?.gasLimit).toBe(estimate + 100n)
  })

  it('takes no nonce for what is not admitted', async () => {
    const asked: { gas: bigint; gasPriceWei: bigint }[] = []
    const task = testTask(mint(1n), {
      admit: async (cost) => {
        asked.push(cost)
        return false
      },
    })

    expect(await outbox.send(task)).toBeNull()
    expect(asked[0]?.gas).toBeGreaterThan(21_000n)
    expect(asked[0]?.gasPriceWei).toBeGreaterThan(0n)
    expect(task.signed).toEqual([])
  })

  it('does not send above the fee that the operator allows', async () => {
    const capped = openTestOutbox(chain, owner.privateKey, {
      policy: { maxFeePerGas: 10n, maxPriorityFeePerGas: null },
    })

    const error = await caught(capped.send(testTask(mint(1n))))

    expect(error.code).toBe('FEE_TOO_HIGH')
    expect(error.details).toMatchObject({ maxFeePerGas: 10n })
    capped.stop()
  })

  it('raises the fees of one that the base fee outran, on the same nonce', async () => {
    const task = testTask(mint(3n))
    const sending = outbox.send(task)
    await until(() => task.sent.length === 1)

    await ask('anvil_setNextBlockBaseFeePerGas', [`0x${(50n * GWEI).toString(16)}`])
    await mineUntil(() => task.signed.length >= 2)
    await mineUntil(() => outbox.size() === 0)
    const result = await sending

    expect(await balanceOf(other.address)).toBe(3n)
    expect(new Set(task.signed.map(({ nonce }) => nonce)).size).toBe(1)
    expect(task.replaced[1]).toEqual([task.signed[0]])
    expect(result?.signed.hash).not.toBe(task.signed[0]?.hash)
    expect(result?.replaced).toContainEqual(task.signed[0])
  })

  it('tells of one that it may not raise any further, and goes on waiting', async () => {
    const capped = openTestOutbox(chain, owner.privateKey, {
      policy: { maxFeePerGas: 5n * GWEI, maxPriorityFeePerGas: null },
    })
    const task = testTask(mint(3n))
    const sending = capped.send(task)
    await until(() => task.sent.length === 1)

    await ask('anvil_setNextBlockBaseFeePerGas', [`0x${(40n * GWEI).toString(16)}`])
    await mineUntil(() => task.stalled.length > 0)
    await mineUntil(() => capped.size() === 0)

    expect(await sending).not.toBeNull()
    expect(await balanceOf(other.address)).toBe(3n)
    capped.stop()
  })

  it('sends the same bytes again when the pool dropped them, also below others', async () => {
    const tasks = [testTask(mint(1n)), testTask(mint(2n)), testTask(mint(4n))]
    const sending = tasks.map((task) => outbox.send(task))
    await until(() => tasks.every(({ sent }) => sent.length === 1))
    const lowest = tasks.toSorted((a, b) => (a.signed[0]?.nonce ?? 0) - (b.signed[0]?.nonce ?? 0))[0]

    await drop(lowest?.sent[0])
    await mineUntil(() => outbox.size() === 0)
    await Promise.all(sending)

    expect(await balanceOf(other.address)).toBe(7n)
    expect(lowest?.signed).toHaveLength(1)
    expect(new Set(lowest?.sent).size).toBe(1)
  })

  it('leaves one that would fail by now to be dropped, and spends nothing on it', async () => {
    await mintToOwner(10n)
    const before = await mined()
    const task = testTask(transfer(10n))
    const failed = caught(outbox.send(task))
    await until(() => task.sent.length === 1)

    await drop(task.sent[0])
    await takeFromOwner(10n)
    await mineUntil(() => outbox.size() === 0)

    expect((await failed).code).toBe('TX_REVERTED')
    expect(task.signed).toHaveLength(1)
    expect(await mined()).toBe(before)
  })

  it('gives the nonce of one that would fail to an empty transfer when later ones wait for it', async () => {
    await mintToOwner(10n)
    const doomed = testTask(transfer(10n))
    const failed = caught(outbox.send(doomed))
    await until(() => doomed.sent.length === 1)
    const next = testTask(mint(5n))
    const sending = outbox.send(next)
    await until(() => next.sent.length === 1)

    await drop(doomed.sent[0])
    await takeFromOwner(10n)
    await mineUntil(() => outbox.size() === 0)
    await sending

    const error = await failed
    expect(error.code).toBe('TX_REVERTED')
    expect(await balanceOf(other.address)).toBe(5n)
    expect(doomed.signed.map(({ nonce }) => nonce)).toEqual(
      [next, next].map(({ signed }) => (signed[0]?.nonce ?? 0) - 1),
    )
    expect(doomed.replaced[1]).toEqual([doomed.signed[0]])
  })

  it('says so when another transaction of the account took the nonce, and takes a free one next', async () => {
    const first = testTask(mint(1n))
    const failed = caught(outbox.send(first))
    await until(() => first.sent.length === 1)
    const nonce = first.signed[0]?.nonce ?? 0

    await drop(first.sent[0])
    await sendElsewhere(nonce)
    await mineUntil(() => outbox.size() === 0)
    const again = testTask(mint(1n))
    const sending = outbox.send(again)
    await until(() => again.sent.length === 1)
    await mine()
    await sending

    expect((await failed).code).toBe('NONCE_CONFLICT')
    expect(again.signed[0]?.nonce).toBe(nonce + 1)
    expect(await balanceOf(other.address)).toBe(1n)
  })

  it('does not outbid a waiting transaction that somebody else sent with the key', async () => {
    const nonce = await mined()
    const first = testTask(mint(1n))
    const sending = outbox.send(first)
    await until(() => first.sent.length === 1)
    await sendElsewhere(nonce + 1)

    const error = await caught(outbox.send(testTask(mint(2n))))
    const again = testTask(mint(2n))
    const resent = outbox.send(again)
    await until(() => again.sent.length === 1)
    await mine()
    await Promise.all([sending, resent])

    expect(error.code).toBe('NONCE_CONFLICT')
    expect(again.signed[0]?.nonce).toBe(nonce + 2)
    expect(await balanceOf(foreign.address)).toBe(0n)
    expect(await balanceOf(other.address)).toBe(3n)
  })

  it('fills a gap below others that nobody fills', async () => {
    const gap = await mined()
    const ahead = openTestOutbox(chain, owner.privateKey, { reserved: [gap] })
    const task = testTask(mint(6n))
    const sending = ahead.send(task)
    await until(() => task.sent.length === 1)

    await mineUntil(() => ahead.size() === 0)
    await sending

    expect(task.signed[0]?.nonce).toBe(gap + 1)
    expect(await balanceOf(other.address)).toBe(6n)
    ahead.stop()
  })

  it('reports one that was mined and failed, with the gas it cost', async () => {
    await mintToOwner(10n)
    const patient = openTestOutbox(chain, owner.privateKey, { replaceAfterBlocks: 100 })
    const task = testTask(transfer(10n), { revertInterfaces: [testTokenArtifact] })
    const failed = caught(patient.send(task))
    await until(() => task.sent.length === 1)

    await drop(task.sent[0])
    await takeFromOwner(10n)
    await mine()
    await ask('eth_sendRawTransaction', [task.signed[0]?.raw])
    await mine()

    const error = await failed
    expect(error.code).toBe('TX_REVERTED')
    expect(error.details.gasUsed).toBeGreaterThan(21_000n)
    patient.stop()
  })

  it('waits one by one where the endpoint has no receipts of a block', async () => {
    const server = await startHttpServer((body, response) => {
      const asked = body.replace('eth_getBlockReceipts', 'eth_noSuchMethod')
      void forward(asked).then((answer) => response.end(answer))
    })
    const bare = await openChain({ rpcUrl: server.url, expectedChainId: null, timeoutMs: 10_000 })
    const poor = openTestOutbox(bare, owner.privateKey)
    const tasks = [testTask(mint(1n)), testTask(mint(2n)), testTask(mint(4n))]

    const sending = tasks.map((task) => poor.send(task))
    await until(() => tasks.every(({ sent }) => sent.length === 1))
    await mine()
    await Promise.all(sending)

    expect(await balanceOf(other.address)).toBe(7n)
    poor.stop()
    bare.close()
    await server.close()
  })

  it('ends all waits when it is stopped, with the hash', async () => {
    const task = testTask(mint(1n))
    const failed = caught(outbox.send(task))
    await until(() => task.sent.length === 1)

    outbox.stop()

    const error = await failed
    expect(error.code).toBe('INTERRUPTED')
    expect(error.details.txHash).toBe(task.sent[0])
    expect(outbox.size()).toBe(0)
  })
})

describe('an outbox that resumes', () => {
  it('follows what waits in the pool, and sends nothing', async () => {
    const first = await leave(mint(1n))
    const sends = callsOf('eth_sendRawTransaction')
    const later = openTestOutbox(chain, owner.privateKey, { reserved: [first.nonce] })
    const task = testTask(mint(1n))

    const resumed = later.resume(task, [first])
    await until(() => callsOf('eth_getTransactionByHash') > 0)
    await mineUntil(() => later.size() === 0)
    const result = await resumed

    expect(result?.signed).toEqual(first)
    expect(callsOf('eth_sendRawTransaction')).toBe(sends)
    expect(await balanceOf(other.address)).toBe(1n)
    later.stop()
  })

  it('takes whichever of several signatures was mined meanwhile', async () => {
    const first = await leave(mint(1n))
    const second = { ...first, raw: await signAgain(first.nonce), hash: '0x' as Hex }
    await mine()
    const later = openTestOutbox(chain, owner.privateKey, { reserved: [first.nonce] })

    const result = await later.resume(testTask(mint(1n)), [first, second])

    expect(result?.signed.hash).toBe(first.hash)
    expect(result?.replaced).toHaveLength(1)
    later.stop()
  })

  it('sends the same bytes when nobody has them, and others with other nonces', async () => {
    const first = await leave(mint(1n))
    await drop(first.hash)
    const later = openTestOutbox(chain, owner.privateKey, { reserved: [first.nonce] })
    const [old, fresh] = [testTask(mint(1n)), testTask(mint(2n))]

    const sending = [later.send(fresh), later.resume(old, [first])]
    await until(() => old.sent.length === 1 && fresh.sent.length === 1)
    await mine()
    await Promise.all(sending)

    expect(old.sent).toEqual([first.hash])
    expect(old.signed).toEqual([])
    expect(fresh.signed[0]?.nonce).toBe(first.nonce + 1)
    expect(await balanceOf(other.address)).toBe(3n)
    later.stop()
  })

  it('gives a nonce free whose transaction nobody has and nobody wants', async () => {
    const first = await leave(mint(1n))
    await drop(first.hash)
    const later = openTestOutbox(chain, owner.privateKey, { reserved: [first.nonce] })

    const ended = await later.resume(testTask(mint(1n), { isWanted: () => false }), [first])
    const next = testTask(mint(2n))
    const sending = later.send(next)
    await until(() => next.sent.length === 1)
    await mine()
    await sending

    expect(ended).toBeNull()
    expect(next.signed[0]?.nonce).toBe(first.nonce)
    later.stop()
  })

  it('brings back what a replaced block undid, with the same bytes', async () => {
    const task = testTask(mint(1n))
    const sending = outbox.send(task)
    await until(() => task.sent.length === 1)
    await drop(task.sent[0])
    const fork = await ask('evm_snapshot')
    await ask('eth_sendRawTransaction', [task.signed[0]?.raw])
    await mine()
    const before = await sending
    await ask('evm_revert', [fork])
    expect(await balanceOf(other.address)).toBe(0n)

    const again = outbox.resume(task, [before?.signed ?? { hash: '0x', raw: '0x', nonce: 0 }])
    await mineUntil(() => outbox.size() === 0)
    const after = await again

    expect(after?.signed).toEqual(before?.signed)
    expect(task.signed).toHaveLength(1)
    expect(await balanceOf(other.address)).toBe(1n)
  })

  it('refuses with the reason what would fail by now, and sends nothing', async () => {
    await mintToOwner(10n)
    const first = await leave(transfer(10n))
    await drop(first.hash)
    await takeFromOwner(10n)
    await mine()
    const sends = callsOf('eth_sendRawTransaction')
    const later = openTestOutbox(chain, owner.privateKey, { reserved: [first.nonce] })

    const error = await caught(later.resume(testTask(transfer(10n)), [first]))

    expect(error.code).toBe('TX_REVERTED')
    expect(callsOf('eth_sendRawTransaction')).toBe(sends)
    later.stop()
  })

  /** What a process that died had sent. */
  async function leave(call: ReturnType<typeof mint>) {
    const task = testTask(call)
    const dying = openTestOutbox(chain, owner.privateKey)
    const lost = dying.send(task).catch(() => undefined)
    await until(() => task.sent.length === 1)
    dying.stop()
    await lost
    return task.signed[0] ?? { hash: '0x', raw: '0x', nonce: 0 }
  }

  async function signAgain(nonce: number): Promise<Hex> {
    const signer = createSigner(owner.privateKey, local.chain)
    const fees = { maxFeePerGas: 9n * GWEI, maxPriorityFeePerGas: GWEI }
    return (await signer.sign({ ...mint(1n), value: 0n, nonce, gasLimit: 100_000n, ...fees })).raw
  }
})

/** Gives the owner tokens that another account may take. */
async function mintToOwner(amount: bigint): Promise<void> {
  await sendFrom(foreign.address, encodeCall(testTokenArtifact, 'mint', [owner.address, amount]))
  await sendFrom(owner.address, encodeCall(testTokenArtifact, 'approve', [foreign.address, amount]))
  await mine()
}

/** Takes the owner's tokens away in front of everything else in the next block, so that a transfer of them fails. */
async function takeFromOwner(amount: bigint): Promise<void> {
  const args = [owner.address, foreign.address, amount]
  await sendFrom(foreign.address, encodeCall(testTokenArtifact, 'transferFrom', args))
}

async function sendFrom(from: Address, data: Hex): Promise<void> {
  const fee = `0x${(100n * GWEI).toString(16)}`
  const fees = { maxFeePerGas: fee, maxPriorityFeePerGas: fee }
  const hash = (await ask('eth_sendTransaction', [{ from, to: token, data, gas: '0x186a0', ...fees }])) as Hex
  expect(await findTransaction(local.chain, hash)).toBe('pending')
}

async function forward(body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(local.rpcUrl, { method: 'POST', headers, body })
  return response.text()
}
