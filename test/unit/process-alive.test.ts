import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { isProcessAlive } from '../../src/lib/process-alive.js'

describe('isProcessAlive', () => {
  it('knows that this process runs', () => {
    expect(isProcessAlive(process.pid)).toBe(true)
  })

  it('knows that a process that ended does not', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')

    expect(isProcessAlive(child.pid ?? 0)).toBe(false)
  })

  it('takes one that nobody collected for ended', async () => {
    // The shell becomes `cat`, which never asks what became of its child; the echo tells that it has.
    const parent = spawn('/bin/sh', ['-c', 'sleep 60 >/dev/null & echo $!; exec cat'])
    const output = parent.stdout.setEncoding('utf8')
    const [line] = (await once(output, 'data')) as [string]
    const child = Number(line)
    try {
      parent.stdin.write('ready')
      await once(output, 'data')
      expect(isProcessAlive(child)).toBe(true)
      process.kill(child, 'SIGKILL')
      while (isProcessAlive(child)) await new Promise((resolve) => setTimeout(resolve, 10))

      expect(() => process.kill(child, 0)).not.toThrow()
    } finally {
      parent.kill('SIGKILL')
    }
  })

  it.each([0, -1, 1.5, Number.NaN])('knows that %d is no process', (pid) => {
    expect(isProcessAlive(pid)).toBe(false)
  })
})
