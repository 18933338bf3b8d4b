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
    // The shell becomes a program that never asks what became of its child.
    const parent = spawn('/bin/sh', ['-c', 'true & echo $!; exec sleep 60'])
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string]
    try {
      while (isProcessAlive(Number(line))) await new Promise((resolve) => setTimeout(resolve, 10))

      expect(() => process.kill(Number(line), 0)).not.toThrow()
    } finally {
      parent.kill('SIGKILL')
    }
  })

  it.each([0, -1, 1.5, Number.NaN])('knows that %d is no process', (pid) => {
    expect(isProcessAlive(pid)).toBe(false)
  })
})
