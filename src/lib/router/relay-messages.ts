/** Messages of chats that are handed on to a host as clients write them: calls of tools and images included. */
import {
  type FieldCheck,
  checkField,
  invalidField as invalid,
  isPlainObject,
  isShallow,
  isShallowObject,
  isText,
} from './body-fields.js'

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool'])

/** Tools of a request, and calls of one message: as many as OpenAI takes. */
export const MAX_TOOLS = 128

/** Fields of messages beside role and content, as SDKs give answers back. */
const MESSAGE_FIELDS: Readonly<Record<string, FieldCheck>> = {
  name: isText,
  tool_call_id: isText,
  tool_calls: (value) => Array.isArray(value) && value.length <= MAX_TOOLS && value.every(isShallowObject),
  refusal: isText,
  reasoning: isText,
  reasoning_content: isText,
  annotations: Array.isArray,
}

/** @returns all text that the model reads @throws TASK_INVALID naming the field */
export function readMessages(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('`messages` has to be a list of messages.')
  if (!isShallow(value)) throw invalid('`messages` is nested too deeply.')
  return value.flatMap((message: unknown, position) => readMessage(message, `messages[${position}]`))
}

function readMessage(value: unknown, path: string): string[] {
  if (!isPlainObject(value)) throw invalid(`\`${path}\` has to be an object.`)
  if (!isText(value.role) || !ROLES.has(value.role)) {
    throw invalid(`\`${path}.role\` has to be one of ${[...ROLES].join(', ')}.`)
  }
  for (const [name, field] of Object.entries(value)) {
    if (name === 'role' || name === 'content' || field === null) continue
    checkField(MESSAGE_FIELDS, name, field, path)
  }
  const { role, content = null, tool_calls: calls = null, refusal = null } = value
  const others = [...textsOfCalls(calls), ...(isText(refusal) ? [refusal] : [])]
  if (isText(content)) return [content, ...others]
  if (content === null) {
    if (role === 'assistant' && (refusal !== null || (Array.isArray(calls) && calls.length > 0)))
      return others
    throw invalid(`\`${path}.content\` is missing.`)
  }
  if (!Array.isArray(content) || content.length === 0) throw invalid(`\`${path}.content\` has to be text.`)
  const parts = content.flatMap((part: unknown, position) => readPart(part, `${path}.content[${position}]`))
  return [...parts, ...others]
}

/** What a chat template shows of calls of tools: names and arguments. */
function textsOfCalls(calls: unknown): string[] {
  if (!Array.isArray(calls)) return []
  return calls.flatMap((call: unknown) => {
    const called = isPlainObject(call) ? call.function : null
    return isPlainObject(called) ? [called.name, called.arguments].filter(isText) : []
  })
}

const PART_FIELDS: Readonly<Record<string, Readonly<Record<string, FieldCheck>>>> = {
  text: { type: isText, text: isText, cache_control: isShallowObject },
  image_url: { type: isText, image_url: isPlainObject },
}

const IMAGE_FIELDS: Readonly<Record<string, FieldCheck>> = { url: isText, detail: isText }

function readPart(part: unknown, path: string): string[] {
  const type = isPlainObject(part) ? part.type : undefined
  const fields = isText(type) && Object.hasOwn(PART_FIELDS, type) ? PART_FIELDS[type] : undefined
  if (!isPlainObject(part) || fields === undefined) {
    throw invalid(`\`${path}\` has to be a part of type text or image_url.`)
  }
  for (const [name, field] of Object.entries(part)) checkField(fields, name, field, path)
  if (type === 'image_url') {
    checkImage(part.image_url, `${path}.image_url`)
    return []
  }
  if (!isText(part.text)) throw invalid(`\`${path}.text\` is missing.`)
  return [part.text]
}

/** Images come with the request: an address would make the host fetch what a stranger chose. */
function checkImage(image: unknown, path: string): void {
  if (!isPlainObject(image)) throw invalid(`\`${path}\` is missing.`)
  for (const [name, field] of Object.entries(image)) checkField(IMAGE_FIELDS, name, field, path)
  if (!isText(image.url) || !image.url.startsWith('data:image/')) {
    throw invalid(`\`${path}.url\` has to be a data: URL; addresses are not fetched.`)
  }
}
