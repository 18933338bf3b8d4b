import { expect } from '@jest/globals'
import { runCommand, type CommandResult, type JsonNotice, type RunOptions } from './run-command.js'

export interface Refusal {
  readonly code: string
  readonly status: number
  /** In the message. */
  readonly message?: RegExp
  /** In what to do about it. */
  readonly next?: RegExp
}

/**
 * Runs a command in text and JSON mode and checks that both are refused alike: same status, same code, nothing on
 * stdout but the JSON document, no stack trace.
 * @returns the one error of the JSON document
 */
export async function expectRefusal(
  args: readonly string[],
  refusal: Refusal,
  options: RunOptions = {},
): Promise<JsonNotice> {
  const [text, json] = await Promise.all([
    runCommand(args, options),
    runCommand([...args, '--json'], options),
  ])
  const [error] = json.json?.errors ?? []
  if (error === undefined) throw new Error(`no JSON error: ${json.stdout}\n${json.stderr}`)

  expect(briefly(json)).toEqual({ code: refusal.code, status: refusal.status })
  expect({ status: text.code, stdout: text.stdout }).toEqual({ status: refusal.status, stdout: '' })
  expect(json.json).toMatchObject({ schema_version: 1, success: false, data: null })
  expect(json.json?.errors).toHaveLength(1)
  expect(text.stderr).toContain(`Error: ${error.message.split('\n')[0]}`)
  expect(text.stderr).toContain(`flock help ${refusal.code}`)
  expect(`${text.stderr}${json.stderr}`).not.toMatch(/^\s+at .*:\d+:\d+/m)
  if (refusal.message !== undefined) expect(error.message).toMatch(refusal.message)
  if (refusal.next !== undefined) expect(error.next).toMatch(refusal.next)
  return error
}

function briefly({ code, json }: CommandResult): { code: string | undefined; status: number | null } {
  return { code: json?.errors[0]?.code, status: code }
}
