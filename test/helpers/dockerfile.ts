import { DockerfileParser, PropertyInstruction } from 'dockerfile-ast'
import type { Instruction } from 'dockerfile-ast'

/** What a Dockerfile of one stage says. */
export interface Dockerfile {
  /** What stands after the last instruction of that name. */
  last(keyword: string): string
  /** Names and values that all instructions of that name set. */
  properties(keyword: string): Readonly<Record<string, string>>
  /** The command of the last instruction of that name, which has to be in exec form: `["program", "argument"]`. */
  command(keyword: string): readonly string[]
  readonly keywords: readonly string[]
  readonly all: readonly Instruction[]
}

export function parseDockerfile(text: string): Dockerfile {
  const all = DockerfileParser.parse(text).getInstructions()
  const named = (keyword: string) => all.filter((item) => item.getKeyword() === keyword)
  const last = (keyword: string) => named(keyword).at(-1)?.getRawArgumentsContent() ?? ''
  return {
    all,
    last,
    keywords: all.map((item) => item.getKeyword()),
    properties: (keyword) =>
      Object.fromEntries(
        named(keyword)
          .filter((item) => item instanceof PropertyInstruction)
          .flatMap((item) => item.getProperties())
          .map((item) => [item.getName(), item.getValue() ?? '']),
      ),
    command: (keyword) => JSON.parse(last(keyword).replace(/^CMD /, '')) as string[],
  }
}
