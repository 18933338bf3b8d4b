import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StatefulSet } from 'kubernetes-types/apps/v1.js'
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.js'
import type { ConfigMap, Secret, Service } from 'kubernetes-types/core/v1.js'
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.js'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js'
import ts from 'typescript'
import { parseAllDocuments } from 'yaml'

/** Something that a cluster takes. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [key: string]: unknown
}

/** A manifest with all parts that its kind can have, for tests of what was rendered and held against the schema. */
export type Given<T> = T extends readonly (infer Item)[]
  ? Given<Item>[]
  : T extends object
    ? { [Key in keyof T]-?: Given<NonNullable<T[Key]>> }
    : T

/** The manifests that tests look into. */
export interface Kinds {
  readonly ConfigMap: Given<ConfigMap>
  readonly HorizontalPodAutoscaler: Given<HorizontalPodAutoscaler>
  readonly NetworkPolicy: Given<NetworkPolicy>
  readonly PodDisruptionBudget: Given<PodDisruptionBudget>
  readonly Secret: Given<Secret>
  readonly Service: Given<Service>
  readonly StatefulSet: Given<StatefulSet>
}

/** The only manifest of a kind, or of a kind and name. */
export function manifestOf<Kind extends keyof Kinds>(
  manifests: readonly Manifest[],
  kind: Kind,
  name?: string,
): Kinds[Kind] {
  const found = manifests.filter(
    (item) => item.kind === kind && (name === undefined || name === item.metadata.name),
  )
  if (found.length !== 1) throw new Error(`${found.length} of ${kind} ${name ?? ''}`)
  return found[0] as unknown as Kinds[Kind]
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where the schema of a version of the API is. */
const MODULES: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'autoscaling/v2': 'autoscaling/v2',
  'policy/v1': 'policy/v1',
  'networking.k8s.io/v1': 'networking/v1',
}

/** The documents of a YAML file. @throws when it is not YAML, or says a key twice */
export function readManifests(text: string): Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true }).map((document) => {
    if (document.errors[0]) throw document.errors[0]
    return document.toJS() as Manifest
  })
}

/**
 * What the schema of Kubernetes has against manifests: unknown and missing keys, values of a wrong type. The schema is the
 * published OpenAPI one in the form of types, and the compiler holds the manifests, as literals, against it.
 */
export function schemaFaults(manifests: readonly Manifest[]): string[] {
  const lines = manifests.map((manifest, index) => {
    const from = MODULES[manifest.apiVersion]
    if (from === undefined) throw new Error(`no schema for ${manifest.apiVersion}`)
    const type = `import('kubernetes-types/${from}').${manifest.kind}`
    return `export const manifest${index}: ${type} = ${JSON.stringify(manifest)}`
  })
  const path = join(root, 'test', 'manifests.virtual.ts')
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es5.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  }
  const host = ts.createCompilerHost(options)
  const source = ts.createSourceFile(path, lines.join('\n'), ts.ScriptTarget.ES2022)
  const program = ts.createProgram([path], options, {
    ...host,
    fileExists: (name) => name === path || host.fileExists(name),
    readFile: (name) => (name === path ? source.text : host.readFile(name)),
    getSourceFile: (name, target) => (name === path ? source : host.getSourceFile(name, target)),
    getCurrentDirectory: () => dirname(path),
  })
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))
}
