/** Reads what the Coordinator checks of a payment when an answer is delivered. */
import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { feeArtifact } from '../abi/fee.js'
import { infernetRegistryArtifact } from '../abi/infernet-registry.js'
import { walletArtifact } from '../abi/wallet.js'
import { walletFactoryArtifact } from '../abi/wallet-factory.js'
import type { ContractArtifact } from '../chain/artifact.js'
import { encodeCall, readContract, type BlockTag } from '../chain/contracts.js'
import { erc20Artifact } from '../chain/erc20.js'
import type { Chain } from '../chain/provider.js'
import { readWords, type WordQuestion } from '../chain/read-words.js'
import { ZERO_ADDRESS, type Address } from '../hex.js'
import type { Subscription } from '../infernet/subscription.js'

/** Why a delivery would not be paid for as things stand. */
export interface PaymentFault {
  /** True when no deposit and no approval can mend it. */
  readonly isFinal: boolean
  readonly message: string
}

/** What stands in the wallets and contracts that a payment goes through; amounts in base units of its token. */
export interface PaymentFacts {
  readonly consumer: WalletFacts
  readonly node: WalletFacts & { readonly isOwn: boolean }
  /** Null without a verifier; its fee is null when it does not take the token. */
  readonly verifier: { readonly fee: bigint | null; readonly protocolFeeBps: bigint } | null
}

interface WalletFacts {
  readonly isValid: boolean
  /** Without what is locked. */
  readonly balance: bigint
  /** Of the account that spends: the consumer's contract, the node's own account. */
  readonly allowance: bigint
}

export interface WalletReader {
  /**
   * Why each of these would not be paid for at a block, null where it would be: one call for dozens of subscriptions,
   * and two more for each that has a verifier.
   * @throws RPC_UNREACHABLE, RPC_FAILED
   */
  readFaults(
    subscriptions: readonly Subscription[],
    blockTag: BlockTag,
  ): Promise<readonly (PaymentFault | null)[]>
  /** What the node's wallet lets its account lock. */
  readBondAllowance(paymentToken: Address): Promise<bigint>
}

const BPS = 10_000n

const VERIFIER: ContractArtifact = {
  contractName: 'Verifier',
  abi: ['isSupportedToken', 'fee'].map((name) => ({
    type: 'function',
    name,
    stateMutability: 'view',
    inputs: [{ name: 'token', type: 'address' }],
    outputs: [{ name: '', type: 'uint256' }],
  })),
  bytecode: '0x',
}

/**
 * Finds the contracts that payments go through.
 * @param node account that delivers   @param nodeWallet its payment wallet; zero for none
 * @throws CONTRACT_MISSING, RPC_UNREACHABLE, RPC_FAILED
 */
