import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { parseConfig } from '../../src/lib/config/document.js'
import { runCommand, type CommandResult } from '../helpers/run-command.js'
import { withTempDir } from '../helpers/temp-dir.js'

const TRAINING = '0x14dC79964da2C08b23698B3D3cc7Ca32193d9955'
const SIGNER = '0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc'

async function configIn(dir: string) {
  return parseConfig(await readFile(join(dir, 'flock.yaml'), 'utf8'))
}

function pathsOf(json: CommandResult['json']): string[] {
  return (json?.data as { files: { path: string }[] }).files.map(({ path }) => path)
}

describe('flock init', () => {
  it('writes a whole project without a question, and nothing the second time', async () => {
    await withTempDir(async (dir) => {
      const first = await runCommand(['init', 'My Host', '--json'], { cwd: dir })
      const second = await runCommand(['init', 'My Host', '--json'], { cwd: dir })

      expect(first.json).toMatchObject({
        command: 'init',
        success: true,
        data: { dir: join(dir, 'My Host'), changed: true, dryRun: false, backups: [] },
      })
      expect(second.json).toMatchObject({ success: true, data: { changed: false } })
      const states = (second.json?.data as { files: { state: string }[] }).files.map(({ state }) => state)
      expect(new Set(states)).toEqual(new Set(['unchanged']))
      expect(await configIn(join(dir, 'My Host'))).toMatchObject({ name: 'my-host', network: 'local' })
    })
  })

  it('prints one line a file on stdout and the rest on stderr', async () => {
    await withTempDir(async (dir) => {
      const { code, stdout, stderr } = await runCommand(['init'], { cwd: dir })

      expect(code).toBe(0)
      expect(stdout.trim().split('\n')).toEqual(
        expect.arrayContaining([
          'created    flock.yaml',
          'created    node/config.json',
          'created    .gitignore',
        ]),
      )
      expect(stderr).toBe('Next: read README.md\n')
    })
  })

  it('takes every answer from flags', async () => {
    await withTempDir(async (dir) => {
      const { code } = await runCommand(
        [
          ...[
            'init',
            '--name',
            'paris',
            '--network',
            '84532',
            '--model-name',
            'assistant',
            '--hg-repo-id',
            'u/r',
          ],
          ...[
            '--revision',
            '4f2c',
            '--base-model',
            'Qwen',
            '--metadata-uri',
            'ipfs://x',
            '--price-request',
            '0.5',
          ],
          ...['--price-prompt', '10', '--price-completion', '20', '--max-prompt-tokens', '100'],
          ...['--max-completion-tokens', '50', '--training-ppm', '250000', '--validator-ppm', '50000'],
          ...[
            '--training',
            `${TRAINING}=3`,
            '--node',
            TRAINING,
            '--node',
            SIGNER,
            '--receipt-signer',
            SIGNER,
          ],
          ...['--host-url', 'https://gpu.example.org/v1', '--host-model', 'm', '--host-auth', 'bearer'],
          ...['--api-key-env', 'GPU_KEY', '.'],
        ],
        { cwd: dir },
      )

      expect(code).toBe(0)
      const { name, network, models } = await configIn(dir)
      expect({ name, network, models }).toMatchObject({
        name: 'paris',
        network: 'base-sepolia',
        models: [
          {
            name: 'assistant',
            hg_repo_id: 'u/r',
            metadataUri: 'ipfs://x',
            price: { request: '0.5', promptPerMillion: '10', completionPerMillion: '20' },
            limits: { maxPromptTokens: 100, maxCompletionTokens: 50 },
            split: { trainingPpm: 250_000, validatorPpm: 50_000 },
            nodes: [TRAINING, SIGNER],
            receiptSigner: SIGNER,
            contributors: { training: [{ account: TRAINING, weight: 3 }], validators: [] },
            hosts: [
              { baseUrl: 'https://gpu.example.org/v1', model: 'm', auth: 'bearer', apiKeyEnv: 'GPU_KEY' },
            ],
          },
        ],
      })
    })
  })

  it('takes answers from a file, with flags over it', async () => {
    await withTempDir(async (dir) => {
      await writeFile(
        join(dir, 'answers.yaml'),
        `name: from-file\nmodels: [{ name: m, contributors: { training: [{ account: ${TRAINING}, weight: 7 }] } }]\n`,
      )

      const { code } = await runCommand(['init', 'host', '--from', 'answers.yaml', '--name', 'from-flag'], {
        cwd: dir,
      })

      expect(code).toBe(0)
      expect(await configIn(join(dir, 'host'))).toMatchObject({
        name: 'from-flag',
        models: [{ name: 'm', contributors: { training: [{ account: TRAINING, weight: 7 }] } }],
      })
    })
  })

  it('writes what the service is run with: compose unless told, and as many targets as are named', async () => {
    await withTempDir(async (dir) => {
      const args = ['init', 'other', '--target', 'kubernetes', '--target', 'systemd']

      const [compose, other, bare] = await Promise.all([
        runCommand(['init', 'host', '--json'], { cwd: dir }),
        runCommand([...args, '--json'], { cwd: dir }),
        runCommand(['init', 'bare', '--target', 'bare', '--json'], { cwd: dir }),
      ])

      const runs = /^(?:Dockerfile|compose\.yaml|kustomization\.yaml|kubernetes\/service\.yaml|systemd\/.*)$/
      const written = ({ json }: CommandResult) => pathsOf(json).filter((path) => runs.test(path))
      expect(written(compose)).toEqual(['Dockerfile', 'compose.yaml'])
      expect(written(other)).toEqual([
        'Dockerfile',
        'kubernetes/service.yaml',
        'kustomization.yaml',
        'systemd/flock-workflow.service',
      ])
      expect(written(bare)).toEqual([])
    })
  })

  it.each([['kubernetes'], ['systemd'], ['bare'], ['compose']])(
    'remembers from the files what a project is run with: %s',
    async (target) => {
      await withTempDir(async (dir) => {
        const first = await runCommand(['init', '--target', target, '--json'], { cwd: dir })

        const second = await runCommand(['init', '--json'], { cwd: dir })

        expect(second.json).toMatchObject({ success: true, data: { changed: false } })
        expect(pathsOf(second.json)).toEqual(pathsOf(first.json))
      })
    },
  )

  it('adds a target to a project that is there, once README.md may change', async () => {
    await withTempDir(async (dir) => {
      await runCommand(['init'], { cwd: dir })
      const args = ['init', '--target', 'compose', '--target', 'systemd', '--json']

      const refused = await runCommand(args, { cwd: dir })
      const forced = await runCommand([...args, '--force'], { cwd: dir })

      expect(refused.json?.errors[0]).toMatchObject({
        code: 'PATH_CONFLICT',
        details: { paths: ['README.md'] },
      })
      expect(forced.json?.data).toMatchObject({
        changed: true,
        files: expect.arrayContaining([{ path: 'systemd/flock-workflow.service', state: 'new' }]),
      })
      await expect(readFile(join(dir, 'README.md'), 'utf8')).resolves.toContain('## Under systemd')
    })
  })

  it('takes targets from an answers file, and from flags over it; flock.yaml does not hold them', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'answers.yaml'), 'name: from-file\ntargets: [kubernetes, bare]\n')
      const from = ['--from', 'answers.yaml', '--json']

      const [file, flag] = await Promise.all([
        runCommand(['init', 'file', ...from], { cwd: dir }),
        runCommand(['init', 'flag', ...from, '--target', 'systemd'], { cwd: dir }),
      ])

      expect(pathsOf(file.json)).toContain('kustomization.yaml')
      expect(pathsOf(flag.json)).not.toContain('kustomization.yaml')
      expect(pathsOf(flag.json)).toContain('systemd/flock-workflow.service')
      expect(await configIn(join(dir, 'file'))).toMatchObject({ name: 'from-file' })
    })
  })

  it('keeps a flock.yaml that was edited by hand and writes what is missing around it', async () => {
    await withTempDir(async (dir) => {
      const mine = '# mine\nname: mine\nnetwork: base-sepolia\nmodels: []\n'
      const answers =
        'models: [{ name: m, hg_repo_id: u/r, revision: r, base_model: b, hosts: [{ id: h, baseUrl: http://127.0.0.1:1/v1, model: m }], price: { request: "1", promptPerMillion: "1", completionPerMillion: "1" } }]\n'
      await writeFile(join(dir, 'flock.yaml'), mine.replace('models: []\n', answers))

      const { code } = await runCommand(['init', '--no-input'], { cwd: dir })

      expect(code).toBe(0)
      await expect(readFile(join(dir, 'flock.yaml'), 'utf8')).resolves.toMatch(/^# mine\n/)
      await expect(readFile(join(dir, 'compose.yaml'), 'utf8')).resolves.toContain('name: mine')
    })
  })

  it('shows what it would do under --dry-run and writes nothing', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'README.md'), 'mine\n')

      const { code, stdout } = await runCommand(['init', '--dry-run'], { cwd: dir })

      expect(code).toBe(0)
      expect(stdout).toContain('replace    README.md\n')
      expect(stdout).toContain('create     flock.yaml\n')
      await expect(readdir(dir)).resolves.toEqual(['README.md'])
    })
  })

  it('replaces files under --force and keeps copies', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'README.md'), 'mine\n')

      const { json } = await runCommand(['init', '--force', '--json'], { cwd: dir })

      const [backup = ''] = (json?.data as { backups: string[] }).backups
      expect(backup).toMatch(/^README\.md\..*\.bak$/)
      await expect(readFile(join(dir, backup), 'utf8')).resolves.toBe('mine\n')
    })
  })

  it('puts no secret of the environment into any file, and ignores files that hold one', async () => {
    await withTempDir(async (dir) => {
      const key = 'a1'.repeat(32)
      const env = {
        FLOCK_PRIVATE_KEY: key,
        FLOCK_NODE_KEY: key,
        FLOCK_API_KEY: 'sk-secret-value',
        FLOCK_RPC_URL: `https://rpc.example.org/${key}`,
      }

      const { code, stdout, stderr } = await runCommand(['init'], { cwd: dir, env })

      expect(code).toBe(0)
      expect(stdout + stderr).not.toContain(key)
      for (const entry of await readdir(dir, { recursive: true })) {
        if ((await stat(join(dir, entry))).isDirectory()) continue
        const text = await readFile(join(dir, entry), 'utf8')
        expect(text).not.toContain(key)
        expect(text).not.toContain('sk-secret-value')
      }
      const ignored = (await readFile(join(dir, '.gitignore'), 'utf8')).split('\n')
      expect(ignored).toEqual(
        expect.arrayContaining(['.env', '.env.*', 'keystores/', 'node/config.secret.json']),
      )
    })
  })
})

