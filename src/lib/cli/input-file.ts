import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { FlockError, messageOf } from '../errors.js'

/** Reads a file that a flag names; `-` stands for stdin. @throws USAGE_INVALID */
export async function readInputFile(path: string, flag: string): Promise<Buffer> {
  try {
    return path === '-' ? await buffer(process.stdin) : await readFile(path)
  } catch (error) {
    throw new FlockError('USAGE_INVALID', `${flag}: ${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      details: { flag, file: path },
    })
  }
}
