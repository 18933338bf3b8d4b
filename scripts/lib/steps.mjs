// Runs other programs for the scripts: streamed for people, captured where the output is to be read.
import { spawn } from 'node:child_process'
import { root } from './root.mjs'

/**
 * Runs a program with its output on ours and resolves to its exit status.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, stdout?: 'inherit' | 'stderr' | 'capture', shell?: boolean }} [options]
 * @returns {Promise<{ code: number, stdout: string }>}
 */
export function run(command, args, options = {}) {
  const { cwd = root, env = {}, stdout = 'stderr', shell = false } = options
  return new Promise((resolve) => {
    const target = { inherit: 'inherit', stderr: process.stderr, capture: 'pipe' }[stdout]
    const child = spawn(command, args, {
      cwd,
      shell,
      env: { ...process.env, ...env },
      stdio: ['ignore', target, process.stderr],
    })
    // Ctrl-C reaches the child through the terminal; it ends when its clean-up is done, and we with it.
    const wait = () => undefined
    const forward = () => child.kill('SIGTERM')
    process.on('SIGINT', wait)
    process.on('SIGTERM', forward)
    const settle = (result) => {
      process.off('SIGINT', wait)
      process.off('SIGTERM', forward)
      resolve(result)
    }
    const chunks = []
    child.stdout?.on('data', (chunk) => chunks.push(chunk))
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`)
      settle({ code: 127, stdout: '' })
    })
    child.on('close', (code, signal) => {
      settle({ code: code ?? (signal ? 1 : 0), stdout: Buffer.concat(chunks).toString('utf8') })
    })
  })
}

/** Runs a JavaScript file with this Node.js. */
export function runNode(file, args = [], options = {}) {
  return run(process.execPath, [file, ...args], options)
}

/** Runs npm: the one that started us, or the one on the PATH. */
export function runNpm(args, options = {}) {
  const own = process.env.npm_execpath
  if (own && /\.c?js$/.test(own)) return runNode(own, args, options)
  const windows = process.platform === 'win32'
  return run(windows ? 'npm.cmd' : 'npm', args, { ...options, shell: windows })
}
