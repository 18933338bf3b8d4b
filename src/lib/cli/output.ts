import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** A terminal stream, or the pipe or file that stands for it. */
export type TerminalStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** Writes lines; nothing at all for an empty list. */
export function writeLines(stream: Writable, lines: readonly string[]): void {
  if (lines.length > 0) stream.write(`${lines.join('\n')}\n`)
}

/** Resolves when all that was written has left the process, or never can. */
export async function drained(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return
  await Promise.race([
    new Promise<void>((resolve) => stream.write('', () => resolve())),
    once(stream, 'close').then(() => undefined),
    once(stream, 'error').then(() => undefined),
  ]).catch(() => undefined)
}

/** Columns of the terminal, or null when the output is not one and lines need not fit. */
export function widthOf(stream: TerminalStream): number | null {
  return stream.isTTY === true && stream.columns !== undefined && stream.columns > 0 ? stream.columns : null
}
