import { type Hex, isHex } from '../hex.js'
import { WORD, readAbiText, readSmallWord } from './canonical-abi.js'
import {
  CSS_ENDPOINTS,
  CSS_PROVIDERS,
  HF_TASKS,
  type StockMessage,
  type StockTask,
  checkCssEndpoint,
  checkMessageCount,
  invalidStockTask,
  parseHfTask,
  parsePrompt,
} from './stock-task.js'

/** A task but for the bytes that it was read from. */
type Decoded = Omit<StockTask, 'rawInput'>

/**
 * Reads the bytes of `getContainerInputs` as a consumer of a stock service gives them, strictly: they have to be the
 * exact encoding of what they hold.
 *
 * The first two words tell the kinds apart, so that no bytes are of two kinds and their order does not matter:
 *
 * | kind | first word | second word |
 * | --- | --- | --- |
 * | `tgi` `(string text)` | 0x20, the offset of the text | length of the text |
 * | `css` `(uint8 provider, uint8 endpoint, string model, (string role, string content)[] messages)` | 0 to 2 | 0 or 1 |
 * | `hf` `(uint8 taskId, string model, string prompt)` | 0 to 5 | 0x60, the offset of the model |
 *
 * A task envelope begins with a hash, which is none of these. A bare text looks the same whichever service it is for;
 * its answer repeats it, as that of the TGI client does, although the starters repeat nothing.
 * @throws TASK_INVALID
 * @see infernet.md 8.2
 */
export function decodeStockPayload(inputs: Hex): StockTask {
  if (!isHex(inputs) || inputs === '0x') {
    throw invalidStockTask(
      'The task is empty: the consumer gave no container inputs.',
      'Does getContainerInputs of the consumer revert, or does the subscription belong to another kind of consumer?',
    )
  }
  const bytes = Buffer.from(inputs.slice(2), 'hex')
  const task = decodeText(bytes) ?? decodeCss(bytes) ?? decodeHf(bytes)
  if (task !== null) return { ...task, rawInput: inputs.toLowerCase() as Hex }
  throw invalidStockTask(
    'The task is in no encoding that this service knows.',
    'Known are task envelopes, (string), (uint8, uint8, string, (string, string)[]) and (uint8, string, string), each exactly as abi.encode writes it.',
  )
}

function decodeText(bytes: Buffer): Decoded | null {
  if (readSmallWord(bytes, 0) !== WORD) return null
  const prompt = readAbiText(bytes, WORD)
  if (prompt?.end !== bytes.length) return null
  return { kind: 'tgi', provider: null, model: null, messages: parsePrompt(prompt.text), options: {} }
}

function decodeCss(bytes: Buffer): Decoded | null {
  const provider = CSS_PROVIDERS[readSmallWord(bytes, 0)]
  const endpoint = CSS_ENDPOINTS[readSmallWord(bytes, WORD)]
  const head = 4 * WORD
  if (provider === undefined || endpoint === undefined || readSmallWord(bytes, 2 * WORD) !== head) return null
  const model = readAbiText(bytes, head)
  if (model === null || readSmallWord(bytes, 3 * WORD) !== model.end) return null
  checkCssEndpoint(endpoint)
  const messages = readMessages(bytes, model.end)
  return messages && { kind: 'css', provider, model: model.text || null, messages, options: {} }
}

function decodeHf(bytes: Buffer): Decoded | null {
  const taskId = readSmallWord(bytes, 0)
  const head = 3 * WORD
  if (HF_TASKS[taskId] === undefined || readSmallWord(bytes, WORD) !== head) return null
  const model = readAbiText(bytes, head)
  if (model === null || readSmallWord(bytes, 2 * WORD) !== model.end) return null
  const prompt = readAbiText(bytes, model.end)
  if (prompt?.end !== bytes.length) return null
  const messages = parseHfTask(taskId, prompt.text)
  return { kind: 'hf', provider: null, model: model.text || null, messages, options: {} }
}

/** The list at byte `at`, which has to reach to the end: its count, an offset each, then role and content each. */
function readMessages(bytes: Buffer, at: number): StockMessage[] | null {
  const count = readSmallWord(bytes, at)
  const offsets = at + WORD
  if (count < 0 || offsets + count * WORD > bytes.length) return null
  checkMessageCount(count)
  const messages: StockMessage[] = []
  let end = offsets + count * WORD
  for (let position = 0; position < count; position++) {
    if (readSmallWord(bytes, offsets + position * WORD) !== end - offsets) return null
    const message = readMessage(bytes, end)
    if (message === null) return null
    messages.push({ role: message.role, content: message.content })
    end = message.end
  }
  return end === bytes.length ? messages : null
}

function readMessage(bytes: Buffer, at: number): (StockMessage & { end: number }) | null {
  const head = 2 * WORD
  if (readSmallWord(bytes, at) !== head) return null
  const role = readAbiText(bytes, at + head)
  if (role === null || readSmallWord(bytes, at + WORD) !== role.end - at) return null
  const content = readAbiText(bytes, role.end)
  return content && { role: role.text, content: content.text, end: content.end }
}
