import { SigningKey } from 'ethers/crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { rewardDistributorArtifact } from '../../src/lib/abi/reward-distributor.js'
import { readContract } from '../../src/lib/chain/contracts.js'
import type { DevnetAccount } from '../../src/lib/devnet/accounts.js'
import type { Address, Hex } from '../../src/lib/hex.js'
import { findModelIds } from '../../src/lib/models/registry.js'
import type { Contributors } from '../../src/lib/models/contributors.js'
import { planContributors } from '../../src/lib/models/contributors-plan.js'
import type { ModelSource } from '../../src/lib/models/model.js'
import { claimedFromLogs, planClaims, type ClaimedItem } from '../../src/lib/rewards/claim.js'
import { afterClaimFee } from '../../src/lib/rewards/split.js'
import { planSigma, planStake } from '../../src/lib/rewards/stake.js'
import { readRewardsStatus, type RewardsStatus } from '../../src/lib/rewards/status.js'
import { readUsage } from '../../src/lib/rewards/usage-log.js'
import { createFlockWorld, type FlockWorld } from '../helpers/flock-world.js'
import { RewardLedger } from '../helpers/reward-ledger.js'

const FLOCK = 10n ** 18n
const DAY_SEC = 86_400
const TRAINING_PPM = 300_000n
const VALIDATOR_PPM = 123_457n
const PRICE = { request: 5n * 10n ** 16n + 3n, prompt: 120n * FLOCK + 7n, completion: 480n * FLOCK + 11n }

let world: FlockWorld
let modelId: Hex
const ledger = new RewardLedger(TRAINING_PPM, VALIDATOR_PPM)
let delivered = 0

function sourceOf(node: Address): ModelSource {
  return {
    hg_repo_id: 'flock-io/rewards',
    revision: 'main',
    base_model: 'demo',
    metadataUri: '',
    containers: ['flock-workflow'],
    price: {
      request: '0.050000000000000003',
      promptPerMillion: '120.000000000000000007',
      completionPerMillion: '480.000000000000000011',
    },
    limits: { maxPromptTokens: 500, maxCompletionTokens: 200 },
    split: { trainingPpm: Number(TRAINING_PPM), validatorPpm: Number(VALIDATOR_PPM) },
    nodes: [node],
  }
}

beforeAll(async () => {
  world = await createFlockWorld()
  modelId = (await world.register(sourceOf(world.nth('infernet-node').address))).modelId
}, 180_000)

afterAll(() => world?.close())

/** A request and its delivery; the fee is computed here from the price alone. */
async function use(promptTokens: bigint, completionTokens: bigint): Promise<void> {
  const request = await world.ask(modelId)
  await world.deliver(request, {
    answer: 'x'.repeat(Number(completionTokens) + 1),
    promptTokens,
    completionTokens,
  })
  const metered = promptTokens * PRICE.prompt + completionTokens * PRICE.completion
  ledger.fee(PRICE.request + (metered + 999_999n) / 1_000_000n)
  delivered += 1
}

async function useOften(...pairs: readonly (readonly [number, number])[]): Promise<void> {
  for (const [promptTokens, completionTokens] of pairs)
    await use(BigInt(promptTokens), BigInt(completionTokens))
}

async function attest(contributors: Contributors): Promise<void> {
  const attesterKey = new SigningKey(world.nth('attester').privateKey)
  const nowSec = Math.floor(Date.now() / 1000) + 30 * DAY_SEC
  const wish = { modelId, isNew: false, contributors, attestation: null, attesterKey, nowSec }
  await world.send(world.nth('spare'), await planContributors(world.place, wish))
  const weights = (members: Contributors['training']) =>
    members.map(({ account, weight }): [Address, bigint] => [account, BigInt(weight)])
  ledger.table(weights(contributors.training), weights(contributors.validators))
}

async function deposit(account: DevnetAccount, amount: bigint): Promise<void> {
  await world.send(account, await planStake(world.place, account.address, { operator: null, amount }))
  ledger.deposit(account.address, amount)
}

async function delegate(delegator: DevnetAccount, operator: DevnetAccount, amount: bigint): Promise<void> {
  const stake = { operator: operator.address, amount }
  await world.send(delegator, await planStake(world.place, delegator.address, stake))
  ledger.delegate(delegator.address, operator.address, amount)
}

