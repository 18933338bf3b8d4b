import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { runCommand, startCommand, type CommandResult } from '../helpers/run-command.js'
import { createTempDir, withTempDir } from '../helpers/temp-dir.js'

const TIMEOUT_MS = 180_000

/** 64 hexadecimal digits that stand where a private key would. */
const KEY = /(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])/

const ROLES = ['model-host', 'training-node', 'training-node', 'validator', 'validator', 'delegator']

/** The result under `--json`, amounts as decimal strings of base units. */
interface Story {
  readonly fee: Record<'total' | 'host' | 'training' | 'validators', string>
  readonly claims: readonly Record<'role' | 'gross' | 'claimFee' | 'net' | 'txHash', string>[]
  readonly claimed: string
  readonly carried: string
  readonly usage: Record<'prompt_tokens' | 'completion_tokens', string>
  readonly answer: string
  readonly deliveryTx: string
  readonly rpcUrl: string
}

function sum(amounts: readonly string[]): bigint {
  return amounts.reduce((total, amount) => total + BigInt(amount), 0n)
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })
    return true
  } catch {
    return false
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50))
}

describe('flock quickstart', () => {
  let dir: string
  let told: CommandResult

  beforeAll(async () => {
    dir = await createTempDir()
    told = await runCommand(['quickstart', '--dir', dir, '--json'], { cwd: dir, timeoutMs: TIMEOUT_MS })
  }, TIMEOUT_MS)

  afterAll(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  it('goes from an empty folder to claimed rewards that add up to the fee', async () => {
    expect(told.stderr).toContain('Claim as delegator')
    expect(told.code).toBe(0)
    const { fee, claims, claimed, carried, usage, answer, deliveryTx } = told.json?.data as Story
    expect(sum([fee.host, fee.training, fee.validators])).toBe(BigInt(fee.total))
    // 0.05 an answer, 120 and 480 a million tokens, as the story's project says.
    const metered = BigInt(usage.prompt_tokens) * 120n + BigInt(usage.completion_tokens) * 480n
    expect(BigInt(fee.total)).toBe(50_000_000_000_000_000n + metered * 1_000_000_000_000n)
    expect(sum(claims.map(({ gross }) => gross))).toBe(BigInt(claimed))
    expect(BigInt(claimed) + BigInt(carried)).toBe(BigInt(fee.total))
    for (const { gross, claimFee, net } of claims) expect(BigInt(gross)).toBe(BigInt(claimFee) + BigInt(net))
    expect(new Set(claims.map(({ txHash }) => txHash)).size).toBe(claims.length)
    expect(claims.map(({ role }) => role)).toEqual(ROLES)
    expect(deliveryTx).toMatch(/^0x[0-9a-f]{64}$/)
    expect(answer.length).toBeGreaterThan(0)
  })

  it('stops the chain that it started', async () => {
    expect(await answers((told.json?.data as Story).rpcUrl)).toBe(false)
  })

  it('leaves no secret in a file that git would track', async () => {
    execFileSync('git', ['init', '-q'], { cwd: dir })
    const listed = execFileSync('git', ['ls-files', '--others', '--exclude-standard'], {
      cwd: dir,
      encoding: 'utf8',
    })
    const tracked = listed.split('\n').filter((file) => file !== '')
    expect(tracked).toContain('flock.yaml')

    for (const file of tracked) {
      // Records of what was deployed and attested hold hashes, which are public.
      if (file.startsWith('deployments/') || file === 'attestation.json') continue
      const found = KEY.exec(await readFile(join(dir, file), 'utf8'))?.[0]
      expect({ file, found }).toEqual({ file, found: undefined })
    }
  })

  it(
    'leaves nothing running when it is killed',
    async () => {
      await withTempDir(async (folder) => {
        const killed = startCommand(['quickstart', '--dir', folder], { cwd: folder, timeoutMs: TIMEOUT_MS })
        const [, chainPort] = await killed.waitFor(/flock devnet --port (\d+)/)
        const [, hostPort] = await killed.waitFor(/demo-host --port (\d+)/)
        const [, servicePort] = await killed.waitFor(/workflow serve --port (\d+)/)
        await killed.waitFor(/Start an Infernet node/)
        const urls = [chainPort, hostPort, servicePort].map((port) => `http://127.0.0.1:${port}/`)
        expect(await answers(urls[0] ?? '')).toBe(true)

        killed.child.kill('SIGKILL')
        await killed.result

        for (const url of urls) await until(async () => !(await answers(url)))
      })
    },
    TIMEOUT_MS,
  )
})
