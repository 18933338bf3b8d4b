import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Flags } from '../lib/cli/flags.js'
import { FlockCommand } from '../lib/cli/flock-command.js'
import { storyLines, storyResultLines } from '../lib/cli/views/quickstart.js'
import { devnetAccounts } from '../lib/devnet/accounts.js'
import { createCommandRunner } from '../lib/devnet/command-runner.js'
import { tellStory } from '../lib/devnet/story.js'
import type { StoryResult } from '../lib/devnet/story-events.js'

export default class QuickstartCommand extends FlockCommand<StoryResult> {
  static override summary = 'The whole story on a local chain: from an empty folder to claimed rewards.'
  static override description =
    'Runs the commands that you would type, each in a process of its own, and stops everything at the end. ' +
    'Needs no key and no network. The project is left in --dir when that is given.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --dir my-first-host',
    '<%= config.bin %> <%= command.id %> --json',
  ]
  static override flags = {
    dir: Flags.string({
      summary: 'Folder for the project, kept afterwards; by default a temporary one.',
      helpValue: '<dir>',
    }),
  }
  /** The chain and three servers stop one after the other. */
  static override cleanUpMs = 20_000

  async run(): Promise<StoryResult> {
    const { flags } = await this.parse(QuickstartCommand)
    const folder = flags.dir === undefined ? await mkdtemp(join(tmpdir(), 'flock-')) : resolve(flags.dir)
    await mkdir(folder, { recursive: true })
    const entry = join(this.config.root, 'bin', 'run.js')
    const program = [process.execPath, entry] as const
    const runner = createCommandRunner({ program, cwd: folder, env: process.env, signal: this.signal })
    try {
      const result = await this.#tell(tellStory({ runner, accounts: devnetAccounts(), folder }))
      this.note('')
      this.show(storyResultLines(result))
      return result
    } finally {
      await runner.close()
      if (flags.dir === undefined) await rm(folder, { recursive: true, force: true })
    }
  }

  async #tell(story: ReturnType<typeof tellStory>): Promise<StoryResult> {
    let number = 0
    for (;;) {
      const told = await story.next()
      if (told.done === true) return told.value
      if (told.value.type === 'step') number += 1
      for (const line of storyLines(told.value, number)) this.note(line)
    }
  }
}