async function setSigma(account: DevnetAccount, sigmaPpm: bigint): Promise<void> {
  await world.send(account, await planSigma(world.place, account.address, sigmaPpm))
}

async function statusOf({ address }: DevnetAccount): Promise<RewardsStatus> {
  return readRewardsStatus(world.place, address, await findModelIds(world.place, { host: address }))
}

/** Claims everything for an account and returns what the contract says it paid. */
async function claim(account: DevnetAccount): Promise<ClaimedItem[]> {
  const plan = planClaims(world.place.rewardDistributor, await statusOf(account), null)
  const mined = await world.send(account, plan.calls)
  return claimedFromLogs(
    world.place.rewardDistributor,
    mined.flatMap(({ logs }) => logs),
  )
}

const read = <T>(fn: string, ...args: unknown[]) =>
  readContract<T>(world.chain, rewardDistributorArtifact, world.place.rewardDistributor, fn, args)

describe('rewards of a model with two training nodes, two validators and three delegators', () => {
  it('follow usage to the last base unit, through changes of stake, sigma and contributors', async () => {
    const [trainer, tuner] = [world.nth('training-node', 0), world.nth('training-node', 1)]
    const [judge, critic] = [world.nth('validator', 0), world.nth('validator', 1)]
    const [ann, ben, cleo] = [world.nth('delegator', 0), world.nth('delegator', 1), world.nth('delegator', 2)]
    const host = world.nth('model-host')
    const gross = new Map<Address, bigint>()
    const paid: ClaimedItem[] = []
    const note = (account: DevnetAccount, amount: bigint) =>
      gross.set(account.address, (gross.get(account.address) ?? 0n) + amount)

    // Usage before there are contributors belongs to the host alone.
    await useOften([3, 5])

    await attest({
      training: [
        { account: trainer.address, weight: 7 },
        { account: tuner.address, weight: 2 },
      ],
      validators: [
        { account: judge.address, weight: 3 },
        { account: critic.address, weight: 1 },
      ],
    })
    for (const [account, sigmaPpm] of [
      [trainer, 400_000n],
      [tuner, 0n],
      [judge, 876_543n],
    ] as const) {
      await setSigma(account, sigmaPpm)
      ledger.sigma(account.address, sigmaPpm)
    }
    await deposit(trainer, 3000n * FLOCK)
    await deposit(judge, 1n)
    await delegate(ann, trainer, 1000n * FLOCK)
    await delegate(ben, tuner, 333_333_333_333_333_333n)
    await useOften([17, 29], [101, 64], [1, 0])

    // Later stake earns from later usage only.
    await delegate(cleo, trainer, 777n * FLOCK + 1n)
    await delegate(cleo, judge, 13n)
    await delegate(ben, tuner, 5n * FLOCK)
    await useOften([33, 7], [128, 199])

    // One of them claims half way, and sigma changes after its cooldown.
    note(trainer, ledger.claimOperator(trainer.address))
    paid.push(...(await claim(trainer)))
    note(ann, ledger.claimDelegator(ann.address, trainer.address))
    paid.push(...(await claim(ann)))
    await setSigma(trainer, 123_456n)
    await useOften([55, 55])
    await world.advance(DAY_SEC)
    await setSigma(trainer, 123_456n)
    ledger.sigma(trainer.address, 123_456n)
    await useOften([90, 1], [2, 150])

    // A new table: the tuner leaves, the judge becomes a training node as well.
    await attest({
      training: [
        { account: trainer.address, weight: 1 },
        { account: judge.address, weight: 16_777_214 },
      ],
      validators: [{ account: judge.address, weight: 5 }],
    })
    await useOften([8, 8], [9, 9], [77, 101])

    // What the chain shows as claimable is what the ledger says.
    const expected: [DevnetAccount, bigint][] = [
      [host, ledger.claimHost()],
      ...[trainer, tuner, judge, critic].map((account): [DevnetAccount, bigint] => [
        account,
        ledger.claimOperator(account.address),
      ]),
      [ann, ledger.claimDelegator(ann.address, trainer.address)],
      [ben, ledger.claimDelegator(ben.address, tuner.address)],
      [
        cleo,
        ledger.claimDelegator(cleo.address, trainer.address) +
          ledger.claimDelegator(cleo.address, judge.address),
      ],
    ]
    for (const [account, amount] of expected) {
      const status = await statusOf(account)
      expect({ role: account.role, index: account.index, gross: status.totals.gross }).toEqual({
        role: account.role,
        index: account.index,
        gross: amount,
      })
      note(account, amount)
    }

    // Claims move exactly those tokens, less the claim fee of the role.
    for (const [account] of expected) {
      const before = await world.tokensOf(account.address)
      const announced = (await statusOf(account)).totals
      const items = await claim(account)
      const net = items.reduce((sum, { amounts }) => sum + amounts.net, 0n)
      expect((await world.tokensOf(account.address)) - before).toBe(net)
      expect(net).toBe(announced.net)
      paid.push(...items)
      expect((await statusOf(account)).totals.gross).toBe(0n)
    }
    const claimed = new Map<Address, bigint>()
    for (const { account, amounts } of paid) {
      claimed.set(account, (claimed.get(account) ?? 0n) + amounts.gross)
    }
    // The tuner keeps nothing: sigma is 0 and all the stake behind it is delegated.
    expect(gross.get(tuner.address)).toBe(0n)
    gross.delete(tuner.address)
    expect(claimed).toEqual(gross)

    // Claim fees are those of the role, and nothing is left but what rounds down.
    const rates = { host: 0n, operator: 80_000n, delegator: 145_000n, balance: 0n }
    for (const { role, amounts } of paid) expect(amounts).toEqual(afterClaimFee(amounts.gross, rates[role]))
    const claimFees = paid.reduce((sum, { amounts }) => sum + amounts.fee, 0n)
    expect(await read<bigint>('treasuryOwed')).toBe(claimFees)
    const total = paid.reduce((sum, { amounts }) => sum + amounts.gross, 0n)
    // Less than one unit per delegated FLOCK is carried to the next reward, and less than one per operator and fraction.
    const dust = ledger.fees - total
    expect(dust >= 0n && dust < 5_000n).toBe(true)
    const refunds = await read<bigint>('balanceOf', world.nth('requester').address)
    expect(await read<bigint>('reserves')).toBe(dust + claimFees + refunds)
    expect(await world.tokensOf(world.place.rewardDistributor)).toBe(dust + claimFees + refunds)
  }, 240_000)

  it('leave a record of each answer whose parts add up to the fee', async () => {
    const { records } = await readUsage(world.place, { modelId, fromBlock: null, limit: 100 })

    expect(records).toHaveLength(delivered)
    for (const record of records) {
      expect(record.hostPart + record.trainingPart + record.validatorPart).toBe(record.fee)
      expect(record.requester).toBe(world.nth('requester').address)
    }
    expect(records.reduce((sum, { fee }) => sum + fee, 0n)).toBe(ledger.fees)
    expect(records.map(({ blockNumber }) => blockNumber)).toEqual(
      records.map(({ blockNumber }) => blockNumber).sort((a, b) => b - a),
    )
  })

  it('show the newest records when there are more than asked for', async () => {
    const all = await readUsage(world.place, { modelId: null, fromBlock: null, limit: 100 })
    const few = await readUsage(world.place, { modelId: null, fromBlock: null, limit: 2 })

    expect(few.records).toEqual(all.records.slice(0, 2))
  })

  it('are found across many ranges of blocks, as far back as is asked', async () => {
    const whole = await readUsage(world.place, { modelId, fromBlock: null, limit: 100 })
    const pieces = await readUsage(world.place, { modelId, fromBlock: null, limit: 100 }, 3)
    const [newest] = whole.records
    const fromBlock = newest?.blockNumber ?? 0
    const recent = await readUsage(world.place, { modelId, fromBlock, limit: 100 }, 3)

    expect(pieces).toEqual(whole)
    expect(recent).toMatchObject({ fromBlock, records: [{ txHash: newest?.txHash }] })
  })

  it('give unused escrow back to the requester, free of claim fees', async () => {
    const requester = world.nth('requester')
    const before = await world.tokensOf(requester.address)
    const { balance } = await statusOf(requester)

    const items = await claim(requester)

    expect(balance > 0n).toBe(true)
    expect(items.map(({ role, amounts }) => [role, amounts])).toEqual([
      ['balance', { gross: balance, fee: 0n, net: balance }],
    ])
    expect((await world.tokensOf(requester.address)) - before).toBe(balance)
    expect(planClaims(world.place.rewardDistributor, await statusOf(requester), null).calls).toEqual([])
  })
})
