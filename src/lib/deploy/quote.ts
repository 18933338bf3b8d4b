/** Reads what planning needs from the chain, and what a plan would cost. */
import { getCreateAddress } from 'ethers/address'
import { keccak256 } from 'ethers/crypto'
import { encodeDeploy } from '../chain/contracts.js'
import { quoteDataFee, quoteFees } from '../chain/fees.js'
import type { Chain } from '../chain/provider.js'
import { simulateTransaction, withGasMargin, type Bill } from '../chain/transact.js'
import { FlockError } from '../errors.js'
import { hexLength, type Address, type Hex } from '../hex.js'
import { DEPLOY_ARTIFACTS } from './contracts.js'
import { resolveArgs, type ChainFacts, type DeployPlan, type DeployStep, type PlanInput } from './plan.js'
import type { ContractName } from './record.js'

export interface StepQuote {
  readonly name: ContractName
  /** Most gas that the step is given. */
  readonly gasLimit: bigint
  /** False when the gas is a budget: the step's constructor calls a contract that is not deployed yet. */
  readonly isSimulated: boolean
}

/** What applying a plan costs at most, in wei of the native token. */
export interface DeployQuote extends Bill {
  /** One for each step that sends. */
  readonly steps: readonly StepQuote[]
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** Local chains have this id by convention of every tool that makes them. */
const LOCAL_CHAIN_ID = 31_337

/** Gas of any transaction that creates a contract (EIP-2, EIP-2028 at its dearest, EIP-3860). */
const CREATE_BASE_GAS = 53_000n
const GAS_PER_INPUT_BYTE = 16n
const GAS_PER_INIT_WORD = 2n
/** For each byte of code that stays (EIP-3529); creation code is longer than what it leaves behind. */
const GAS_PER_CODE_BYTE = 200n
/** What our constructors do beside: some twenty storage writes, and creating two contracts. */
const CONSTRUCTOR_GAS = 900_000n

/** Bytes that a signed transaction adds to its data. */
const TRANSACTION_OVERHEAD_BYTES = 180

export async function readChainFacts(chain: Chain, addresses: readonly Address[]): Promise<ChainFacts> {
  const unique = [...new Set(addresses)]
  const [latestBlock, ...codes] = await Promise.all([
    chain.provider.getBlockNumber(),
    ...unique.map((address) => chain.provider.getCode(address)),
  ])
  const codeHashes = new Map(
    unique.map((address, index) => {
      const code = codes[index] ?? '0x'
      return [address, code === '0x' ? null : (keccak256(code) as Hex)] as const
    }),
  )
  return { latestBlock, codeHashes, isDisposable: chain.chainId === LOCAL_CHAIN_ID }
}

/** Hash of block 0 of a local chain, which tells it from the next one; null for chains that last. */
export async function readGenesis(chain: Chain): Promise<Hex | null> {
  if (chain.chainId !== LOCAL_CHAIN_ID) return null
  const block = (await chain.provider.send('eth_getBlockByNumber', ['0x0', false])) as { hash: Hex } | null
  return block?.hash ?? null
}

/**
 * Tries every step that can be tried and adds up what all of them cost at most.
 * @throws TX_REVERTED when a constructor would fail
 */
export async function quoteDeploy(
  chain: Chain,
  plan: DeployPlan,
  from: Address,
  input: Pick<PlanInput, 'record' | 'facts'>,
): Promise<DeployQuote> {
  const sending = plan.steps.filter(
    ({ action, history }) => action === 'deploy' || (action === 'finish' && !history?.mined),
  )
  const [fees, balanceWei, nonce] = await Promise.all([
    quoteFees(chain),
    chain.provider.getBalance(from),
    chain.provider.getTransactionCount(from, 'pending'),
  ])
  const known = plannedAddresses(plan, from, nonce)
  const datas = sending.map((step) => {
    const args = resolveArgs(step.wanted, known, input)
    if (args === null)
      throw new FlockError('INTERNAL', `No address is known that ${step.wanted.name} refers to.`)
    return encodeDeploy(step.wanted.artifact, args)
  })
  const steps = await Promise.all(
    sending.map((step, index) => quoteStep(chain, from, step, datas[index] ?? '0x')),
  )
  const dataFeeWei = await quoteDataFee(
    chain,
    datas.map((data) => hexLength(data) + TRANSACTION_OVERHEAD_BYTES),
  )
  const gas = steps.reduce((sum, { gasLimit }) => sum + gasLimit, 0n)
  return {
    from,
    steps,
    maxFeePerGas: fees.maxFeePerGas,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
    maxCostWei: gas * fees.maxFeePerGas + dataFeeWei,
    balanceWei,
  }
}

async function quoteStep(chain: Chain, from: Address, step: DeployStep, data: Hex): Promise<StepQuote> {
  const { name } = step.wanted
  if (step.inputHash === null) return { name, gasLimit: gasBudget(data), isSimulated: false }
  const estimate = await simulateTransaction(chain, from, { to: null, data }, DEPLOY_ARTIFACTS)
  return { name, gasLimit: withGasMargin(estimate), isSimulated: true }
}

/** More than the creation of a contract with this creation code can use, with the margin that estimates get. */
function gasBudget(data: Hex): bigint {
  const bytes = BigInt(hexLength(data))
  const perByte = GAS_PER_INPUT_BYTE + GAS_PER_CODE_BYTE
  const words = bytes / 32n + 1n
  return withGasMargin(CREATE_BASE_GAS + bytes * perByte + words * GAS_PER_INIT_WORD + CONSTRUCTOR_GAS)
}

/**
 * Where contracts stand or would stand. What a step's constructor creates gets the addresses that it would give to its
 * first children; these only have to look right, since such a step is not simulated.
 */
function plannedAddresses(plan: DeployPlan, from: Address, nonce: number): Map<ContractName, Address> {
  const addresses = new Map<ContractName, Address>()
  let next = nonce
  for (const { wanted, action, address, history } of plan.steps) {
    if (action === 'keep') continue
    const creation =
      history === null ? { from, nonce: next } : { from: history.deployer, nonce: history.nonce }
    const own = address ?? (getCreateAddress(creation) as Address)
    if (action === 'deploy') next += 1
    addresses.set(wanted.name, own)
    wanted.creates.forEach(({ name }, index) => {
      addresses.set(name, getCreateAddress({ from: own, nonce: index + 1 }) as Address)
    })
  }
  return addresses
}
