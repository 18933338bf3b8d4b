import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { toUtf8Bytes } from 'ethers/utils'
import type { DevnetAccount } from '../../src/lib/devnet/accounts.js'
import { ZERO_ADDRESS, ZERO_BYTES32, bytesToHex, type Address, type Hex } from '../../src/lib/hex.js'
import { stringifyJson } from '../../src/lib/json.js'
import type { Share } from '../../src/lib/rewards/reference/emissions.js'
import type { Effect, Reference } from '../../src/lib/rewards/reference/reference.js'
import { epochOf } from '../../src/lib/rewards/reference/stakes.js'
import type { Terms } from '../../src/lib/rewards/reference/requests.js'
import type { Dice } from './dice.js'
import {
  CONTAINERS,
  PROMPT,
  type Asked,
  type Call,
  type ChainEvent,
  type OrderFields,
  type RewardWorld,
  type View,
} from './reward-world.js'

/** One thing that somebody does, on the chain and in the reference. */
export interface Action {
  readonly label: string
  readonly call: Call
  /** Does the same in the reference. The events are those of the chain, none when it refused. */
  readonly repeat: (timeSec: bigint, events: readonly ChainEvent[]) => Effect<unknown>
  /** What the chain's events say that the reference's result has to say too. */
  readonly told?: (events: readonly ChainEvent[]) => unknown
  /** Notes what later actions can build on. */
  readonly note?: (events: readonly ChainEvent[], timeSec: bigint) => void
}

/** A view and what it has to answer; null when it has to refuse. */
export interface Expectation {
  readonly label: string
  readonly view: View
  readonly words: readonly bigint[] | null
}

/** A random course of events. */
export interface Play {
  readonly reference: Reference
  /** How long until the next action. */
  pause(): number
  next(timeSec: bigint): Action
  /** Everything that anybody can read of the money. */
  expectations(timeSec: bigint): readonly Expectation[]
}

interface PlayModel {
  readonly modelId: Hex
  readonly host: DevnetAccount
  terms: Terms
  isActive: boolean
}

interface PlayRequest extends Asked {
  readonly intervals: bigint
  readonly periodSec: bigint
  readonly activeAt: bigint
  readonly deadlineSec: bigint
}

type Maker = (timeSec: bigint) => Action

const FLOCK = 10n ** 18n

/** What the bytes of every prompt allow: its own, and 128 for chat templates. */
const MOST_PROMPT_TOKENS = BigInt(PROMPT.length + 128)

/** Terms that are awkward in different ways: odd prices, hardly any, splits that do not divide or leave the host nothing. */
const TERMS: readonly Terms[] = [
  terms(
    [10n ** 15n + 3n, 333_333_333_333_333_333n, 777_777_777_777_777_777n],
    [100n, 200n],
    [300_000n, 200_000n],
  ),
  terms([10n ** 17n + 1n, 1n, 0n], [1_000n, 50n], [333_333n, 333_333n]),
  terms([0n, 10n ** 18n, 10n ** 18n + 7n], [100n, 200n], [123_457n, 0n]),
  terms([7n * FLOCK, 0n, 0n], [10n, 10n], [499_999n, 499_999n]),
  terms([3n * FLOCK + 1n, 5n, 5n], [150n, 100n], [0n, 0n]),
  terms([10n ** 16n + 1n, 0n, 0n], [100n, 100n], [500_000n, 500_000n]),
  terms([1n, 0n, 0n], [100n, 100n], [333_333n, 333_333n]),
  terms([3n, 0n, 7n], [100n, 100n], [700_001n, 299_998n]),
  terms([1_001n, 0n, 7n], [100n, 100n], [1_000_000n, 0n]),
]

