import { basename, join, resolve } from 'node:path'
import { Args, Flags } from '../lib/cli/flags.js'
import { FlockCommand } from '../lib/cli/flock-command.js'
import { initFlags } from '../lib/cli/init-flags.js'
import { missingInputError } from '../lib/cli/oclif-errors.js'
import { shellLine } from '../lib/cli/shell.js'
import { initLines } from '../lib/cli/views/init.js'
import type { InitView } from '../lib/cli/views/init.js'
import { parseConfig, readDraft } from '../lib/config/document.js'
import type { Override } from '../lib/config/document.js'
import { completeDraft, missingAnswers, projectName } from '../lib/scaffold/answers.js'
import { askAnswers, askTarget } from '../lib/scaffold/ask.js'
import type { Ask } from '../lib/scaffold/ask.js'
import { answersAsWords, flagAnswers } from '../lib/scaffold/flag-answers.js'
import { openProject, planFiles } from '../lib/scaffold/project.js'
import type { ProjectSource } from '../lib/scaffold/project.js'
import { DEFAULT_TARGET, TARGETS, withoutTargets } from '../lib/scaffold/targets.js'
import type { Target } from '../lib/scaffold/targets.js'
import { compareFiles, refuseConflicts, writeFiles } from '../lib/scaffold/write.js'
import type { FileChange, WriteResult } from '../lib/scaffold/write.js'

interface InitOptions {
  readonly dryRun: boolean
  readonly force: boolean
}

interface InitFlags {
  readonly target?: readonly Target[] | undefined
}

interface InitAnswers {
  readonly targets: readonly Target[]
  readonly given: readonly Override[]
  readonly asked: readonly Override[]
  readonly isAsked: boolean
}

export default class InitCommand extends FlockCommand<InitView> {
  static override summary = 'Write the files of a model host project.'
  static override description =
    'Asks what it has to know, or takes it from flags and an answers file, and writes flock.yaml, the configuration ' +
    'of the Infernet node, files to run the service with, a starter consumer contract and what goes with them. No ' +
    'file holds a secret. In an existing project it keeps flock.yaml and writes what is missing.'
  static override examples = [
    { description: 'Answer questions', command: '<%= config.bin %> <%= command.id %> my-host' },
    {
      description: 'A project for the local devnet, without questions',
      command: '<%= config.bin %> <%= command.id %> my-host --no-input',
    },
    {
      description: 'A model that FLock hosts, on Base Sepolia',
      command:
        '<%= config.bin %> <%= command.id %> my-host --network base-sepolia --hg-repo-id flock-io/assistant ' +
        '--revision 4f2c1e --base-model Qwen2.5-7B --host-url https://api.flock.io/v1',
    },
    {
      description: 'A service for a cluster, and a unit for a machine of its own',
      command: '<%= config.bin %> <%= command.id %> my-host --target kubernetes --target systemd',
    },
    {
      description: 'See what would be written',
      command: '<%= config.bin %> <%= command.id %> --from answers.yaml --dry-run',
    },
  ]
  static override args = { dir: Args.string({ description: 'Folder of the project.', default: '.' }) }
  static override flags = {
    ...initFlags,
    target: Flags.option({
      summary:
        'What the service is run with, repeatable; by default compose, or what the project has files for.',
      options: TARGETS,
      multiple: true,
      multipleNonGreedy: true,
    })(),
  }

  async run() {
    const { args, flags } = await this.parse(InitCommand)
    const dir = resolve(args.dir)
    const source = await openProject(dir, flags.from)
    const folder = projectName(basename(dir))
    const { targets, given, asked, isAsked } = await this.#answers(source, flags, folder)
    const config = parseConfig(source.text, {
      file: source.file,
      overrides: [...given, ...asked],
      complete: (draft) => completeDraft(flags.from === undefined ? draft : withoutTargets(draft), folder),
    })
    const templatesDir = join(this.config.root, 'templates')
    const files = await planFiles(config, { source, targets, templatesDir, version: this.config.version })
    const options = { dryRun: flags['dry-run'], force: flags.force }
    const changes = await compareFiles(dir, files)
    const written = await write(dir, changes, options)
    const view = { dir, dryRun: options.dryRun, ...written, files: changes.map(stateOf) }
    this.show(initLines(view))
    if (isAsked) {
      const from = flags.from === undefined ? [] : ['--from', flags.from]
      const words = [...from, ...targets.flatMap((target) => ['--target', target])]
      const line = shellLine(['flock', 'init', args.dir, ...words, ...answersAsWords([...given, ...asked])])
      this.note(`The same without questions: ${line}`)
    }
    if (flags['rpc-url'] !== undefined)
      this.note('The RPC URL is not written, since it may hold a key: set FLOCK_RPC_URL in .env.')
    if (written.changed) this.note(`Next: read ${join(args.dir, 'README.md')}`)
    return view
  }

  /** What flags and files say, and what is asked beyond. @throws INPUT_MISSING with all that is needed */
  async #answers(source: ProjectSource, flags: InitFlags, folder: string): Promise<InitAnswers> {
    const given = flagAnswers({ ...flags })
    const known = flags.target ?? source.targets
    const draftWith = (asked: readonly Override[]) =>
      readDraft(source.text, { file: source.file, overrides: [...given, ...asked] })
    const ask = this.#ask()
    if (ask === null) {
      const missing = missingAnswers(draftWith([]), folder).map(({ flag }) => ({ name: `--${flag}` }))
      if (missing.length > 0) throw missingInputError(missing, this.typed)
      return { targets: known ?? [DEFAULT_TARGET], given, asked: [], isAsked: false }
    }
    const asked = await askAnswers(draftWith, { folder, ask })
    const targets = known ?? [await askTarget(ask)]
    return { targets, given, asked, isAsked: known === null || asked.length > 0 }
  }

  /** Null where nobody can be asked. */
  #ask(): Ask | null {
    const prompter = this.prompter()
    if (!prompter.canAsk || this.globals.yes === true) return null
    return ({ choices, ...question }) =>
      choices === undefined
        ? prompter.text(question)
        : prompter.select({ ...question, choices: choices.map((value) => ({ value, name: value })) })
  }
}

async function write(
  dir: string,
  changes: readonly FileChange[],
  { dryRun, force }: InitOptions,
): Promise<WriteResult> {
  if (dryRun) return { changed: false, backups: [] }
  if (!force) refuseConflicts(changes)
  return writeFiles(dir, changes, { stamp: new Date().toISOString().replace(/[:.]/g, '-') })
}

function stateOf({ path, state }: FileChange): InitView['files'][number] {
  return { path, state }
}
