// Writes a note into Solidity wherever a test may come by: each statement, each function, both ways of each decision.
// The notes survive reverts and work in view and pure functions, as forge's `vm.writeLine` does, and need no source maps:
// what is reported is what the optimised code of the project really ran.
import solc from 'solc'

/** Each note is this long, so that suites which run at the same time cannot garble the file. */
const TOKEN_LENGTH = 6

/** Where all of this is kept, as seen from the project. */
export const folder = 'contracts/cache/coverage'

/** Where a test run leaves its notes; `helpers` have room for 32 bytes. */
export const hitsFile = `${folder}/hits`

/** The instrumented sources, for the compiler: `{ path: content }`. */
export const sourcesFile = `${folder}/sources.json`

const loops = new Set(['ForStatement', 'WhileStatement'])
const hex = (text) => `0x${Buffer.from(text).toString('hex').padEnd(64, '0')}`

// A call to the cheatcode writeLine(path, token). Forge sees it before the chain would, so static calls may make it too.
const helpers = `
function coverageNote(bytes32 token) view {
    assembly ("memory-safe") {
        let at := mload(0x40)
        mstore(at, ${hex(Buffer.from('619d897f', 'hex'))})
        mstore(add(at, 4), 0x40)
        mstore(add(at, 36), 0x80)
        mstore(add(at, 68), ${hitsFile.length})
        mstore(add(at, 100), ${hex(hitsFile)})
        mstore(add(at, 132), ${TOKEN_LENGTH})
        mstore(add(at, 164), token)
        pop(staticcall(gas(), 0x7109709ECfa91a80626fF3989D68f67F5b1DD12D, at, 196, 0, 0))
    }
}
function coverageCast(function(bytes32) view from) pure returns (function(bytes32) pure to) {
    assembly ("memory-safe") {
        to := from
    }
}
function coverageHit(bytes32 token) pure {
    coverageCast(coverageNote)(token);
}
function coverageIf(bytes32 yes, bytes32 no, bool decision) pure returns (bool) {
    coverageHit(decision ? yes : no);
    return decision;
}
`

function syntaxTrees(sources) {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(Object.entries(sources).map(([path, content]) => [path, { content }])),
    settings: { stopAfter: 'parsing', outputSelection: { '*': { '': ['ast'] } } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: () => ({ contents: '' }) }))
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
  return (path) => output.sources[path].ast
}

/**
 * Instruments Solidity sources, `{ path: content }`.
 * Returns the new sources and `points`: what there is to cover, `{ path, line, kind, name, token }`; a point is covered when
 * its token was noted.
 */
export function instrument(sources) {
  const treeOf = syntaxTrees(sources)
  const points = []
  let tokens = 0
  const newToken = () => String(tokens++).padStart(TOKEN_LENGTH, '0')

  function instrumentOne(path, content) {
    const bytes = Buffer.from(content)
    const insertions = []
    const insert = (at, text) => insertions.push({ at, text })
    const startOf = (node) => Number(node.src.split(':')[0])
    const endOf = (node) => startOf(node) + Number(node.src.split(':')[1])
    const lineOf = (node) => bytes.subarray(0, startOf(node)).toString().split('\n').length
    const addPoint = (node, kind, name, token) => points.push({ path, line: lineOf(node), kind, name, token })
    const hit = (token) => `coverageHit("${token}");`

    /** Notes which way a condition goes. */
    function decide(condition) {
      const ways = [newToken(), newToken()]
      insert(startOf(condition), `coverageIf("${ways[0]}", "${ways[1]}", `)
      insert(endOf(condition), ')')
      return ways
    }

    function branch(node) {
      const ways = decide(node.condition)
      addPoint(node, 'branch', 'true', ways[0])
      addPoint(node, 'branch', 'false', ways[1])
      return ways
    }

    /** What a decision leads to: a block with statements of its own, or one statement that needs no note besides the decision's. */
    function body(node, token) {
      if (node.nodeType === 'Block') visit(node)
      else if (token === undefined)
        throw new Error(`${path}:${lineOf(node)}: the body of this loop needs braces`)
      else statement(node, token)
    }

    function statement(node, decided) {
      if (node.nodeType === 'Block' || node.nodeType === 'UncheckedBlock') return visit(node)
      const token = decided ?? newToken()
      addPoint(node, 'statement', node.nodeType, token)
      if (decided === undefined) insert(startOf(node), hit(token))
      visit(node)
    }

    function visit(node) {
      if (Array.isArray(node)) return node.forEach(visit)
      if (node === null || typeof node !== 'object') return
      const { nodeType } = node
      if (nodeType === 'InlineAssembly') return
      if (nodeType === 'Block' || nodeType === 'UncheckedBlock')
        return node.statements.forEach((one) => statement(one))
      if (nodeType === 'FunctionDefinition' || nodeType === 'ModifierDefinition') {
        if (!node.body) return
        const token = newToken()
        addPoint(node, 'function', node.name || node.kind, token)
        insert(startOf(node.body) + 1, hit(token))
        return visit(node.body)
      }
      if (nodeType === 'IfStatement') {
        const [yes, no] = branch(node)
        visit(node.condition)
        body(node.trueBody, yes)
        if (node.falseBody) body(node.falseBody, no)
        return
      }
      if (nodeType === 'Conditional') {
        branch(node)
        return visit([node.condition, node.trueExpression, node.falseExpression])
      }
      if (nodeType === 'TryStatement') {
        visit(node.externalCall)
        for (const { block, errorName } of node.clauses) {
          const token = newToken()
          addPoint(
            block,
            'branch',
            block === node.clauses[0].block ? 'success' : `catch ${errorName}`.trim(),
            token,
          )
          insert(startOf(block) + 1, hit(token))
          visit(block)
        }
        return
      }
      if (loops.has(nodeType) || nodeType === 'DoWhileStatement') {
        const [again] = loops.has(nodeType) && node.condition ? decide(node.condition) : []
        visit([node.condition ?? null, node.initializationExpression ?? null, node.loopExpression ?? null])
        return body(node.body, again)
      }
      // Nothing outside a function runs by itself, so constants stay the literals they are.
      if (nodeType === 'VariableDeclaration') return
      Object.values(node).forEach(visit)
    }

    visit(treeOf(path))
    const pieces = []
    let done = 0
    // Sorting is stable: of two insertions at one place, the outer one comes first.
    for (const { at, text } of insertions.sort((one, other) => one.at - other.at)) {
      pieces.push(bytes.subarray(done, at), Buffer.from(text))
      done = at
    }
    if (insertions.length === 0) return content
    return Buffer.concat([...pieces, bytes.subarray(done), Buffer.from(helpers)]).toString()
  }

  const instrumented = Object.fromEntries(
    Object.entries(sources).map(([path, content]) => [path, instrumentOne(path, content)]),
  )
  return { sources: instrumented, points }
}

/** The tokens in what a run has noted. */
export function readHits(text) {
  return new Set(text.replaceAll('\n', '').match(new RegExp(`.{${TOKEN_LENGTH}}`, 'g')))
}
