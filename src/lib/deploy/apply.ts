import { broadcast } from '../chain/broadcast.js'
import { encodeDeploy } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import type { ChainSigner } from '../chain/signer.js'
import { prepareTransaction } from '../chain/transact.js'
import { waitForTransaction, type MinedTransaction, type WaitOptions } from '../chain/wait.js'
import { FlockError, isFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { DEPLOY_ARTIFACTS, type WantedContract } from './contracts.js'
import { createdAddress, describeDeployed } from './describe.js'
import { finishSent, type SentTransaction } from './finish.js'
import type { DeployJournal } from './journal.js'
import {
  inputHashOf,
  requireSameInput,
  resolveArgs,
  type ChainFacts,
  type DeployPlan,
  type DeployStep,
} from './plan.js'
import type { DeployQuote } from './quote.js'
import {
  contractList,
  withContracts,
  writeDeploymentRecord,
  type ContractName,
  type DeployedContracts,
  type DeploymentRecord,
} from './record.js'

export type DeployEvent =
  | { readonly type: 'stepKept'; readonly step: ContractName; readonly address: Address }
  | {
      readonly type: 'stepSent'
      readonly step: ContractName
      readonly txHash: Hex
      /** True for a transaction that an earlier run had signed. */
      readonly isResumed: boolean
    }
  | {
      readonly type: 'stepMined'
      readonly step: ContractName
      readonly txHash: Hex
      readonly address: Address
      readonly blockNumber: number
      readonly gasUsed: bigint
      /** Contracts that its constructor created. */
      readonly created: Readonly<Partial<Record<ContractName, Address>>>
    }

export interface ApplyOptions {
  readonly chain: Chain
  readonly signer: ChainSigner
  readonly journal: DeployJournal
  readonly recordDir: string
  /** The record that the plan was made with. */
  readonly record: DeploymentRecord
  readonly facts: ChainFacts
  /** Steps stay below the gas and the fee of the quote that was shown. */
  readonly quote: DeployQuote
  readonly confirmations: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/**
 * Carries out a plan, step by step: intent and nonce are journalled before a transaction is signed, its hash before it
 * is sent, and each contract is recorded before the next step begins. Killed anywhere and planned again, it goes on
 * without a second contract.
 * @returns the record with everything in it
 * @throws PARTIAL when steps of this run were mined before the one that failed; else what the step threw
 */
export async function* applyDeploy(
  plan: DeployPlan,
  options: ApplyOptions,
): AsyncGenerator<DeployEvent, DeploymentRecord> {
  const known = new Map<ContractName, Address>()
  const mined: ContractName[] = []
  let record = options.record
  for (const step of plan.steps) {
    const { name } = step.wanted
    if (step.action === 'keep') {
      yield { type: 'stepKept', step: name, address: record.contracts[name]?.address as Address }
      continue
    }
    try {
      const transaction = yield* runStep(step, known, { ...options, record })
      const args = argsOf(step.wanted, known, { ...options, record })
      const contracts = await describeDeployed(options.chain, step.wanted, args, transaction, options.signal)
      record = withContracts(record, contracts)
      writeDeploymentRecord(options.recordDir, record)
      for (const { name: created, address } of contractList(contracts)) known.set(created, address)
      mined.push(name)
      yield minedEvent(name, transaction, contracts)
    } catch (error) {
      throw mined.length === 0 ? error : partialError(error, name, mined)
    }
  }
  return record
}

async function* runStep(
  step: DeployStep,
  known: ReadonlyMap<ContractName, Address>,
  options: ApplyOptions,
): AsyncGenerator<DeployEvent, MinedTransaction> {
  const { wanted, history } = step
  const { name } = wanted
  const args = argsOf(wanted, known, options)
  const inputHash = inputHashOf(wanted, args)
  if (history !== null) {
    requireSameInput(name, inputHash, history)
    const resumed = history.sent.at(-1) as SentTransaction
    yield { type: 'stepSent', step: name, txHash: resumed.hash, isResumed: true }
    const finished = await finishSent(history, {
      ...waitOptions(options),
      chain: options.chain,
      signer: options.signer,
      onSigned: ({ hash, raw }) => options.journal.append({ type: 'signed', step: name, hash, raw }),
    })
    if (finished !== null) return noteMined(name, finished, options)
    options.journal.append({
      type: 'failed',
      step: name,
      hash: resumed.hash,
      reason: 'its nonce was used otherwise',
    })
  }
  const sent = await send(wanted, args, inputHash, options)
  yield { type: 'stepSent', step: name, txHash: sent.hash, isResumed: false }
  return noteMined(name, await waitNoting(name, sent, options), options)
}

async function send(
  wanted: WantedContract,
  args: readonly string[],
  inputHash: Hex,
  { chain, signer, journal, quote, signal }: ApplyOptions,
): Promise<SentTransaction> {
  const { name } = wanted
  const nonce = await chain.provider.getTransactionCount(signer.address, 'pending')
  journal.append({ type: 'intent', step: name, deployer: signer.address, nonce, inputHash })
  const shown = quote.steps.find((step) => step.name === name)
  const { maxFeePerGas, maxPriorityFeePerGas } = quote
  const signed = await prepareTransaction(
    chain,
    signer,
    {
      to: null,
      data: encodeDeploy(wanted.artifact, args),
      nonce,
      maxFeePerGas,
      maxPriorityFeePerGas,
      ...(shown?.isSimulated === true ? { gasLimit: shown.gasLimit } : {}),
    },
    {
      revertInterfaces: DEPLOY_ARTIFACTS,
      ...(shown === undefined ? {} : { maxCostWei: shown.gasLimit * maxFeePerGas }),
    },
  )
  journal.append({ type: 'signed', step: name, hash: signed.hash, raw: signed.raw })
  await broadcast(chain, signed, signal)
  return signed
}

async function waitNoting(
  name: ContractName,
  sent: SentTransaction,
  options: ApplyOptions,
): Promise<MinedTransaction> {
  try {
    return await waitForTransaction(options.chain, sent, waitOptions(options))
  } catch (error) {
    if (isFlockError(error) && error.code === 'TX_REVERTED') {
      options.journal.append({ type: 'failed', step: name, hash: sent.hash, reason: error.message })
    }
    throw error
  }
}

function noteMined(name: ContractName, mined: MinedTransaction, { journal }: ApplyOptions): MinedTransaction {
  const { hash, blockNumber } = mined
  journal.append({ type: 'mined', step: name, hash, address: createdAddress(mined), blockNumber })
  return mined
}

function argsOf(
  wanted: WantedContract,
  known: ReadonlyMap<ContractName, Address>,
  options: Pick<ApplyOptions, 'record' | 'facts'>,
): string[] {
  const args = resolveArgs(wanted, known, options)
  if (args !== null) return args
  throw new FlockError('INTERNAL', `${wanted.name} comes before a contract that it refers to.`)
}

function minedEvent(
  step: ContractName,
  { hash, blockNumber, gasUsed }: MinedTransaction,
  contracts: DeployedContracts,
): DeployEvent {
  const created = Object.fromEntries(
    contractList(contracts).flatMap(({ name, address }) => (name === step ? [] : [[name, address]])),
  )
  return {
    type: 'stepMined',
    step,
    txHash: hash,
    address: contracts[step]?.address as Address,
    blockNumber,
    gasUsed,
    created,
  }
}

function waitOptions({ confirmations, timeoutMs, signal }: ApplyOptions): WaitOptions {
  return {
    confirmations,
    timeoutMs,
    revertInterfaces: DEPLOY_ARTIFACTS,
    ...(signal === undefined ? {} : { signal }),
  }
}

function partialError(error: unknown, step: ContractName, mined: readonly ContractName[]): unknown {
  if (!isFlockError(error) || error.code === 'INTERRUPTED') return error
  return new FlockError('PARTIAL', `${mined.join(', ')} deployed, then ${step} failed: ${error.message}`, {
    cause: error,
    details: { ...error.details, code: error.code, step, deployed: mined },
    hint: error.hint ?? 'Run the command again: what is deployed is kept, the rest follows.',
  })
}
