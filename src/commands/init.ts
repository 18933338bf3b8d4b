import { basename, join, resolve } from 'node:path'
import { Args } from '../lib/cli/flags.js'
import { FlockCommand } from '../lib/cli/flock-command.js'
import { initFlags } from '../lib/cli/init-flags.js'
import { missingInputError } from '../lib/cli/oclif-errors.js'
import { shellLine } from '../lib/cli/shell.js'
import { initLines } from '../lib/cli/views/init.js'
import type { InitView } from '../lib/cli/views/init.js'
import { parseConfig, readDraft } from '../lib/config/document.js'
import type { Override } from '../lib/config/document.js'
import { chooseNetwork } from '../lib/config/networks.js'
import {
  answerFault,
  completeDraft,
  contextOf,
  missingAnswers,
  projectName,
} from '../lib/scaffold/answers.js'
import { answersAsWords, flagAnswers } from '../lib/scaffold/flag-answers.js'
import { openProject, planFiles } from '../lib/scaffold/project.js'
import type { ProjectSource } from '../lib/scaffold/project.js'
import { QUESTIONS } from '../lib/scaffold/questions.js'
import type { Question } from '../lib/scaffold/questions.js'
import { compareFiles, refuseConflicts, writeFiles } from '../lib/scaffold/write.js'
import type { FileChange, WriteResult } from '../lib/scaffold/write.js'

interface InitOptions {
  readonly dryRun: boolean
  readonly force: boolean
}

export default class InitCommand extends FlockCommand<InitView> {
  static override summary = 'Write the files of a model host project.'
  static override description =
    'Asks what it has to know, or takes it from flags and an answers file, and writes flock.yaml, the configuration ' +
    'of the Infernet node, a compose file, a starter consumer contract and what goes with them. No file holds a ' +
    'secret. In an existing project it keeps flock.yaml and writes what is missing.'
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
      description: 'See what would be written',
      command: '<%= config.bin %> <%= command.id %> --from answers.yaml --dry-run',
    },
  ]
  static override args = { dir: Args.string({ description: 'Folder of the project.', default: '.' }) }
  static override flags = initFlags

  async run() {
    const { args, flags } = await this.parse(InitCommand)
    const dir = resolve(args.dir)
    const source = await openProject(dir, flags.from)
    const given = flagAnswers({ ...flags, network: presetName(flags.network) })
    const folder = projectName(basename(dir))
    const asked = await this.#ask(source, given, folder)
    const config = parseConfig(source.text, {
      file: source.file,
      overrides: [...given, ...asked],
      complete: (draft) => completeDraft(draft, folder),
    })
    const templatesDir = join(this.config.root, 'templates')
    const files = await planFiles(config, { source, templatesDir, version: this.config.version })
    const options = { dryRun: flags['dry-run'], force: flags.force }
    const changes = await compareFiles(dir, files)
    const written = await write(dir, changes, options)
    const view = { dir, dryRun: options.dryRun, ...written, files: changes.map(stateOf) }
    this.show(initLines(view))
    if (asked.length > 0) {
      const words = ['flock', 'init', args.dir, ...(flags.from === undefined ? [] : ['--from', flags.from])]
      this.note(
        `The same without questions: ${shellLine([...words, ...answersAsWords([...given, ...asked])])}`,
      )
    }
    if (flags['rpc-url'] !== undefined)
      this.note('The RPC URL is not written, since it may hold a key: set FLOCK_RPC_URL in .env.')
    if (written.changed) this.note(`Next: read ${join(args.dir, 'README.md')}`)
    return view
  }

  /** Asks what flags and files leave open. @throws INPUT_MISSING with all that is needed, where nobody can be asked */
  async #ask(source: ProjectSource, given: readonly Override[], folder: string): Promise<Override[]> {
    const asked: Override[] = []
    const draft = () => readDraft(source.text, { file: source.file, overrides: [...given, ...asked] })
    const canAsk = this.prompter().canAsk && this.globals.yes !== true
    if (!canAsk) {
      const missing = missingAnswers(draft(), folder).map(({ flag }) => ({ name: `--${flag}` }))
      if (missing.length > 0) throw missingInputError(missing, this.typed)
      return []
    }
    for (const question of QUESTIONS) {
      const context = contextOf(draft(), folder)
      if (context.answer(question.path) !== undefined || question.isAsked?.(context) === false) continue
      const value = await this.#askOne(question, draft(), folder)
      asked.push({ path: question.path, value, source: `--${question.flag}` })
    }
    return asked
  }

  async #askOne(question: Question, draft: unknown, folder: string): Promise<string> {
    const { message, choices, path } = question
    const preset = question.preset(contextOf(draft, folder))
    const withPreset = preset === undefined ? {} : { default: preset }
    if (choices !== undefined)
      return this.prompter().select({
        message,
        choices: choices.map((value) => ({ value, name: value })),
        ...withPreset,
      })
    const validate = (answer: string) => answerFault(draft, path, answer, folder) ?? true
    return this.prompter().text({ message, validate, ...withPreset })
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

/** Projects name networks; a chain id is looked up among the presets. */
function presetName(network: string | undefined): string | undefined {
  return network !== undefined && /^\d+$/.test(network)
    ? chooseNetwork(null, { network, rpcUrl: null }).name
    : network
}