export async function openWallets(
  chain: Chain,
  registry: Address,
  { node, nodeWallet }: { readonly node: Address; readonly nodeWallet: Address },
): Promise<WalletReader> {
  const place = (name: string) => readContract<Address>(chain, infernetRegistryArtifact, registry, name)
  const [walletFactory, fee] = await Promise.all([place('WALLET_FACTORY'), place('FEE')])
  const bondAllowance = (paymentToken: Address): WordQuestion => ({
    to: nodeWallet,
    data: encodeCall(walletArtifact, 'allowance', [node, paymentToken]),
  })

  function questionsOf({ owner, paymentToken, wallet, verifier }: Subscription): WordQuestion[] {
    const isValid = (address: Address): WordQuestion => ({
      to: walletFactory,
      data: encodeCall(walletFactoryArtifact, 'isValidWallet', [address]),
    })
    const balance = (holder: Address): WordQuestion =>
      paymentToken === ZERO_ADDRESS
        ? { balanceOf: holder }
        : { to: paymentToken, data: encodeCall(erc20Artifact, 'balanceOf', [holder]) }
    const questions: WordQuestion[] = [
      isValid(wallet),
      balance(wallet),
      { to: wallet, data: encodeCall(walletArtifact, 'allowance', [owner, paymentToken]) },
      isValid(nodeWallet),
    ]
    if (verifier === ZERO_ADDRESS) return questions
    return [
      ...questions,
      balance(nodeWallet),
      bondAllowance(paymentToken),
      { to: nodeWallet, data: encodeCall(walletArtifact, 'owner', []) },
      { to: verifier, data: encodeCall(VERIFIER, 'isSupportedToken', [paymentToken]) },
      { to: verifier, data: encodeCall(VERIFIER, 'fee', [paymentToken]) },
      { to: fee, data: encodeCall(feeArtifact, 'FEE', []) },
    ]
  }

  /** Those that differ in nothing but the amount have the same answers. */
  async function readFacts(
    groups: readonly Subscription[],
    blockTag: BlockTag,
  ): Promise<readonly PaymentFacts[]> {
    const questions = groups.map(questionsOf)
    const [words, locked] = await Promise.all([
      readWords(chain, questions.flat(), blockTag),
      Promise.all(groups.map((group) => readLocked(group, blockTag))),
    ])
    let at = 0
    return groups.map((_, index) => {
      const count = questions[index]?.length ?? 0
      const found = words.slice(at, at + count)
      at += count
      return toFacts(found, locked[index] ?? { consumer: 0n, node: 0n })
    })
  }

  function toFacts(
    words: readonly (bigint | null)[],
    locked: { consumer: bigint; node: bigint },
  ): PaymentFacts {
    const word = (at: number) => words[at] ?? 0n
    const hasVerifier = words.length > 4
    const supports = word(7) !== 0n && words[8] !== null
    return {
      consumer: {
        isValid: word(0) === 1n,
        balance: less(word(1), locked.consumer),
        allowance: word(2),
      },
      node: {
        isValid: word(3) === 1n,
        balance: less(word(4), locked.node),
        allowance: word(5),
        isOwn: hasVerifier && word(6) === BigInt(node),
      },
      verifier: hasVerifier ? { fee: supports ? word(8) : null, protocolFeeBps: word(9) } : null,
    }
  }

  /** Only a lock looks at what is locked already; the Wallet has no getter for it. */
  async function readLocked({ verifier, wallet, paymentToken }: Subscription, blockTag: BlockTag) {
    if (verifier === ZERO_ADDRESS) return { consumer: 0n, node: 0n }
    const slot = lockedSlot(paymentToken)
    const read = async (address: Address) => BigInt(await chain.provider.getStorage(address, slot, blockTag))
    const [consumer, ours] = await Promise.all([read(wallet), read(nodeWallet)])
    return { consumer, node: ours }
  }

  return {
    async readFaults(subscriptions, blockTag) {
      const groups = new Map<string, Subscription>()
      for (const subscription of subscriptions) groups.set(groupOf(subscription), subscription)
      const facts = await readFacts([...groups.values()], blockTag)
      const byGroup = new Map([...groups.keys()].map((group, index) => [group, facts[index]]))
      return subscriptions.map((subscription) => {
        const found = byGroup.get(groupOf(subscription))
        return found === undefined ? null : judgePayment(subscription, found, nodeWallet)
      })
    },
    async readBondAllowance(paymentToken) {
      const [allowance] = await readWords(chain, [bondAllowance(paymentToken)])
      return allowance ?? 0n
    },
  }
}

/**
 * Why a delivery would not be paid for, in the order of the Coordinator; null when it would be.
 * @see infernet.md 1.10 (8) and 1.12
 */
export function judgePayment(
  { paymentAmount: amount, paymentToken, wallet, owner }: Subscription,
  { consumer, node, verifier }: PaymentFacts,
  nodeWallet: Address,
): PaymentFault | null {
  if (amount === 0n) return null
  const unit = paymentToken === ZERO_ADDRESS ? 'wei' : `base units of ${paymentToken}`
  if (!node.isValid)
    return passing(`The payment wallet ${nodeWallet} of this node was not made by the WalletFactory`)
  if (!consumer.isValid) return { isFinal: true, message: `${wallet} was not made by the WalletFactory` }
  if (consumer.allowance < amount)
    return passing(`The wallet ${wallet} lets ${owner} spend ${consumer.allowance} of ${amount} ${unit}`)
  if (consumer.balance < amount)
    return passing(`The wallet ${wallet} holds ${consumer.balance} free of ${amount} ${unit}`)
  if (verifier === null) return null
  if (verifier.fee === null) return passing(`The verifier takes no fee in ${paymentToken}`)
  const cut = (amount * 2n * verifier.protocolFeeBps) / BPS
  if (verifier.fee > less(amount, cut))
    return passing(`The verifier takes ${verifier.fee}, more than is left of ${amount} ${unit}`)
  if (node.balance < amount)
    return passing(
      `The payment wallet ${nodeWallet} holds ${node.balance} free for a bond of ${amount} ${unit}`,
    )
  if (node.allowance < amount && !node.isOwn)
    return passing(`The owner of ${nodeWallet} has not approved a bond of ${amount} ${unit}`)
  return null
}

function passing(message: string): PaymentFault {
  return { isFinal: false, message }
}

function less(whole: bigint, part: bigint): bigint {
  return whole > part ? whole - part : 0n
}

function groupOf({ owner, paymentToken, wallet, verifier }: Subscription): string {
  return [owner, paymentToken, wallet, verifier].join().toLowerCase()
}

/** `lockedBalance[paymentToken]`, a mapping in slot 0. @see infernet.md 1.2 */
function lockedSlot(paymentToken: Address): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['address', 'uint256'], [paymentToken, 0]))
}
