import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const src = join(root, 'src')

/** Room -> rooms that it may import. Files directly in src/lib are open to all. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  abi: [],
  infernet: [],
  config: [],
  store: [],
  chain: ['abi'],
  models: ['chain', 'abi'],
  rewards: ['chain', 'abi', 'store'],
  usage: [],
  router: [],
  scaffold: ['config', 'infernet'],
  deploy: ['config', 'chain', 'abi'],
  indexer: ['chain', 'abi', 'store'],
  service: ['infernet', 'router', 'usage', 'models'],
  node: ['infernet', 'chain', 'abi', 'store'],
  // The devnet deploys the Infernet set, which no other room does: it needs the bytecode.
  devnet: ['abi', 'config', 'chain', 'models', 'deploy', 'service', 'node'],
  cli: ['config'],
}

/** Package -> rooms that may name it. */
const PACKAGE_HOMES: readonly { readonly name: RegExp; readonly rooms: readonly string[] }[] = [
  { name: /^@oclif\//, rooms: ['cli', 'commands'] },
  { name: /^@inquirer\//, rooms: ['cli'] },
  { name: /^(?:chalk|ora)$/, rooms: ['cli'] },
  { name: /^yaml$/, rooms: ['config'] },
  { name: /^undici$/, rooms: ['router', 'chain'] },
  { name: /^prom-client$/, rooms: ['service', 'node'] },
  { name: /^dockerode$/, rooms: ['node'] },
  { name: /^tiny-secp256k1$/, rooms: ['usage'] },
  { name: /^hash-wasm$/, rooms: ['lib'] },
  { name: /^(?:gpt-tokenizer|@huggingface\/tokenizers)$/, rooms: ['service'] },
  { name: /^ethers(?:\/(?:providers|contract))?$/, rooms: ['chain'] },
]

/** Files of src/lib, besides the cli room, that may read the environment. */
const READS_ENVIRONMENT = ['lib/config/load.ts', 'lib/config/secrets.ts']

interface Import {
  readonly target: string
  readonly isTypeOnly: boolean
}

interface SourceFile {
  /** Inside src, with forward slashes. */
  readonly path: string
  readonly room: string
  readonly imports: readonly Import[]
  readonly tree: ts.SourceFile
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return listFiles(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

function parse(file: string): SourceFile {
  const path = relative(src, file).split(sep).join(posix.sep)
  const tree = ts.createSourceFile(path, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true)
  return { path, room: roomOf(path), imports: importsOf(tree), tree }
}

/** `commands`, a room of src/lib, or `lib` for files directly in it. */
function roomOf(path: string): string {
  const [top = '', room = ''] = path.split('/')
  if (top === 'commands') return 'commands'
  return room.endsWith('.ts') ? 'lib' : room
}

function importsOf(tree: ts.SourceFile): Import[] {
  const found: Import[] = []
  const visit = (node: ts.Node) => {
    if (ts.isImportDeclaration(node))
      found.push({ target: textOf(node.moduleSpecifier), isTypeOnly: isTypeOnly(node) })
    if (ts.isExportDeclaration(node) && node.moduleSpecifier)
      found.push({ target: textOf(node.moduleSpecifier), isTypeOnly: node.isTypeOnly })
    if (
      ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      node.arguments[0]
    )
      found.push({ target: textOf(node.arguments[0]), isTypeOnly: false })
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

function isTypeOnly({ importClause }: ts.ImportDeclaration): boolean {
  if (!importClause) return false
  if (importClause.isTypeOnly) return true
  const { name, namedBindings } = importClause
  if (name || !namedBindings || !ts.isNamedImports(namedBindings)) return false
  return namedBindings.elements.length > 0 && namedBindings.elements.every((element) => element.isTypeOnly)
}

function textOf(node: ts.Node): string {
  return ts.isStringLiteralLike(node) ? node.text : ''
}

/** The path inside src that a relative import leads to. */
function resolveImport(from: string, target: string): string {
  return posix.normalize(posix.join(dirname(from), target)).replace(/\.js$/, '.ts')
}

const files = listFiles(src).map(parse)

/** Every node of every file that `is` finds, as `path:line`. */
function places(
  is: (node: ts.Node, file: SourceFile) => boolean,
  among: readonly SourceFile[] = files,
): string[] {
  return among.flatMap((file) => {
    const found: string[] = []
    const visit = (node: ts.Node) => {
      if (is(node, file)) {
        const { line } = file.tree.getLineAndCharacterOfPosition(node.getStart())
        found.push(`${file.path}:${line + 1} ${node.getText().slice(0, 60)}`)
      }
      ts.forEachChild(node, visit)
    }
    visit(file.tree)
    return found
  })
}

function isProperty(node: ts.Node, object: string, name?: string): boolean {
  return (
    ts.isPropertyAccessExpression(node) &&
    node.expression.getText() === object &&
    (name === undefined || node.name.text === name)
  )
}

const library = files.filter(({ path }) => path.startsWith('lib/'))
const withoutTerminal = library.filter(({ room }) => room !== 'cli')

describe('the rooms of src', () => {
  it('are all known to this test', () => {
    const rooms = new Set(files.map(({ room }) => room))

    expect([...rooms].filter((room) => !(room in ROOMS) && room !== 'lib' && room !== 'commands')).toEqual([])
  })

  it('import from lower ranks only', () => {
    const faults = files.flatMap(({ path, room, imports }) =>
      imports
        .filter(({ target }) => target.startsWith('.'))
        .map((item) => ({ ...item, to: roomOf(resolveImport(path, item.target)) }))
        .filter(({ to, isTypeOnly }) => {
          if (to === room || to === 'lib') return false
          if (room === 'commands') return false
          if (room === 'cli' && to !== 'commands' && isTypeOnly) return false
          return !(ROOMS[room] ?? []).includes(to)
        })
        .map(({ target }) => `${path} imports ${target}`),
    )

    expect(faults).toEqual([])
  })

  it('leave commands alone: no file imports a command', () => {
    const faults = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target.startsWith('.') && roomOf(resolveImport(path, target)) === 'commands')
        .map(({ target }) => `${path} imports ${target}`),
    )

    expect(faults).toEqual([])
  })

  it('keep packages in their homes', () => {
    const faults = files.flatMap(({ path, room, imports }) =>
      imports
        .filter(({ target }) =>
          PACKAGE_HOMES.some(({ name, rooms }) => name.test(target) && !rooms.includes(room)),
        )
        .map(({ target }) => `${path} imports ${target}`),
    )

    expect(faults).toEqual([])
  })

  it('import packages of package.json only', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    const packageOf = (target: string) =>
      target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/')
    const faults = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target !== '' && !/^(?:\.|node:)/.test(target))
        .filter(({ target }) => !(packageOf(target) in dependencies))
        .map(({ target }) => `${path} imports ${target}`),
    )

    expect(faults).toEqual([])
  })

  it('have no cycle among the files that all may use', () => {
    const shared = files.filter(({ room }) => room === 'lib')
    const reachable = (path: string, seen: Set<string>): Set<string> => {
      const file = shared.find((item) => item.path === path)
      for (const { target } of file?.imports ?? []) {
        const next = target.startsWith('.') ? resolveImport(path, target) : ''
        if (next === '' || seen.has(next)) continue
        seen.add(next)
        reachable(next, seen)
      }
      return seen
    }

    expect(shared.filter(({ path }) => reachable(path, new Set()).has(path)).map(({ path }) => path)).toEqual(
      [],
    )
  })
})

describe('files of src/lib', () => {
  it('leave the environment to config and the terminal', () => {
    const found = places(
      (node) => isProperty(node, 'process', 'env') || isProperty(node, 'process', 'exit'),
      withoutTerminal.filter(({ path }) => !READS_ENVIRONMENT.includes(path)),
    )

    expect(found).toEqual([])
  })

  it('do not print', () => {
    expect(places((node) => isProperty(node, 'console'), library)).toEqual([])
    expect(
      places(
        (node) => isProperty(node, 'process', 'stdout') || isProperty(node, 'process', 'stderr'),
        withoutTerminal,
      ),
    ).toEqual([])
  })

  it('take the time as an argument', () => {
    const isClock = (node: ts.Node) =>
      isProperty(node, 'Date', 'now') ||
      isProperty(node, 'performance', 'now') ||
      (ts.isNewExpression(node) &&
        node.expression.getText() === 'Date' &&
        (node.arguments?.length ?? 0) === 0)

    expect(places(isClock, withoutTerminal)).toEqual([])
  })

  it('have no default export', () => {
    const isDefault = (node: ts.Node) =>
      ts.isExportAssignment(node) ||
      (ts.canHaveModifiers(node) &&
        (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword))

    expect(places(isDefault, library)).toEqual([])
  })

  it('do nothing when they are imported, and keep no state', () => {
    const isEffect = (node: ts.Node) => ts.isExpressionStatement(node) && ts.isSourceFile(node.parent)
    const isState = (node: ts.Node) =>
      ts.isVariableStatement(node) &&
      ts.isSourceFile(node.parent) &&
      (node.declarationList.flags & ts.NodeFlags.Const) === 0

    expect(places((node) => isEffect(node) || isState(node), files)).toEqual([])
  })

  it('are no lists of re-exports', () => {
    expect(library.filter(({ path }) => path.endsWith('/index.ts')).map(({ path }) => path)).toEqual([])
  })
})

describe('commands', () => {
  it('export one class each', () => {
    const commands = files.filter(({ room }) => room === 'commands')
    const faults = commands.filter(
      ({ tree }) =>
        tree.statements.filter(
          (node) =>
            ts.isClassDeclaration(node) &&
            (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword),
        ).length !== 1,
    )

    expect(faults.map(({ path }) => path)).toEqual([])
  })

  it('fit on two screens', () => {
    const LONGEST = 150
    const long = files.filter(
      ({ room, tree }) => room === 'commands' && tree.getLineStarts().length > LONGEST + 1,
    )

    expect(long.map(({ path }) => path)).toEqual([])
  })
})
