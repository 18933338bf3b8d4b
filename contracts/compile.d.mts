export interface CompiledContract {
  /** Source unit, as seen from the project. */
  readonly path: string
  readonly abi: readonly { readonly type: string; readonly name?: string }[]
  readonly bytecode: `0x${string}`
  readonly runtimeBytes: number
  readonly initBytes: number
}

/** @param units a name of ours -> `path` or `path:Contract`, paths as seen from the project */
export function compile(units: Readonly<Record<string, string>>): Record<string, CompiledContract>
