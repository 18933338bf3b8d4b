import { readFileSync } from 'node:fs'
import type { Address, Hex } from '../../src/lib/hex.js'
import type { TaskEnvelope } from '../../src/lib/infernet/task-envelope.js'
import type { UsageReceipt } from '../../src/lib/usage/receipt.js'

/** One entry of `test/fixtures/receipts.json`, which the Solidity tests read too. */
export interface ReceiptVector {
  readonly name: string
  readonly chainId: number
  readonly usageMeter: Address
  readonly signer: Address
  readonly signerKey: Hex
  readonly envelope: TaskEnvelope
  /** `abi.encode(TASK_ENVELOPE_TYPEHASH, envelope)` */
  readonly containerInputs: Hex
  readonly answer: Hex
  readonly receipt: UsageReceipt
  readonly receiptBytes: Hex
  readonly digest: Hex
  readonly signature: Hex
}

const QUANTITIES = new Set(['maxPromptTokens', 'maxCompletionTokens', 'promptTokens', 'completionTokens'])

/** Reads the vectors; quantities that the code keeps as bigint are numbers in the file. */
export function loadReceiptVectors(): ReceiptVector[] {
  const file = new URL('../fixtures/receipts.json', import.meta.url)
  const vectors = JSON.parse(readFileSync(file, 'utf8'), (key, value: unknown) =>
    QUANTITIES.has(key) ? BigInt(value as number) : value,
  ) as ReceiptVector[]
  return vectors.map((vector) => ({
    ...vector,
    envelope: { ...vector.envelope, chainId: BigInt(vector.envelope.chainId) },
  }))
}
