import { join } from 'node:path'
import { Flags, portFlag } from '../../lib/cli/flags.js'
import { FlockCommand } from '../../lib/cli/flock-command.js'
import { createDemoHost } from '../../lib/devnet/demo-host.js'

interface DemoHostJson {
  readonly baseUrl: string
  readonly port: number
  readonly model: string
  readonly vocabularySize: number
}

export default class DevnetDemoHostCommand extends FlockCommand<DemoHostJson> {
  static override summary = 'Run a small OpenAI-compatible model server for trials.'
  static override description = [
    'It learns a short text when it starts (word sequences, no download) and answers chat completions from it, streamed',
    'or whole, with true token counts. Runs until Ctrl-C or SIGTERM.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> --port 8000',
    '<%= config.bin %> <%= command.id %> --port 0 --model my-model --corpus notes.txt --json',
  ]
  static override flags = {
    port: portFlag({
      summary: 'Port to listen on; 0 takes a free one.',
      env: 'FLOCK_DEMO_HOST_PORT',
      default: 8000,
    }),
    host: Flags.string({
      summary: 'Address to listen on.',
      helpValue: '<address>',
      env: 'FLOCK_DEMO_HOST_HOST',
      default: '127.0.0.1',
    }),
    model: Flags.string({
      summary: 'Name that the model answers to.',
      helpValue: '<name>',
      env: 'FLOCK_DEMO_HOST_MODEL',
      default: 'flock-demo',
    }),
    corpus: Flags.string({
      summary: 'Text to learn from instead of the one that ships with flock.',
      helpValue: '<file>',
      env: 'FLOCK_DEMO_HOST_CORPUS',
    }),
  }

  async run(): Promise<DemoHostJson> {
    const { flags } = await this.parse(DevnetDemoHostCommand)
    const server = await createDemoHost({
      host: flags.host,
      port: flags.port,
      model: flags.model,
      corpusPath: flags.corpus ?? join(this.config.root, 'templates', 'demo-host', 'corpus.txt'),
      nowSec: () => Math.floor(Date.now() / 1000),
      signal: this.signal,
    })
    const { baseUrl, port, vocabularySize } = server
    const result = { baseUrl, port, model: flags.model, vocabularySize }
    this.announce(result, [baseUrl])
    this.note(`The model ${flags.model} knows ${vocabularySize} words. Press Ctrl-C to stop.`)
    await server.closed
    return result
  }
}
