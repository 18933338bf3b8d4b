/** Reads one word from each of many contracts in a single `eth_call`, on any chain, with no contract deployed for it. */
import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import type { BlockTag } from './contracts.js'
import type { Chain } from './provider.js'

/** A view whose answer begins with the word that is asked for, or the native balance of an account. */
export type WordQuestion = { readonly to: Address; readonly data: Hex } | { readonly balanceOf: Address }

/**
 * Questions in one call. Code that runs before a contract exists may be 49,152 bytes long (EIP-3860), and what it
 * returns 24,576 bytes (EIP-170); 128 questions stay below a half of either.
 */
const MAX_QUESTIONS = 128
/** For one question: what a hostile contract can burn, several times what a token or a wallet needs. */
const QUESTION_GAS = 200_000
const WORD = 32
/** Whether a question was answered, and the word. */
const RESULT = 2 * WORD
/** Room for one question's call data, and behind it a word of zeros: no contract's code may start with 0xef (EIP-3541). */
const RESULTS_AT = 0x400

const OP = {
  greater: '11',
  and: '16',
  balance: '31',
  codeCopy: '39',
  returnDataSize: '3d',
  store: '52',
  return: 'f3',
  staticCall: 'fa',
} as const

/**
 * Answers in the order of the questions; null where the contract reverted, burned its gas or gave no word.
 *
 * The call creates a contract whose constructor asks the questions and returns the answers as its code.
 * @throws RPC_UNREACHABLE, RPC_FAILED
 */
export async function readWords(
  chain: Chain,
  questions: readonly WordQuestion[],
  blockTag: BlockTag = 'latest',
): Promise<(bigint | null)[]> {
  const batches = Array.from({ length: Math.ceil(questions.length / MAX_QUESTIONS) }, (_, index) =>
    questions.slice(index * MAX_QUESTIONS, (index + 1) * MAX_QUESTIONS),
  )
  const tag = typeof blockTag === 'number' ? `0x${blockTag.toString(16)}` : blockTag
  const answers = await Promise.all(
    batches.map(async (batch) => {
      const found = (await chain.provider.send('eth_call', [{ data: encodeQuestions(batch) }, tag])) as Hex
      return decodeAnswers(found, batch.length, chain)
    }),
  )
  return answers.flat()
}

/** Creation code that asks each question in turn, followed by the call data of all of them. */
function encodeQuestions(questions: readonly WordQuestion[]): Hex {
  // Numbers have one width, so that the code is as long as a draft that does not know yet where the data lies.
  const draft = renderCode(questions, 0)
  const data = questions.map((question) => ('data' in question ? question.data.slice(2) : ''))
  return `0x${renderCode(questions, draft.length / 2)}${data.join('')}`
}

function renderCode(questions: readonly WordQuestion[], codeLength: number): string {
  let dataAt = codeLength
  const steps = questions.map((question, index) => {
    const resultAt = RESULTS_AT + WORD + index * RESULT
    if ('balanceOf' in question) return renderBalance(question.balanceOf, resultAt)
    const dataLength = (question.data.length - 2) / 2
    const step = renderCall(question.to, { dataAt, dataLength, resultAt })
    dataAt += dataLength
    return step
  })
  return `${steps.join('')}${push(WORD + questions.length * RESULT)}${push(RESULTS_AT)}${OP.return}`
}

/** Copies the call data to the start of the memory, calls, and notes whether a whole word came back. */
function renderCall(
  to: Address,
  {
    dataAt,
    dataLength,
    resultAt,
  }: { readonly dataAt: number; readonly dataLength: number; readonly resultAt: number },
): string {
  const copy = [push(dataLength), push(dataAt), push(0), OP.codeCopy]
  const output = [push(WORD), push(resultAt + WORD)]
  const call = [...output, push(dataLength), push(0), pushAddress(to), push(QUESTION_GAS), OP.staticCall]
  const isWhole = [push(WORD - 1), OP.returnDataSize, OP.greater, OP.and]
  return [...copy, ...call, ...isWhole, push(resultAt), OP.store].join('')
}

function renderBalance(account: Address, resultAt: number): string {
  const balance = [pushAddress(account), OP.balance, push(resultAt + WORD), OP.store]
  return [...balance, push(1), push(resultAt), OP.store].join('')
}

/** A number of three bytes on the stack. */
function push(value: number): string {
  return `62${value.toString(16).padStart(6, '0')}`
}

function pushAddress(address: Address): string {
  return `73${address.slice(2).toLowerCase()}`
}

function decodeAnswers(found: Hex, count: number, chain: Chain): (bigint | null)[] {
  if (found.length !== 2 + 2 * (WORD + count * RESULT))
    throw new FlockError('RPC_FAILED', `${chain.endpoint} cannot answer several questions in one call.`, {
      details: { endpoint: chain.endpoint, chainId: chain.chainId },
    })
  const word = (at: number) => BigInt(`0x${found.slice(2 + at * 2 * WORD, 2 + (at + 1) * 2 * WORD)}`)
  return Array.from({ length: count }, (_, index) =>
    word(1 + 2 * index) === 1n ? word(2 + 2 * index) : null,
  )
}
