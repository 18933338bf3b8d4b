import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { expectGolden, joinFiles } from '../../helpers/golden.js'
import { contentOf, planAnswers, PLATFORM_ANSWERS, RICH_ANSWERS } from '../../helpers/scaffold.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const PATH = 'systemd/flock-workflow.service'

/** Settings of a unit by section, each with its values in order. */
type Unit = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

/** Reads a unit file (systemd.syntax), and takes nothing that systemd would pass over with a warning. */
function parseUnit(text: string): Unit {
  const unit: Record<string, Record<string, string[]>> = {}
  let section: Record<string, string[]> | undefined
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? []
    const [, key = '', value = ''] = /^([A-Z]\w+)=(.*)$/.exec(line) ?? []
    if (name !== undefined) section = unit[name] ??= {}
    else if (section === undefined || key === '') throw new Error(`not a line of a unit: ${line}`)
    else (section[key] ??= []).push(value)
  }
  return unit
}

let text = ''
let unit: Unit = {}

beforeAll(async () => {
  text = contentOf(await planAnswers(RICH_ANSWERS, ['systemd']), PATH)
  unit = parseUnit(text)
})

const setting = (key: string) => unit.Service?.[key]

describe('the unit for systemd', () => {
  it('is what it was when people last read it', async () => {
    const files = await planAnswers(PLATFORM_ANSWERS, ['systemd'])

    await expectGolden(
      'project/systemd.txt',
      joinFiles(files.filter(({ path }) => path === PATH || path === 'README.md')),
    )
  })

  it('has three sections', () => {
    expect(Object.keys(unit)).toEqual(['Unit', 'Service', 'Install'])
    expect(unit.Install).toEqual({ WantedBy: ['multi-user.target'] })
  })

  // `security --offline` came with 250.
  const version = /^systemd (\d+)/.exec(
    spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '',
  )
  const hasSystemd = Number(version?.[1] ?? 0) >= 250

  ;(hasSystemd ? it : it.skip)(
    'is one that systemd takes without a warning, and finds well confined',
    async () => {
      await withTempDir(async (dir) => {
        const path = join(dir, 'flock-workflow.service')
        // The program is not where the unit expects it.
        await writeFile(path, text.replace(/^(ExecStart=)\S+/m, `$1${process.execPath}`))

        const verified = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' })
        // Exposure of 100 at most; 96 is what a unit with nothing but a command has.
        const confined = spawnSync('systemd-analyze', ['security', '--offline=yes', '--threshold=30', path])

        expect({ status: verified.status, stderr: verified.stderr }).toEqual({ status: 0, stderr: '' })
        expect(confined.status).toBe(0)
      })
    },
  )

  it('gives the program its key as a credential, by a way that it reads, and others no more than by name', () => {
    const command = setting('ExecStart')?.[0] ?? ''
    const credentials = setting('LoadCredential')?.map((item) => item.split(':')[0] ?? '') ?? []

    expect(command).toMatch(/^\/opt\/flock\/node_modules\/\.bin\/flock workflow serve /)
    expect(credentials).toEqual(['receipt-key', 'receipt-password'])
    expect(command).toContain(
      '--keystore ${CREDENTIALS_DIRECTORY}/receipt-key --password-file ${CREDENTIALS_DIRECTORY}/receipt-password',
    )
    expect(setting('Environment')?.filter((item) => /KEY|PASSWORD|TOKEN/.test(item))).toEqual([])
  })

  it('lets the service write to its state alone', () => {
    expect(unit.Service).toMatchObject({
      DynamicUser: ['yes'],
      StateDirectory: ['flock'],
      ProtectSystem: ['strict'],
      ProtectHome: ['yes'],
      NoNewPrivileges: ['yes'],
      CapabilityBoundingSet: [''],
    })
    expect(setting('ReadWritePaths')).toBeUndefined()
    expect(setting('Environment')).toEqual(
      expect.arrayContaining([
        'FLOCK_SERVICE_ANSWERS_DIR=/var/lib/flock/answers',
        'FLOCK_SERVICE_USAGE_DIR=/var/lib/flock/usage',
      ]),
    )
  })

  it('reads flock.yaml again on reload, starts again after a failure, and waits for tasks at the end', () => {
    const drain = setting('Environment')?.find((item) => item.startsWith('FLOCK_DRAIN_TIMEOUT='))

    expect(setting('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID'])
    expect(setting('Restart')).toEqual(['on-failure'])
    expect(drain).toBe('FLOCK_DRAIN_TIMEOUT=180')
    expect(setting('TimeoutStopSec')).toEqual(['210'])
  })
})
