import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'

const PROGRAM = fileURLToPath(new URL('../fixtures/programs/waiting-command.mjs', import.meta.url))

type What = 'clean' | 'slow' | 'done' | 'stream'

/** Starts the waiting command and resolves once it is ready. */
async function start(what: What, ...flags: readonly string[]) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME }
  const child = spawn(process.execPath, [PROGRAM, what, ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output.stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output.stderr += chunk))
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)))
  const saw = (stream: 'stdout' | 'stderr', text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (output[stream].includes(text)) resolve()
      }
      child[stream].on('data', look)
      void ended.then(() => reject(new Error(`it ended without "${text}": ${output.stderr}`)))
      look()
    })
  await saw('stderr', 'ready\n')
  return { child, output, ended, saw }
}

describe('a command that is told to stop', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('cleans up and ends with the status of %s', async (signal, status) => {
    const { child, output, ended } = await start('clean')

    child.kill(signal)

    await expect(ended).resolves.toBe(status)
    expect(output.stderr).toContain('cleaned up\n')
    expect(output.stderr).toContain(`Error: Stopped by ${signal}.\n`)
  })

  it('says so in JSON too', async () => {
    const { child, output, ended } = await start('clean', '--json')

    child.kill('SIGTERM')

    await expect(ended).resolves.toBe(143)
    expect(JSON.parse(output.stdout)).toMatchObject({
      success: false,
      errors: [{ code: 'INTERRUPTED', details: { signal: 'SIGTERM' } }],
    })
  })

  it('ends well when it finishes what it does', async () => {
    const { child, output, ended } = await start('done', '--json')

    child.kill('SIGINT')

    await expect(ended).resolves.toBe(0)
    expect(JSON.parse(output.stdout)).toMatchObject({ success: true, data: { stopped: true } })
  })

  it('leaves by itself when clean-up takes too long', async () => {
    const { child, ended } = await start('slow')

    child.kill('SIGTERM')

    await expect(ended).resolves.toBe(143)
  })

  it('leaves at once on the second signal', async () => {
    const { child, ended, saw } = await start('slow')

    child.kill('SIGINT')
    await saw('stderr', 'once more to leave at once')
    child.kill('SIGINT')

    await expect(ended).resolves.toBe(130)
  })

  it('takes a closed pipe for a wish to stop, without a complaint', async () => {
    const { child, output, ended, saw } = await start('stream')
    await saw('stdout', 'line 3\n')

    child.stdout.destroy()

    await expect(ended).resolves.toBe(0)
    expect(output.stderr).toBe('ready\ncleaned up\n')
  })
})
