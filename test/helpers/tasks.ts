import { type Address, type Hex, bytesToHex } from '../../src/lib/hex.js'
import { type ServiceInput, renderServiceInput } from '../../src/lib/infernet/payload.js'
import { type TaskEnvelope, encodeTaskEnvelope } from '../../src/lib/infernet/task-envelope.js'

export const CHAIN_ID = 31337
export const USAGE_METER: Address = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
export const MODEL_ID: Hex = `0x${'a1'.repeat(32)}`
/** Anvil's account 5, the devnet's receipt signer. A public development key. */
export const RECEIPT_KEY: Hex = '0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba'
export const RECEIPT_SIGNER: Address = '0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc'

export const utf8 = (text: string): Hex => bytesToHex(Buffer.from(text, 'utf8'))

/** A paid request as a consumer gives it to a node; a text stands for the payload's bytes. */
export function envelopeOf(
  change: Partial<Omit<TaskEnvelope, 'payload'>> & { payload?: string } = {},
): TaskEnvelope {
  const { payload = 'What do bees do in winter?', ...rest } = change
  return {
    chainId: BigInt(CHAIN_ID),
    consumer: '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e',
    subscriptionId: 7,
    interval: 3,
    requestId: `0x${'b2'.repeat(32)}`,
    requester: '0x90F79bf6EB2c4f870365E785982E1f101E93b906',
    node: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    modelId: MODEL_ID,
    maxPromptTokens: 1000n,
    maxCompletionTokens: 64n,
    payload: payload.startsWith('0x') ? (payload as Hex) : utf8(payload),
    ...rest,
  }
}

/** The task that a node sends for an on-chain subscription. */
export function onChainInput(envelope: TaskEnvelope = envelopeOf()): ServiceInput {
  return { source: 0, destination: 0, data: encodeTaskEnvelope(envelope), requiresProof: false }
}

/** The same as it stands in the body of `POST /service_output`. */
export function onChainBody(envelope?: TaskEnvelope): Record<string, unknown> {
  return renderServiceInput(onChainInput(envelope))
}