describe('flock init with bad input', () => {
  const cases: readonly [string, readonly string[], string, number][] = [
    ['a flag that does not exist', ['--modle-name', 'x'], 'USAGE_INVALID', 2],
    ['a flag without a value', ['--name'], 'USAGE_INVALID', 2],
    ['one argument too many', ['a', 'b'], 'USAGE_INVALID', 2],
    ['a target that nobody knows', ['--target', 'docker'], 'USAGE_INVALID', 2],
    ['a number that is none', ['--max-prompt-tokens', 'many'], 'USAGE_INVALID', 2],
    ['a contributor without an address', ['--training', 'me=1'], 'ADDRESS_INVALID', 2],
    ['a contributor with a bad weight', ['--validator', `${TRAINING}=heavy`], 'USAGE_INVALID', 2],
    ['a public network and no model', ['--network', 'base'], 'INPUT_MISSING', 2],
    ['a chain id that nobody knows', ['--network', '4711'], 'NETWORK_UNKNOWN', 2],
    [
      'a network that is not there',
      [
        '--network',
        'bse',
        '--hg-repo-id',
        'u/r',
        '--revision',
        'r',
        '--base-model',
        'b',
        '--host-url',
        'http://127.0.0.1:1/v1',
      ],
      'CONFIG_INVALID',
      3,
    ],
    [
      'a malformed price and shares above the whole',
      ['--price-request', '1e3', '--training-ppm', '2000000'],
      'CONFIG_INVALID',
      3,
    ],
    ['a malformed address', ['--node', '0x12'], 'CONFIG_INVALID', 3],
    ['a malformed URL', ['--host-url', 'localhost:8000'], 'CONFIG_INVALID', 3],
    ['a way to authorise that nobody knows', ['--host-auth', 'basic'], 'CONFIG_INVALID', 3],
    ['an answers file that is not there', ['--from', 'nowhere.yaml'], 'CONFIG_NOT_FOUND', 3],
    ['an answers file that is not YAML', ['--from', 'broken.yaml'], 'CONFIG_UNREADABLE', 3],
    ['an answers file with a fault', ['--from', 'wrong.yaml'], 'CONFIG_INVALID', 3],
    ['an answers file that is a folder', ['--from', 'folder'], 'CONFIG_UNREADABLE', 3],
    ['an answers file with a target that nobody knows', ['--from', 'docker.yaml'], 'CONFIG_INVALID', 3],
    ['a flock.yaml with what belongs into an answers file', ['answered'], 'CONFIG_INVALID', 3],
    ['files of others in the way', ['taken'], 'PATH_CONFLICT', 7],
    ['a folder where a file belongs', ['folder'], 'PATH_CONFLICT', 7],
    ['a flock.yaml that is not valid', ['invalid'], 'CONFIG_INVALID', 3],
  ]

  it.each(cases)('ends with the same code in text and JSON: %s', async (_, args, code, status) => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'broken.yaml'), 'name: [\n')
      await writeFile(join(dir, 'wrong.yaml'), 'nmae: x\n')
      await writeFile(join(dir, 'docker.yaml'), 'targets: [docker]\n')
      for (const name of ['folder', 'taken', 'invalid', 'answered']) await mkdir(join(dir, name))
      await writeFile(join(dir, 'answered', 'flock.yaml'), 'name: ok\ntargets: [bare]\n')
      await mkdir(join(dir, 'folder', 'compose.yaml'))
      await writeFile(join(dir, 'taken', 'README.md'), 'mine\n')
      await writeFile(join(dir, 'invalid', 'flock.yaml'), 'name: ok\nmodels: none\n')
      const before = await readdir(dir, { recursive: true })

      const [text, json] = await Promise.all([
        runCommand(['init', ...args], { cwd: dir }),
        runCommand(['init', ...args, '--json'], { cwd: dir }),
      ])

      expect({ status: text.code, stdout: text.stdout }).toEqual({ status, stdout: '' })
      expect(text.stderr).toMatch(/^Error: .+\n/)
      expect(text.stderr).toContain(`More: flock help ${code}\n`)
      expect({ status: json.code, stderr: json.stderr }).toEqual({ status, stderr: '' })
      expect(json.json).toMatchObject({ success: false, data: null, errors: [{ level: 'error', code }] })
      await expect(readdir(dir, { recursive: true })).resolves.toEqual(before)
    })
  })

  it('names every fault of flags and answers at once', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'answers.yaml'), 'network: bse\nmodels: [{ nodes: [me] }]\nservices: {}\n')
      const args = ['init', '--from', 'answers.yaml', '--price-prompt', '-1', '--name', 'A']

      const { stderr } = await runCommand(
        [...args, '--hg-repo-id', 'u/r', '--revision', 'r', '--base-model', 'b', '--host-url', 'x'],
        { cwd: dir },
      )

      expect(stderr.split('\n')).toEqual([
        'Error: answers.yaml has 5 faults.',
        '  --name (name): "A" was found, allowed is a name in lower case, digits and dashes',
        expect.stringContaining('  --price-prompt (models[0].price.promptPerMillion): "-1" was found'),
        expect.stringContaining('  --host-url (models[0].hosts[0].baseUrl): "x" was found'),
        '  2:20 models[0].nodes[0]: "me" was found, allowed is an address: 0x and 40 hexadecimal digits, its checksum right',
        '  3:1 services: this key is unknown; did you mean "service"?',
        'Try: Mend answers.yaml at the places named and run the command again.',
        'More: flock help CONFIG_INVALID',
        '',
      ])
    })
  })

  it('writes nothing at all into a folder that cannot be written', async () => {
    const { code, json } = await runCommand(['init', '/proc/flock', '--json'], { timeoutMs: 20_000 })

    expect(code).toBe(4)
    expect(json?.errors[0]?.code).toBe('PATH_UNWRITABLE')
  })
})
