import { FlockError } from '../errors.js'
import { endOfString } from '../json-text.js'

/** What Python's `repr` cannot print as it is: control, format, unassigned, private and separator characters. */
const UNPRINTABLE = /[\p{C}\p{Z}]/u

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** All but strings: a regular expression runs out of stack on one with millions of escapes. */
const PLAIN_TOKEN = /-?\d[\d.eE+-]*|true|false|null|[[\]{}:,]/

const WORDS: Readonly<Record<string, string>> = {
  true: 'True',
  false: 'False',
  null: 'None',
  ',': ', ',
  ':': ': ',
}

/**
 * Writes a JSON text as the Python literal that the reference node makes of it: `repr(json.loads(text))`.
 *
 * Goes token by token, because a parsed value has lost what Python keeps: `1.0` is not `1`, and keys that look like
 * numbers stay where they stand. An object that names a key twice keeps both, where Python keeps the last.
 * @throws JSON_INVALID
 * @see infernet.md 2.5
 */
export function pythonLiteralOfJson(json: string): string {
  try {
    JSON.parse(json)
  } catch {
    // No cause: the parser's own message quotes the text, and answers stay out of logs.
    throw new FlockError('JSON_INVALID', 'The answer of a container is not valid JSON.')
  }
  const plain = new RegExp(PLAIN_TOKEN, 'y')
  let literal = ''
  for (let at = 0; at < json.length;) {
    plain.lastIndex = at
    const token = json[at] === '"' ? json.slice(at, endOfString(json, at) + 1) : (plain.exec(json)?.[0] ?? '')
    literal += literalOf(token)
    // Between tokens there are blanks.
    at += Math.max(token.length, 1)
  }
  return literal
}

function literalOf(token: string): string {
  if (token.startsWith('"')) return stringLiteral(JSON.parse(token) as string)
  return WORDS[token] ?? (/^[-\d]/.test(token) ? numberLiteral(token) : token)
}

function stringLiteral(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  let literal = quote
  for (const character of text) literal += character === quote ? `\\${quote}` : printable(character)
  return literal + quote
}

function printable(character: string): string {
  const short = SHORT_ESCAPES[character]
  if (short !== undefined) return short
  if (character === ' ' || !UNPRINTABLE.test(character)) return character
  const code = character.codePointAt(0) ?? 0
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}

function numberLiteral(text: string): string {
  return /[.eE]/.test(text) ? floatLiteral(Number(text)) : BigInt(text).toString()
}

/** Python prints the same shortest digits as JavaScript and differs in when it uses an exponent. */
function floatLiteral(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [mantissa = '', exponentText = ''] = value.toExponential().split('e')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= 16) {
    const digits = Math.abs(exponent).toString().padStart(2, '0')
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`
  }
  const plain = exponent < 0 ? value.toFixed(decimalsOf(mantissa) - exponent) : value.toString()
  return plain.includes('.') ? plain : `${plain}.0`
}

function decimalsOf(mantissa: string): number {
  return mantissa.split('.')[1]?.length ?? 0
}