/** Registers models and lets everybody's tokens be taken; returns what the play starts with. */
export async function preparePlay(world: RewardWorld): Promise<{ readonly models: readonly PlayModel[] }> {
  const { flock, addresses } = world
  let timeSec = await world.latestTime()
  const send = async (call: Call) => {
    timeSec += 1
    const outcome = await world.send(call, timeSec)
    if (!outcome.ok) throw new Error(`${call.fn} was refused: ${outcome.error}`)
    return outcome.events
  }
  for (const { address } of flock.devnet.accounts) {
    for (const spender of ['consumer', 'distributor', 'vault', 'emissions'] as const) {
      const args = [addresses[spender], 2n ** 256n - 1n]
      await send({ from: address, contract: 'token', fn: 'approve', args })
    }
  }
  const models: PlayModel[] = []
  for (const [index, of] of TERMS.slice(0, 3).entries()) {
    const host = index === 1 ? flock.nth('spare', 1) : flock.nth('model-host')
    const listing = {
      artifactId: keccak256(toUtf8Bytes(`model ${index}`)),
      metadataHash: ZERO_BYTES32,
      metadataUri: '',
      containers: CONTAINERS,
      consumer: addresses.consumer,
      receiptSigner: flock.nth('receipt-signer').address,
      nodes: nodesOf(world).map(({ address }) => address),
      terms: of,
    }
    const events = await send({ from: host.address, contract: 'registry', fn: 'register', args: [listing] })
    const modelId = events.find(({ name }) => name === 'ModelRegistered')?.args['modelId'] as Hex
    models.push({ modelId, host, terms: of, isActive: true })
  }
  return { models }
}

