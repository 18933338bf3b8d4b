import { describe, expect, it } from '@jest/globals'
import { splitCommand } from '../../../src/lib/node/managed-command.js'
import { caught } from '../../helpers/caught.js'

describe('splitCommand', () => {
  it.each([
    ['', []],
    ['   ', []],
    ['serve', ['serve']],
    [' --host 0.0.0.0\t--port  3000\n', ['--host', '0.0.0.0', '--port', '3000']],
    [`sh -c 'echo "a  b" \\n'`, ['sh', '-c', 'echo "a  b" \\n']],
    ['--name "a \\"b\\" \\\\ \\n"', ['--name', 'a "b" \\ \\n']],
    [`pre"mid dle"'po st'`, ['premid dlepo st']],
    ['a\\ b \\$HOME', ['a b', '$HOME']],
    [`'' ""`, ['', '']],
    ['$HOME *', ['$HOME', '*']],
  ])('splits %j as a shell does', (text, words) => {
    expect(splitCommand(text, 'command')).toEqual(words)
  })

  it.each(["sh -c 'echo", 'say "hi', 'ends with \\'])('refuses %j, which does not end', async (text) => {
    const error = await caught(() => splitCommand(text, 'containers a, command'))

    expect(error.code).toBe('NODE_CONFIG_INVALID')
    expect(error.message).toContain('containers a, command: ')
  })
})
