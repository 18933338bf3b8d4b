import type { ArgInput, Input } from '@oclif/core/interfaces'

export type Values = Record<string, unknown>

/** oclif would read a missing argument from stdin; here stdin is data, never an argument. */
export function withArgsFromArgvOnly<F extends Values, B extends Values, A extends Values>(
  input: Input<F, B, A>,
): Input<F, B, A> {
  const args = Object.entries(input.args ?? {}).map(([name, arg]) => [
    name,
    { ...(arg as object), ignoreStdin: true },
  ])
  return {
    ...(input.flags === undefined ? {} : { flags: input.flags }),
    ...(input.baseFlags === undefined ? {} : { baseFlags: input.baseFlags }),
    args: Object.fromEntries(args) as ArgInput<A>,
    strict: input.strict,
    constraints: input.constraints,
    enableJsonFlag: false,
  }
}