/** @param start what `preparePlay` returned */
export function createPlay(
  world: RewardWorld,
  start: { readonly models: readonly PlayModel[] },
  reference: Reference,
  dice: Dice,
): Play {
  const { flock, addresses } = world
  const { nth } = flock
  const models = start.models.map((model) => ({ ...model }))
  const owner = nth('owner').address
  const nodes = nodesOf(world)
  const unlisted = nth('receipt-signer')
  const requesters = [nth('requester').address, nth('spare', 0).address]
  const delegators = [0, 1, 2].map((index) => nth('delegator', index).address)
  const operators = [
    nth('training-node', 0).address,
    nth('training-node', 1).address,
    nth('validator', 0).address,
    nth('validator', 1).address,
    // Somebody who earns both ways.
    nth('delegator', 2).address,
  ]
  const everybody = flock.devnet.accounts.map(({ address }) => address)
  const requests: PlayRequest[] = []
  const orders: OrderFields[] = []
  let tableCount = 0n
  let isPaused = false
  const { views } = reference

  const money = () => dice.amount(dice.once(12) ? 84 : 68)
  /** Mostly much: what is carried from one spread to the next grows with the stake. */
  const stakeMoney = () =>
    dice.once(3) ? money() : FLOCK * BigInt(dice.between(1, 150_000)) + dice.amount(60)
  /** A part of what is there, all of it, or a bit more. */
  const partOf = (held: bigint) => {
    if (dice.once(12)) return held + 1n
    return dice.once(3) ? held : (held * BigInt(dice.between(0, 1_000))) / 1_000n
  }
  /** Who calls, and where to: mostly anybody for the beneficiary's own address. */
  const claimCall = (beneficiary: Address): { caller: Address; to: Address | null } => {
    if (!dice.once(4)) return { caller: dice.pick(everybody), to: null }
    const caller = dice.once(4) ? dice.pick(everybody) : beneficiary
    return { caller, to: dice.pick(everybody) }
  }
  /** Those with something due, if there are any; now and then all. */
  const mostly = <T>(list: readonly T[], due: (item: T) => bigint): readonly T[] => {
    const withDue = list.filter((item) => due(item) > 0n)
    return withDue.length === 0 || dice.once(6) ? list : withDue
  }
  /** Whether a claim would most likely be in vain; now and then it is tried all the same. */
  const isIdle = <T>(list: readonly T[], due: (item: T) => bigint): boolean =>
    list.every((item) => due(item) === 0n) && !dice.once(5)
  const send = (from: Address, contract: Call['contract'], fn: string, args: readonly unknown[]): Call => ({
    from,
    contract,
    fn,
    args,
  })
  const sharesAt = (timeSec: bigint): Share[] => {
    const today = epochOf(timeSec)
    const shares: Share[] = []
    for (let epoch = today - 5n; epoch < today; epoch += 1n) {
      for (let tableId = 1n; tableId <= tableCount; tableId += 1n) {
        if (views.unitsOf(tableId, epoch) !== 0n) shares.push({ tableId, epoch })
      }
    }
    return shares
  }
  /** Shares that somebody may claim; now and then some that nobody can. */
  const claimedShares = (timeSec: bigint): Share[] => {
    const shares = dice.some(sharesAt(timeSec))
    const today = epochOf(timeSec)
    if (dice.once(10))
      shares.push({ tableId: BigInt(dice.between(0, 4)), epoch: today - BigInt(dice.between(0, 3)) })
    return shares
  }

  const request: Maker = () => {
    const model = dice.pick(models)
    const from = dice.pick(requesters)
    const isRecurring = dice.once(3)
    const intervals = isRecurring ? BigInt(dice.between(2, 4)) : dice.once(20) ? 0n : 1n
    const periodSec = isRecurring !== dice.once(25) ? BigInt(dice.pick([600, 7_200, 86_400])) : 0n
    const redundancy = dice.once(20) ? 17n : BigInt(dice.between(1, 2))
    const timeoutSec = dice.once(25) ? 0n : BigInt(dice.pick([600, 86_400, 86_400, 400_000]))
    const maxCost = dice.once(15) ? 1n : 2n ** 200n
    const payload = bytesToHex(toUtf8Bytes(dice.once(25) ? '' : PROMPT))
    const wish = { modelId: model.modelId, intervals, periodSec, redundancy, timeoutSec, maxCost }
    const terms = model.terms
    return {
      label: `request of model ${models.indexOf(model)}: ${intervals} x ${periodSec} s x ${redundancy}`,
      call: send(from, 'consumer', 'request', [{ ...wish, payload, lazy: false }]),
      repeat: (at, events) => {
        const requestId = (opened(events)?.args['requestId'] ?? ZERO_BYTES32) as Hex
        const payloadBytes = BigInt((payload.length - 2) / 2)
        return reference.request({ ...wish, requestId, requester: from, payloadBytes }, at)
      },
      told: (events) => opened(events)?.args['escrow'],
      note: (events, at) => {
        const { requestId, request: facts } = opened(events)?.args as {
          requestId: Hex
          request: { subscriptionId: bigint }
        }
        const subscriptionId = Number(facts.subscriptionId)
        const { modelId } = wish
        const activeAt = at + periodSec
        const deadlineSec = at + (intervals > 1n ? (intervals + 1n) * periodSec : 0n) + timeoutSec
        const made = { requestId, subscriptionId, modelId, requester: from, terms }
        requests.push({ ...made, intervals, periodSec, activeAt, deadlineSec })
      },
    }
  }

  const isOpen = ({ requestId }: PlayRequest) => views.progressOf(requestId).deliveriesLeft > 0n
  /** A request of late, mostly one that is not over. */
  const recentRequest = (): PlayRequest | undefined => {
    const list = (dice.once(6) ? requests : requests.filter(isOpen)).slice(-6)
    return list.length === 0 ? undefined : dice.pick(list)
  }

  const usage = (of: Terms) => {
    const upTo = (cap: bigint) => (dice.once(25) ? cap + 1n : BigInt(dice.between(0, Number(cap))))
    const promptTokens = upTo(least(of.maxPromptTokens, MOST_PROMPT_TOKENS))
    const completionTokens = upTo(of.maxCompletionTokens)
    const outputBytes = dice.once(30) && completionTokens > 0n ? completionTokens - 1n : completionTokens + 1n
    return { promptTokens, completionTokens, outputBytes }
  }
  const booked = (events: readonly ChainEvent[]) => {
    const args = events.find(({ name }) => name === 'UsageRecorded')?.args
    return {
      fee: args?.['fee'],
      hostPart: args?.['hostPart'],
      trainingPart: args?.['trainingPart'],
      validatorPart: args?.['validatorPart'],
      refund: args?.['refund'],
    }
  }

  const deliver: Maker = (timeSec) => {
    const live = requests.filter((item) => isLive(item, timeSec) && isOpen(item))
    const of = dice.once(12) || live.length === 0 ? recentRequest() : dice.pick(live)
    if (of === undefined || (live.length === 0 && !dice.once(4))) return request(timeSec)
    const node = dice.once(20) ? unlisted : dice.pick(nodes)
    const current = intervalAt(of, timeSec)
    const interval = dice.once(15) ? current + 1n : current
    const used = usage(of.terms)
    return {
      label: `delivery for request ${requests.indexOf(of)}, interval ${interval}`,
      call: world.deliverCall(of, { node, interval: Number(interval), ...used }),
      repeat: (at) => reference.deliver(of.requestId, { node: node.address, interval, ...used }, at),
      told: booked,
    }
  }

  const deliverOrder: Maker = (timeSec) => {
    const model = dice.pick(models)
    const again = dice.once(12) ? orders.at(-1) : undefined
    const order: OrderFields = again ?? {
      consumer: addresses.consumer,
      modelId: model.modelId,
      requester: dice.pick(requesters),
      terms: dice.once(15) ? dice.pick(TERMS) : model.terms,
      payloadHash: keccak256(toUtf8Bytes(PROMPT)) as Hex,
      payloadBytes: PROMPT.length,
      deadline: Number(timeSec) + (dice.once(15) ? -10 : 3_600),
      salt: keccak256(AbiCoder.defaultAbiCoder().encode(['uint256'], [dice.amount(200)])) as Hex,
    }
    const node = dice.once(20) ? unlisted : dice.pick(nodes)
    const used = usage(order.terms)
    const delivery = {
      orderId: world.orderDigest(order),
      modelId: order.modelId,
      requester: order.requester,
      terms: order.terms,
      payloadBytes: BigInt(order.payloadBytes),
      deadlineSec: BigInt(order.deadline),
      node: node.address,
      interval: 1n,
      ...used,
    }
    return {
      label: `order${again === undefined ? '' : ' that was used'}`,
      call: world.orderCall(order, { node, interval: 1, ...used }),
      repeat: (at) => reference.deliverOrder(delivery, at),
      told: booked,
      note: () => void orders.push(order),
    }
  }

  const endRequest: Maker = (timeSec) => {
    const of = recentRequest()
    if (of === undefined) return request(timeSec)
    if (dice.once(2)) {
      return {
        label: `reclaim of request ${requests.indexOf(of)}`,
        call: send(dice.pick(everybody), 'consumer', 'reclaim', [of.subscriptionId]),
        repeat: (at) => reference.reclaim(of.requestId, at),
      }
    }
    const from = dice.once(6) ? dice.pick(everybody) : of.requester
    return {
      label: `cancel of request ${requests.indexOf(of)}`,
      call: send(from, 'consumer', 'cancel', [of.subscriptionId]),
      repeat: (at) => reference.cancel(of.requestId, from, at),
    }
  }

  const deposit: Maker = () => {
    const amount = dice.once(3) ? money() : FLOCK * BigInt(dice.between(1, 60)) + dice.amount(60)
    const [from, account] = [dice.pick(everybody), dice.pick(requesters)]
    return {
      label: `deposit of ${amount}`,
      call: send(from, 'distributor', 'deposit', [account, amount]),
      repeat: () => reference.deposit(from, account, amount),
    }
  }

  const lock: Maker = (timeSec) => {
    const from = dice.pick(requesters)
    const until = timeSec + BigInt(dice.between(0, 100_000)) * (dice.once(8) ? 40n : 1n)
    return {
      label: `lock until ${until}`,
      call: send(from, 'distributor', 'lockBalance', [until]),
      repeat: (at) => reference.lockBalance(from, until, at),
    }
  }

  const withdrawBalance: Maker = () => {
    const account = dice.pick(requesters)
    const call = claimCall(account)
    return {
      label: 'withdrawal of a balance',
      call: send(call.caller, 'distributor', 'withdrawBalance', [account, call.to ?? ZERO_ADDRESS]),
      repeat: (at) => reference.withdrawBalance(account, call, at),
    }
  }

  const attest: Maker = (timeSec) => {
    const { modelId } = dice.pick(models)
    const role = () => {
      if (dice.once(5)) return []
      const members = dice.some(operators).map((account) => ({
        account,
        weight: dice.once(8) ? dice.between(1, 2 ** 24 - 1) : dice.between(dice.once(40) ? 0 : 1, 1_000),
      }))
      const ordered = members.sort((a, b) => (BigInt(a.account) < BigInt(b.account) ? -1 : 1))
      return dice.once(30) ? ordered.reverse() : ordered
    }
    const [training, validators] = [role(), role()]
    const nonce = views.nonceOf(modelId) + (dice.once(12) ? 0n : BigInt(dice.between(1, 3)))
    const expiry = Number(timeSec) + (dice.once(15) ? -1 : 60)
    const exact = (members: typeof training) =>
      members.map(({ account, weight }) => ({ account, weight: BigInt(weight) }))
    return {
      label: `table of ${training.length} and ${validators.length}`,
      call: world.attestCall({ modelId, training, validators, nonce, expiry }),
      repeat: (at) =>
        reference.setContributors(
          {
            modelId,
            training: exact(training),
            validators: exact(validators),
            nonce,
            expirySec: BigInt(expiry),
          },
          at,
        ),
      told: (events) => events.find(({ name }) => name === 'ContributorsSet')?.args['tableId'],
      note: () => void (tableCount += 1n),
    }
  }

  const claimHost: Maker = () => {
    const claimed = dice.some(models)
    const call = claimCall(dice.pick(claimed).host.address)
    const modelIds = claimed.map(({ modelId }) => modelId)
    return {
      label: 'claim of hosts',
      call: send(call.caller, 'distributor', 'claimHost', [modelIds, call.to ?? ZERO_ADDRESS]),
      repeat: () => reference.claimHost(modelIds, call),
    }
  }

  const operatorDue = (operator: Address) => views.operatorDue(operator)
  const delegationDue = (delegator: Address) =>
    operators.reduce((sum, operator) => sum + views.delegatorDue(delegator, operator), 0n)

  const claimOperator: Maker = (timeSec) => {
    if (isIdle(operators, operatorDue)) return deliver(timeSec)
    const claimed = dice.some(mostly(operators, operatorDue))
    const call = claimCall(dice.pick(claimed))
    return {
      label: `claim of ${claimed.length} operators`,
      call: send(call.caller, 'distributor', 'claimOperator', [claimed, call.to ?? ZERO_ADDRESS]),
      repeat: () => reference.claimOperator(claimed, call),
    }
  }

  const claimDelegator: Maker = (timeSec) => {
    if (isIdle(delegators, delegationDue)) return deliver(timeSec)
    const delegator = dice.pick(mostly(delegators, delegationDue))
    const claimed = dice.some(mostly(operators, (operator) => views.delegatorDue(delegator, operator)))
    const call = claimCall(delegator)
    return {
      label: `claim of a delegator with ${claimed.length} operators`,
      call: send(call.caller, 'distributor', 'claimDelegator', [delegator, claimed, call.to ?? ZERO_ADDRESS]),
      repeat: () => reference.claimDelegator(delegator, claimed, call),
    }
  }

  const payTreasury: Maker = () => {
    const isEmission = dice.once(2)
    return {
      label: isEmission ? 'treasury of emissions' : 'treasury of fees',
      call: send(dice.pick(everybody), isEmission ? 'emissions' : 'distributor', 'payTreasury', []),
      repeat: () => (isEmission ? reference.payEmissionTreasury() : reference.payTreasury()),
    }
  }

  const setClaimFees: Maker = () => {
    const rate = () => dice.between(0, dice.once(12) ? 250_000 : 200_000)
    const [hostPpm, operatorPpm, delegatorPpm] = [rate(), rate(), rate()]
    const fees = {
      hostPpm: BigInt(hostPpm),
      operatorPpm: BigInt(operatorPpm),
      delegatorPpm: BigInt(delegatorPpm),
    }
    return {
      label: `claim fees ${hostPpm}, ${operatorPpm}, ${delegatorPpm}`,
      call: send(owner, 'distributor', 'setClaimFees', [fees]),
      repeat: (timeSec) => reference.setClaimFees(fees, timeSec),
    }
  }

  const updateModel: Maker = () => {
    const model = dice.pick(models)
    const put = (change: Partial<PlayModel>) => {
      const { modelId, host, terms, isActive } = { ...model, ...change }
      return reference.putModel(modelId, {
        host: host.address,
        terms,
        isActive,
        nodes: nodes.map(({ address }) => address),
      })
    }
    if (dice.once(model.isActive ? 8 : 2)) {
      const isActive = !model.isActive
      return {
        label: isActive ? 'resume' : 'pause',
        call: send(model.host.address, 'registry', isActive ? 'resume' : 'pause', [model.modelId]),
        repeat: () => put({ isActive }),
        note: () => void (model.isActive = isActive),
      }
    }
    const split = dice.pick(TERMS)
    const { trainingPpm } = split
    const of = {
      ...dice.pick(TERMS),
      trainingPpm,
      validatorPpm: dice.once(12) ? 1_000_001n : split.validatorPpm,
    }
    return {
      label: 'new terms',
      call: send(model.host.address, 'registry', 'updateTerms', [model.modelId, of]),
      repeat: () => put({ terms: of }),
      note: () => void (model.terms = of),
    }
  }

  const pauseRequests: Maker = () => {
    const paused = !isPaused
    return {
      label: paused ? 'requests paused' : 'requests resumed',
      call: send(owner, 'meter', 'setRequestsPaused', [paused]),
      repeat: () => reference.setRequestsPaused(paused),
      note: () => void (isPaused = paused),
    }
  }

  const stake: Maker = () => {
    const operator = dice.pick(operators)
    const { own } = views.stakeOf(operator)
    if (dice.once(3)) {
      const amount = partOf(own)
      return {
        label: `withdrawal of ${amount} stake`,
        call: send(operator, 'vault', 'requestWithdrawal', [amount]),
        repeat: (at) => reference.requestWithdrawal(operator, amount, at),
      }
    }
    const amount = dice.once(40) ? 2n ** 96n : stakeMoney()
    return {
      label: `stake of ${amount}`,
      call: send(operator, 'vault', 'deposit', [amount]),
      repeat: (at) => reference.depositStake(operator, amount, at),
    }
  }

  const delegate: Maker = () => {
    const delegator = dice.pick(delegators)
    if (dice.once(3)) {
      const held = (account: Address) => views.delegationOf(delegator, account)
      const operator = dice.pick(mostly(operators, held))
      const amount = partOf(held(operator))
      return {
        label: `undelegation of ${amount}`,
        call: send(delegator, 'vault', 'undelegate', [operator, amount]),
        repeat: (at) => reference.undelegate(delegator, operator, amount, at),
      }
    }
    const accepts = (account: Address) =>
      account !== delegator && views.stakeOf(account).acceptsDelegation ? 1n : 0n
    const operator = dice.pick(mostly(operators, accepts))
    const amount = stakeMoney() + 1n
    return {
      label: `delegation of ${amount}`,
      call: send(delegator, 'vault', 'delegate', [operator, amount]),
      repeat: (at) => reference.delegate(delegator, operator, amount, at),
    }
  }

  const withdrawStake: Maker = () => {
    const pairs = operators.flatMap((operator) =>
      [operator, ...delegators].map((account) => ({ account, operator })),
    )
    const { account, operator } = dice.pick(
      mostly(pairs, (pair) => views.withdrawalOf(pair.account, pair.operator).amount),
    )
    const to = dice.pick(everybody)
    return {
      label: 'stake taken out',
      call: send(account, 'vault', 'withdraw', [operator, to]),
      repeat: (at) => reference.withdrawStake(account, operator, to, at),
    }
  }

  const sigma: Maker = () => {
    const operator = dice.pick(operators)
    if (views.pendingSigmaOf(operator).availableAt > 0n ? !dice.once(4) : dice.once(12)) {
      return {
        label: 'sigma applied',
        call: send(dice.pick(everybody), 'vault', 'applySigma', [operator]),
        repeat: (at) => reference.applySigma(operator, at),
      }
    }
    const sigmaPpm = BigInt(
      dice.pick([0, 1, 333_333, 400_000, 999_999, 1_000_000, dice.once(6) ? 1_000_001 : 0]),
    )
    return {
      label: `sigma ${sigmaPpm}`,
      call: send(operator, 'vault', 'setSigma', [sigmaPpm]),
      repeat: (at) => reference.setSigma(operator, sigmaPpm, at),
    }
  }

  const fund: Maker = (timeSec) => {
    const from = dice.pick(everybody)
    const firstEpoch = epochOf(timeSec) + BigInt(dice.once(12) ? 0 : dice.between(1, 2))
    const count = BigInt(dice.between(dice.once(12) ? 0 : 1, 4))
    const amountEach = money()
    return {
      label: `funding of ${count} epochs with ${amountEach}`,
      call: send(from, 'emissions', 'fund', [firstEpoch, count, amountEach]),
      repeat: (at) => reference.fundEmissions(from, { firstEpoch, count, amountEach }, at),
    }
  }

  const settleShare: Maker = (timeSec) => {
    const from = dice.pick(everybody)
    const shares = claimedShares(timeSec)
    const share = shares.at(-1)
    if (share === undefined || dice.once(3)) {
      const epoch = epochOf(timeSec) - BigInt(dice.between(0, 5))
      return {
        label: `roll-over of epoch ${epoch}`,
        call: send(from, 'emissions', 'rollOver', [epoch]),
        repeat: (at) => reference.rollOver(epoch, at),
      }
    }
    return {
      label: `settlement of table ${share.tableId} in epoch ${share.epoch}`,
      call: send(from, 'emissions', 'settle', [share]),
      repeat: (at) => reference.settleShare(share, at),
    }
  }

  const claimEmission: Maker = (timeSec) => {
    const shares = claimedShares(timeSec)
    const sumOf = (due: (share: Share) => bigint) =>
      shares.filter(({ epoch }) => epoch < epochOf(timeSec)).reduce((sum, share) => sum + due(share), 0n)
    if (dice.once(2)) {
      const due = (account: Address) => sumOf((share) => views.operatorEmissionDue(account, share, timeSec))
      if (isIdle(operators, due)) return deliver(timeSec)
      const operator = dice.pick(mostly(operators, due))
      const call = claimCall(operator)
      return {
        label: `claim of ${shares.length} shares by an operator`,
        call: send(call.caller, 'emissions', 'claimOperator', [operator, shares, call.to ?? ZERO_ADDRESS]),
        repeat: (at) => reference.claimOperatorEmission(operator, shares, call, at),
      }
    }
    const pairs = operators.flatMap((operator) => delegators.map((delegator) => ({ delegator, operator })))
    const due = (pair: (typeof pairs)[number]) =>
      sumOf((share) => views.delegatorEmissionDue(pair.delegator, pair.operator, share, timeSec))
    if (isIdle(pairs, due)) return deliver(timeSec)
    const { delegator, operator } = dice.pick(mostly(pairs, due))
    const call = claimCall(delegator)
    const args = [delegator, operator, shares, call.to ?? ZERO_ADDRESS]
    return {
      label: `claim of ${shares.length} shares by a delegator`,
      call: send(call.caller, 'emissions', 'claimDelegator', args),
      repeat: (at) => reference.claimDelegatorEmission({ delegator, operator }, shares, call, at),
    }
  }

  /** How often each kind comes up, relative to the others. */
  const makers: readonly (readonly [number, Maker])[] = [
    [9, request],
    [26, deliver],
    [9, deliverOrder],
    [4, endRequest],
    [4, deposit],
    [1, lock],
    [2, withdrawBalance],
    [5, attest],
    [3, claimHost],
    [5, claimOperator],
    [8, claimDelegator],
    [2, payTreasury],
    [1, setClaimFees],
    [3, updateModel],
    [7, stake],
    [9, delegate],
    [3, withdrawStake],
    [4, sigma],
    [5, fund],
    [5, settleShare],
    [9, claimEmission],
  ]
  const bag = makers.flatMap(([times, maker]) => Array.from({ length: times }, () => maker))

  return {
    reference,
    pause() {
      if (dice.once(12)) return dice.between(20_000, 110_000)
      return dice.once(3) ? dice.between(60, 5_000) : dice.between(1, 30)
    },
    next(timeSec) {
      // A pause of everything is short, or little else would happen.
      if (isPaused ? dice.once(3) : dice.once(80)) return pauseRequests(timeSec)
      return dice.pick(bag)(timeSec)
    },
    expectations(timeSec) {
      const today = epochOf(timeSec)
      const list: Expectation[] = []
      const expect = (
        contract: View['contract'],
        fn: string,
        args: readonly unknown[],
        words: Expectation['words'],
      ) =>
        list.push({ label: `${contract}.${fn} ${stringifyJson(args)}`, view: { contract, fn, args }, words })
      const pairs = operators.flatMap((operator) =>
        [...delegators, operator].map((account) => [account, operator] as const),
      )
      for (const account of [...everybody, ...Object.values(addresses)]) {
        expect('token', 'balanceOf', [account], [views.tokensOf(addresses.token, account)])
      }
      for (const account of requesters) {
        expect('distributor', 'balanceOf', [account], [views.balanceOf(account)])
        expect('distributor', 'lockedUntil', [account], [views.lockedUntil(account)])
      }
      for (const { requestId } of requests.slice(-6)) {
        const { deliveriesLeft, interval } = views.progressOf(requestId)
        expect('meter', 'progressOf', [requestId], [deliveriesLeft, interval])
      }
      for (const { modelId } of models) {
        expect('distributor', 'claimableHost', [modelId], [views.hostDue(modelId)])
      }
      for (const operator of operators) {
        const { own, delegated, sigmaPpm, acceptsDelegation } = views.stakeOf(operator)
        const pending = views.pendingSigmaOf(operator)
        expect('distributor', 'claimableOperator', [operator], [views.operatorDue(operator)])
        expect('vault', 'stakeOf', [operator], [own, delegated, sigmaPpm, acceptsDelegation ? 1n : 0n])
        expect('vault', 'pendingSigmaOf', [operator], [pending.sigmaPpm, pending.availableAt])
      }
      for (const [account, operator] of pairs) {
        const withdrawal = views.withdrawalOf(account, operator)
        expect(
          'distributor',
          'claimableDelegator',
          [account, operator],
          [views.delegatorDue(account, operator)],
        )
        expect('vault', 'delegationOf', [account, operator], [views.delegationOf(account, operator)])
        expect('vault', 'withdrawalOf', [account, operator], [withdrawal.amount, withdrawal.availableAt])
      }
      for (const [contract, purse] of [
        ['distributor', views.distributorPurse],
        ['emissions', views.emissionPurse],
      ] as const) {
        expect(contract, 'reserves', [], [purse.reserves()])
        expect(contract, 'treasuryOwed', [], [purse.treasuryOwed()])
      }
      for (let epoch = today - 5n; epoch <= today + 5n; epoch += 1n) {
        const { amount, settledUnits } = views.poolOf(epoch)
        expect('emissions', 'poolOf', [epoch], [amount, settledUnits])
        expect('distributor', 'unitsIn', [epoch], [views.unitsIn(epoch)])
      }
      for (const share of sharesAt(timeSec)) {
        const { tableId, epoch } = share
        const { settlement, leftOver } = views.shareOf(share, timeSec)
        const { training, validators, isSettled } = settlement
        expect('distributor', 'unitsOf', [tableId, epoch], [views.unitsOf(tableId, epoch)])
        expect('emissions', 'shareOf', [share], [training, validators, isSettled ? 1n : 0n, leftOver])
        for (const operator of operators) {
          const due = views.operatorEmissionDue(operator, share, timeSec)
          expect('emissions', 'claimableOperator', [operator, share], [due])
        }
        for (const [account, operator] of pairs) {
          const due = views.delegatorEmissionDue(account, operator, share, timeSec)
          expect('emissions', 'claimableDelegator', [account, operator, share], [due])
        }
      }
      return list
    },
  }
}

