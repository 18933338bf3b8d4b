/** Contract calls that a command shows first and sends afterwards, one after the other. */
import { FlockError, isFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import type { ContractArtifact } from './artifact.js'
import { encodeCall } from './contracts.js'
import { quoteDataFee, quoteFees } from './fees.js'
import type { Chain } from './provider.js'
import { createSigner, type ChainSigner } from './signer.js'
import { requireAffordable, sendTransaction, simulateTransaction, withGasMargin } from './transact.js'
import type { MinedTransaction } from './wait.js'

/** A call that was decided on and not sent. */
export interface PlannedCall {
  /** What it does, as an imperative: `approve 12 FLOCK`. */
  readonly label: string
  readonly contract: string
  readonly to: Address
  readonly fn: string
  readonly args: readonly unknown[]
  readonly data: Hex
  /** ABIs whose errors the call may raise. */
  readonly revertInterfaces: readonly ContractArtifact[]
  /** Most gas that the call needs, for one that cannot be tried before those in front of it are mined. */
  readonly gasBudget: bigint | null
}

export interface CallQuote {
  readonly label: string
  readonly contract: string
  readonly to: Address
  readonly fn: string
  readonly gasLimit: bigint
  /** False when the gas is a budget, since the call needs those in front of it. */
  readonly isSimulated: boolean
}

/** What calls cost at most, in wei of the native token. */
export interface CallsQuote {
  readonly from: Address
  readonly calls: readonly CallQuote[]
  readonly maxFeePerGas: bigint
  readonly maxCostWei: bigint
  readonly balanceWei: bigint
}

export type CallEvent =
  | { readonly type: 'callSent'; readonly index: number; readonly call: PlannedCall; readonly txHash: Hex }
  | {
      readonly type: 'callMined'
      readonly index: number
      readonly call: PlannedCall
      readonly transaction: MinedTransaction
    }

export interface SendCallsOptions {
  readonly confirmations: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** Who sends: an account with its key, or for trying alone the account. */
export interface Sender {
  readonly address: Address
  readonly signer: ChainSigner | null
}

/** Planned calls bound to a chain and a sender. */
export interface CallRunner {
  quote(): Promise<CallsQuote>
  check(quote: CallsQuote, maxCostWei: bigint | null): void
  send(options: SendCallsOptions): AsyncGenerator<CallEvent, readonly MinedTransaction[]>
}

/** Bytes that a signed transaction adds to its call data: signature, fees, nonce and addresses. */
const TRANSACTION_OVERHEAD_BYTES = 180

/** @param extra ABIs of contracts that the called one calls in turn, and the budget of a call that depends on others */
export function planCall(
  label: string,
  artifact: ContractArtifact,
  to: Address,
  fn: string,
  args: readonly unknown[],
  extra: { readonly alsoReverts?: readonly ContractArtifact[]; readonly gasBudget?: bigint } = {},
): PlannedCall {
  return {
    label,
    contract: artifact.contractName,
    to,
    fn,
    args,
    data: encodeCall(artifact, fn, args),
    revertInterfaces: [artifact, ...(extra.alsoReverts ?? [])],
    gasBudget: extra.gasBudget ?? null,
  }
}

/** @throws KEY_INVALID, KEY_MISSING when neither a key nor an account is given */
export function openSender(chain: Chain, key: Hex | null, from: Address | null): Sender {
  if (key !== null) {
    const signer = createSigner(key, chain)
    return { address: signer.address, signer }
  }
  if (from !== null) return { address: from, signer: null }
  throw new FlockError('KEY_MISSING', 'Neither a key nor an account says who sends.')
}

export function createCallRunner(chain: Chain, sender: Sender, calls: readonly PlannedCall[]): CallRunner {
  return {
    quote: () => quoteCalls(chain, sender.address, calls),
    check: requireAffordable,
    send(options) {
      if (sender.signer === null)
        throw new FlockError('KEY_MISSING', `There is no key for ${sender.address}.`)
      return sendCalls(chain, sender.signer, calls, options)
    },
  }
}

/**
 * Tries the calls on the chain's latest state, without sending and without a key, and adds up what they cost at most.
 * @throws TX_REVERTED with the decoded error of the first call that would fail
 */
export async function quoteCalls(
  chain: Chain,
  from: Address,
  calls: readonly PlannedCall[],
): Promise<CallsQuote> {
  const [fees, dataFeeWei, balanceWei, quotes] = await Promise.all([
    quoteFees(chain),
    quoteDataFee(
      chain,
      calls.map((call) => call.data.length / 2 + TRANSACTION_OVERHEAD_BYTES),
    ),
    chain.provider.getBalance(from, 'latest'),
    quoteEach(chain, from, calls),
  ])
  const gas = quotes.reduce((sum, quote) => sum + quote.gasLimit, 0n)
  return {
    from,
    calls: quotes,
    maxFeePerGas: fees.maxFeePerGas,
    maxCostWei: gas * fees.maxFeePerGas + dataFeeWei,
    balanceWei,
  }
}

/**
 * Sends calls one after the other, each when the one before is confirmed.
 * @throws what `sendTransaction` throws; PARTIAL when calls were mined before the one that failed
 */
export async function* sendCalls(
  chain: Chain,
  signer: ChainSigner,
  calls: readonly PlannedCall[],
  options: SendCallsOptions,
): AsyncGenerator<CallEvent, readonly MinedTransaction[]> {
  const mined: MinedTransaction[] = []
  for (const [index, call] of calls.entries()) {
    try {
      const sent = await sendOne(chain, signer, call, options)
      yield { type: 'callSent', index, call, txHash: sent.txHash }
      const transaction = await sent.mined
      mined.push(transaction)
      yield { type: 'callMined', index, call, transaction }
    } catch (error) {
      throw mined.length === 0 ? error : partialError(error, call, mined)
    }
  }
  return mined
}

async function quoteEach(chain: Chain, from: Address, calls: readonly PlannedCall[]): Promise<CallQuote[]> {
  const quotes: CallQuote[] = []
  for (const call of calls) {
    const { label, contract, to, fn } = call
    const gasLimit =
      call.gasBudget ?? withGasMargin(await simulateTransaction(chain, from, call, call.revertInterfaces))
    quotes.push({ label, contract, to, fn, gasLimit, isSimulated: call.gasBudget === null })
  }
  return quotes
}

/** Resolves once the transaction left; `mined` settles when it is confirmed. */
function sendOne(
  chain: Chain,
  signer: ChainSigner,
  call: PlannedCall,
  options: SendCallsOptions,
): Promise<{ txHash: Hex; mined: Promise<MinedTransaction> }> {
  return new Promise((resolve, reject) => {
    const mined = sendTransaction(
      chain,
      signer,
      { to: call.to, data: call.data },
      {
        ...options,
        revertInterfaces: call.revertInterfaces,
        onSent: (txHash) => resolve({ txHash, mined }),
      },
    )
    mined.catch(reject)
  })
}

function partialError(error: unknown, failed: PlannedCall, mined: readonly MinedTransaction[]): unknown {
  if (!isFlockError(error) || error.code === 'INTERRUPTED') return error
  const transactions = mined.map(({ hash }) => hash)
  return new FlockError('PARTIAL', `${mined.length} sent, then "${failed.label}" failed: ${error.message}`, {
    cause: error,
    details: { ...error.details, code: error.code, failed: failed.label, transactions },
    hint: error.hint ?? 'Run the command again: what is done already is not sent a second time.',
  })
}