function nodesOf({ flock }: RewardWorld): readonly DevnetAccount[] {
  return [flock.nth('infernet-node'), flock.nth('infernet-deployer')]
}

/** The interval that a request is in, from 1; 1 before it begins. */
function intervalAt({ periodSec, activeAt }: PlayRequest, timeSec: bigint): bigint {
  return periodSec === 0n || timeSec < activeAt ? 1n : (timeSec - activeAt) / periodSec + 1n
}

/** Whether an answer could be taken now, as far as time decides. */
function isLive(request: PlayRequest, timeSec: bigint): boolean {
  const hasBegun = timeSec >= request.activeAt && timeSec <= request.deadlineSec
  return hasBegun && intervalAt(request, timeSec) <= request.intervals
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function opened(events: readonly ChainEvent[]): ChainEvent | undefined {
  return events.find(({ name }) => name === 'RequestOpened')
}

function terms(
  [requestPrice, promptPrice, completionPrice]: readonly [bigint, bigint, bigint],
  [maxPromptTokens, maxCompletionTokens]: readonly [bigint, bigint],
  [trainingPpm, validatorPpm]: readonly [bigint, bigint],
): Terms {
  return {
    requestPrice,
    promptPrice,
    completionPrice,
    maxPromptTokens,
    maxCompletionTokens,
    trainingPpm,
    validatorPpm,
  }
}
