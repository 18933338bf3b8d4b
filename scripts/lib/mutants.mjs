// Makes mutants of Solidity sources, by the compiler's own syntax tree. All of them stand in one text, each behind a test of its
// number (mutant schemata), so that one compilation serves every run.
import { posix } from 'node:path'

/** @typedef {{ nodeType: string, src: string, id: number, [key: string]: any }} Node */

/**
 * One change of a source. `original` and `mutated` are what people read.
 * @typedef {{ id: number, file: string, line: number, lineText: string, scope: string, operator: string, original: string,
 *   mutated: string }} Mutant
 */

const arithmetic = { '+': '-', '-': '+', '*': '/', '/': '*', '%': '/', '**': '*' }
const bitwise = { '&': '|', '|': '&', '^': '|', '<<': '>>', '>>': '<<' }
const inverse = { '<': '>=', '>=': '<', '>': '<=', '<=': '>', '==': '!=', '!=': '==' }
const nearby = {
  '<': ['<=', '!='],
  '>': ['>=', '!='],
  '<=': ['<', '=='],
  '>=': ['>', '=='],
  '==': ['>=', '<='],
  '!=': ['>', '<'],
}
const assigning = {
  '+=': '-=',
  '-=': '+=',
  '*=': '/=',
  '/=': '*=',
  '%=': '/=',
  '|=': '&=',
  '&=': '|=',
  '^=': '|=',
  '<<=': '>>=',
  '>>=': '<<=',
}

const integerType = /^u?int\d+$/
const valueType =
  /^t_(?:u?int\d+|bool|address|address_payable|bytes(?:[1-9]|[12]\d|3[0-2])|(?:enum|contract|userDefinedValueType)\$.*)$/
const literalType = /^t_(?:rational|stringliteral)_/

const typeOf = (node) => node.typeDescriptions?.typeString ?? ''
const isValue = (node) => valueType.test(node.typeDescriptions?.typeIdentifier ?? '')
const isInteger = (node) => integerType.test(typeOf(node))
const isLiteral = (node) => literalType.test(node.typeDescriptions?.typeIdentifier ?? '')
const isComparison = (node) => node.nodeType === 'BinaryOperation' && node.operator in inverse
const isZero = (node) => typeOf(node) === 'int_const 0'
const isCallOf = (node, names) => node.nodeType === 'FunctionCall' && names.includes(node.expression.name)

/** The one statement that a branch consists of, if it does. */
function onlyStatement(branch) {
  if (branch.nodeType !== 'Block') return branch
  return branch.statements.length === 1 ? branch.statements[0] : undefined
}

function children(node) {
  const found = []
  for (const [key, value] of Object.entries(node)) {
    if (key === 'typeName' || key === 'documentation' || key === 'overrides') continue
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child === 'object' && typeof child.nodeType === 'string') found.push(child)
    }
  }
  return found
}

/** The nodes of all syntax trees and their parents, by id. */
function indexOf(trees) {
  const byId = new Map()
  const parents = new Map()
  const visit = (node, parent) => {
    byId.set(node.id, node)
    parents.set(node.id, parent)
    for (const child of children(node)) visit(child, node)
  }
  for (const { ast } of trees.values()) visit(ast)
  return { byId, parents }
}

class FileMutator {
  /**
   * @param {string} file
   * @param {{ ast: Node, text: Buffer }} tree
   * @param {{ byId: Map<number, Node>, parents: Map<number, Node | undefined> }} nodes
   */
  constructor(file, { ast, text }, { byId, parents }) {
    this.file = file
    this.ast = ast
    this.text = text
    this.byId = byId
    this.parents = parents
    this.mutants = []
    this.scope = []
  }

  range(node) {
    const [start, length] = node.src.split(':').map(Number)
    return [start, start + length]
  }

  slice(start, end) {
    return this.text.toString('utf8', start, end)
  }

  source(node) {
    return this.slice(...this.range(node))
  }

  /** A statement with the semicolon, which the compiler leaves out. */
  statementRange(node) {
    const [start, end] = this.range(node)
    if (this.text[end - 1] === 0x3b || this.text[end - 1] === 0x7d) return [start, end]
    return [start, this.text.indexOf(';', end) + 1]
  }

  run() {
    this.visit(this.ast)
    this.mutants.sort((a, b) => a.start - b.start)
    return this.mutants
  }

  visit(node) {
    if (node.nodeType === 'InlineAssembly' || node.nodeType === 'ImportDirective') return
    if (node.nodeType === 'VariableDeclaration' && (node.constant || node.mutability === 'immutable')) return
    const named =
      node.nodeType === 'ContractDefinition' || /^(Function|Modifier)Definition$/.test(node.nodeType)
    if (named) this.scope.push(node.name || node.kind)
    this[node.nodeType]?.(node)
    if (node.condition) this.condition(node)
    if (isValue(node) || isLiteral(node)) this.constant(node)
    for (const child of children(node)) this.visit(child)
    if (named) this.scope.pop()
  }

  // Places

  /** Whether an expression may become `(mutated(n) ? … : …)`. */
  isHost(node) {
    if (!isValue(node) || node.lValueRequested) return false
    const parent = this.parents.get(node.id)
    const direct = [parent.eventCall, parent.errorCall, parent.externalCall, parent.modifierName]
    if (direct.includes(node)) return false
    const isCallee =
      ['FunctionCall', 'FunctionCallOptions'].includes(parent.nodeType) && parent.expression === node
    return !isCallee
  }

  /** Whether a number means the same here when it comes as the value of a conditional, which has the smallest type it fits in. */
  isWidened(node) {
    const parent = this.parents.get(node.id)
    switch (parent.nodeType) {
      case 'Return':
      case 'VariableDeclarationStatement':
      case 'VariableDeclaration':
      case 'IndexRangeAccess':
        return true
      case 'Assignment':
        return parent.operator === '=' && parent.rightHandSide === node
      case 'IndexAccess':
        return parent.indexExpression === node
      case 'TupleExpression':
        return parent.components.length > 1
      case 'FunctionCall':
        return parent.kind !== 'typeConversion' && parent.expression.memberName !== 'encodePacked'
      default:
        return false
    }
  }

  /** The smallest place around a node that can be had in two versions: `[start, end, is it a statement]`. */
  place(node) {
    let at = node
    while (isLiteral(at) && isLiteral(this.parents.get(at.id))) at = this.parents.get(at.id)
    if (isLiteral(at) && this.isWidened(at)) return [...this.range(at), false]
    for (; at; at = this.parents.get(at.id)) {
      const parent = this.parents.get(at.id)
      const isStatement = /^(ExpressionStatement|Return|EmitStatement|RevertStatement|TryStatement)$/.test(
        at.nodeType,
      )
      if (isStatement && parent.loopExpression !== at) return [...this.statementRange(at), true]
      if (/Statement$|Declaration$|Definition$|Specifier$/.test(at.nodeType)) return undefined
      // An assignment that stands alone is clearer in two versions of the statement.
      const alone = parent.nodeType === 'ExpressionStatement' && !this.isLoopExpression(parent)
      if (!alone && this.isHost(at)) return [...this.range(at), false]
    }
    return undefined
  }

  isLoopExpression(statement) {
    return this.parents.get(statement.id).loopExpression === statement
  }

  /**
   * Notes one mutant: `node` becomes `emitted`. `shown` is the node that people see change, `mutated` what they see.
   * @param {Node} node
   */
  add(operator, node, emitted, mutated = emitted, shown = node, imported = undefined) {
    const place = this.place(node)
    if (!place) return
    const [start, end, isStatement] = place
    const [from, to] = this.range(node)
    this.note(operator, shown, mutated, {
      start,
      end,
      isStatement,
      imported,
      emitted: this.slice(start, from) + emitted + this.slice(to, end),
    })
  }

  note(operator, shown, mutated, rest) {
    const [shownStart] = this.range(shown)
    const before = this.text.subarray(0, shownStart)
    const line = before.toString('utf8').split('\n').length
    const oneLine = (text) => text.replace(/\s+/g, ' ').trim()
    this.mutants.push({
      file: this.file,
      line,
      lineText: this.text.toString('utf8').split('\n')[line - 1].trim(),
      scope: this.scope.join('.'),
      operator,
      original: oneLine(this.source(shown)),
      mutated: oneLine(mutated),
      ...rest,
    })
  }

  /** Changes a node and shows the change within its parent expression, where a lone number would say little. */
  addWithin(operator, node, emitted, imported) {
    const mutated = imported ? emitted.replace(imported.alias, imported.name) : emitted
    const parent = this.parents.get(node.id)
    const isExpression = parent.typeDescriptions !== undefined && parent.nodeType !== 'VariableDeclaration'
    if (!isExpression) return this.add(operator, node, emitted, mutated, node, imported)
    const [start, end] = this.range(parent)
    const [from, to] = this.range(node)
    const within = this.slice(start, from) + mutated + this.slice(to, end)
    return this.add(operator, node, emitted, within, parent, imported)
  }

  // Operators

  BinaryOperation(node) {
    if (isLiteral(node)) return
    const { leftExpression: left, rightExpression: right, operator } = node
    const [, leftEnd] = this.range(left)
    const [rightStart] = this.range(right)
    const swap = (name, other) => {
      const between = this.slice(leftEnd, rightStart).replace(operator, other)
      this.add(
        name,
        node,
        `(${this.source(left)}) ${other} (${this.source(right)})`,
        this.source(left) + between + this.source(right),
      )
    }
    const leftOnly = (name) => this.add(name, node, this.source(left))
    if (operator in arithmetic) {
      if (!node.function) swap('arithmetic', arithmetic[operator])
      leftOnly('operand')
    } else if (operator in bitwise) {
      swap('bits', bitwise[operator])
      if (operator === '&' || operator === '|') leftOnly('operand')
    } else if (operator === '&&' || operator === '||') {
      swap('logic', operator === '&&' ? '||' : '&&')
      leftOnly('operand')
      this.add('operand', node, this.source(right))
    } else if (isComparison(node)) {
      this.comparison(node, swap)
    }
  }

  comparison(node, swap) {
    const { leftExpression: left, rightExpression: right, operator } = node
    const parent = this.parents.get(node.id)
    if (!this.isNegatedAnyway(node)) this.negate('comparison', node)
    // A type of one's own has the operators that were given to it.
    if (node.function) return
    const isEquality = operator === '==' || operator === '!='
    if (isEquality && !(isInteger(left) && (isInteger(right) || isLiteral(right)))) return
    for (const other of nearby[operator]) {
      // Nothing unsigned is below zero: these say the same as the original, or as a constant.
      if (isZero(right) && typeOf(left).startsWith('u')) continue
      // A counter that goes up by one meets its bound.
      if (other === '!=' && parent.nodeType === 'ForStatement') continue
      swap('comparison', other)
    }
  }

  /** The negation of a whole condition is made where the condition is. */
  isNegatedAnyway(node) {
    const parent = this.parents.get(node.id)
    const isRequired = isCallOf(parent, ['require', 'assert']) && parent.arguments[0] === node
    return isRequired || parent.condition === node
  }

  UnaryOperation(node) {
    const { subExpression: inner, operator, prefix } = node
    const text = this.source(inner)
    if (operator === '++' || operator === '--') {
      const other = operator === '++' ? '--' : '++'
      this.add('unary', node, prefix ? other + text : text + other)
    } else if (['!', '-', '~'].includes(operator) && !isLiteral(node)) {
      if (!this.isNegatedAnyway(node)) this.add('unary', node, text)
    }
  }

  Assignment(node) {
    const { leftHandSide: left, rightHandSide: right, operator } = node
    for (const other of operator in assigning ? [assigning[operator], '='] : []) {
      this.add('assignment', node, `${this.source(left)} ${other} ${this.source(right)}`)
    }
  }

  condition(node) {
    const { condition, nodeType } = node
    const text = this.source(condition)
    const to = (value) => this.add('condition', condition, value)
    if (nodeType === 'Conditional') {
      const [trueText, falseText] = [this.source(node.trueExpression), this.source(node.falseExpression)]
      this.add('ternary', node, `${text} ? ${falseText} : ${trueText}`)
      this.add('ternary', node, trueText)
      this.add('ternary', node, falseText)
      return
    }
    if (nodeType === 'ForStatement' || nodeType === 'WhileStatement' || nodeType === 'DoWhileStatement') {
      to('false')
      return
    }
    this.negate('condition', condition)
    to('false')
    const body = onlyStatement(node.trueBody)
    // A refusal that always comes says no more than its negation.
    if (body?.nodeType !== 'RevertStatement' || node.falseBody) to('true')
  }

  negate(operator, node) {
    const text = this.source(node)
    if (isComparison(node)) {
      const { leftExpression: left, rightExpression: right } = node
      const between = this.slice(this.range(left)[1], this.range(right)[0])
      const shown =
        this.source(left) + between.replace(node.operator, inverse[node.operator]) + this.source(right)
      this.add(operator, node, `!(${text})`, shown)
    } else if (node.nodeType === 'UnaryOperation' && node.operator === '!') {
      this.add(operator, node, this.source(node.subExpression))
    } else {
      this.add(operator, node, `!(${text})`)
    }
  }

  FunctionCall(node) {
    if (isCallOf(node, ['require', 'assert'])) {
      this.negate('condition', node.arguments[0])
      this.add('condition', node.arguments[0], 'true')
    }
    const encodes =
      /^encode/.test(node.expression.memberName ?? '') && node.expression.expression?.name === 'abi'
    if (!encodes && node.kind !== 'structConstructorCall') return
    for (const argument of node.arguments) {
      const has = ['Identifier', 'MemberAccess', 'FunctionCall', 'IndexAccess'].includes(argument.nodeType)
      if (has && !this.constantBehind(argument)) this.zero('field', argument)
    }
  }

  /** Puts the zero of its type in the place of a value. */
  zero(operator, node) {
    const type = typeOf(node)
    const { typeIdentifier = '' } = node.typeDescriptions
    if (type === 'bool') this.addWithin(operator, node, 'false')
    else if (isInteger(node) || /^bytes\d+$/.test(type)) this.addWithin(operator, node, `${type}(0)`)
    else if (type === 'address') this.addWithin(operator, node, 'address(0)')
    else if (typeIdentifier.startsWith('t_userDefinedValueType')) {
      this.zeroOfOwnType(operator, node, this.byId.get(Number(typeIdentifier.split('$').at(-1))))
    }
  }

  /** The file may not know the type's name, so it gets one of ours for it. */
  zeroOfOwnType(operator, node, definition) {
    if (this.parents.get(definition?.id)?.nodeType !== 'SourceUnit') return
    const { name, underlyingType } = definition
    const alias = `${name}OfMutants`
    this.addWithin(operator, node, `${alias}.wrap(${typeOf(underlyingType)}(0))`, { name, alias, definition })
  }

  Return(node) {
    const value = node.expression
    if (!value || !isValue(value) || this.constantBehind(value) || value.nodeType === 'Literal') return
    if (typeOf(value) !== 'bool') this.zero('return', value)
    else if (!isComparison(value) && !(value.nodeType === 'UnaryOperation')) this.negate('return', value)
  }

  // Statements

  remove(node) {
    const parent = this.parents.get(node.id)
    const outer =
      parent.nodeType === 'Block' && parent.statements.length === 1 ? this.parents.get(parent.id) : parent
    // A condition that never holds removes the only statement of its branch.
    if (outer.nodeType === 'IfStatement' && !outer.falseBody) return
    const [start, end] = this.statementRange(node)
    this.note('statement', node, '(removed)', { start, end, isStatement: true, emitted: '' })
  }

  ExpressionStatement(node) {
    if (this.isLoopExpression(node)) return
    const { expression } = node
    // A pointer that nothing is assigned to does not compile.
    const pointer =
      expression.nodeType === 'Assignment' && /storage pointer|calldata/.test(typeOf(expression.leftHandSide))
    if (pointer || isCallOf(expression, ['require', 'assert'])) return
    this.remove(node)
  }

  EmitStatement(node) {
    this.remove(node)
  }

  RevertStatement(node) {
    this.remove(node)
  }

  Continue(node) {
    this.remove(node)
  }

  Break(node) {
    this.remove(node)
  }

  // Values

  /** The constant that a name stands for. */
  constantBehind(node) {
    const declared = this.byId.get(node.referencedDeclaration)
    return declared?.nodeType === 'VariableDeclaration' && declared.constant ? declared : undefined
  }

  constant(node) {
    if (node.nodeType === 'Literal') return this.literal(node)
    const declared = ['Identifier', 'MemberAccess'].includes(node.nodeType)
      ? this.constantBehind(node)
      : undefined
    if (declared) {
      const text = this.source(node)
      // One more than the largest value is a panic that anything would notice.
      const step = declared.value?.memberName === 'max' ? '-' : '+'
      if (isInteger(node)) this.addWithin('constant', node, `(${text} ${step} 1)`)
      else this.zero('constant', node)
    } else if (node.nodeType === 'MemberAccess' && node.memberName === 'max' && isInteger(node)) {
      const ofType = node.expression.nodeType === 'FunctionCall' && node.expression.expression.name === 'type'
      if (ofType) this.addWithin('constant', node, `(${this.source(node)} - 1)`)
    }
  }

  literal(node) {
    if (node.kind === 'bool') {
      this.addWithin('constant', node, node.value === 'true' ? 'false' : 'true')
      return
    }
    if (node.kind !== 'number' || !isLiteral(node)) return
    const text = this.source(node)
    const parent = this.parents.get(node.id)
    const conversion =
      parent.nodeType === 'FunctionCall' && parent.kind === 'typeConversion' ? typeOf(parent) : ''
    const size = /^bytes(\d+)$/.exec(conversion || parent.commonType?.typeString)?.[1]
    const next = isZero(node) ? '1' : typeOf(node) === 'int_const 1' ? '2' : `(${text} + 1)`
    this.addWithin('constant', node, size ? `bytes${size}(uint${8 * Number(size)}(${next}))` : next)
    if (isZero(node)) return
    // A negative number and zero have no type in common.
    if (parent.nodeType === 'UnaryOperation') return
    // Adding nothing is what the removed operand says; nothing can be divided by zero.
    const isRight = parent.nodeType === 'BinaryOperation' && parent.rightExpression === node
    const isPointless = isRight && ['+', '-', '/', '%', '>>', '<<'].includes(parent.operator)
    if (!isPointless) this.addWithin('constant', node, '0')
  }

  // Modifiers

  ModifierInvocation(node) {
    if (node.kind !== 'modifierInvocation') return
    let contract = node
    while (contract.nodeType !== 'ContractDefinition') contract = this.parents.get(contract.id)
    this.note('modifier', node, '(removed)', {
      start: this.range(node.modifierName)[0],
      end: this.range(node.modifierName)[1],
      modifier: this.byId.get(node.modifierName.referencedDeclaration),
      name: this.source(node.modifierName),
      contractEnd: this.range(contract)[1] - 1,
    })
  }
}

function relativePath(from, to) {
  const path = posix.relative(posix.dirname(from), to)
  return path.startsWith('.') ? path : `./${path}`
}

/** Writes a source with its mutants in place, and remembers where each one stands. */
class Writer {
  constructor(mutators, selector) {
    this.mutators = mutators
    this.selector = selector
  }

  write(file, mutants, helper) {
    this.parts = []
    this.length = 0
    this.spans = []
    const { text } = this.mutators.get(file)
    this.region(file, mutants, 0, text.length)
    // At the end, so that lines keep their numbers.
    const imports = [`{${this.selector}} from "${relativePath(file, helper)}"`]
    for (const { imported } of mutants) {
      if (!imported) continue
      const { name, alias, definition } = imported
      imports.push(`{${name} as ${alias}} from "${relativePath(file, this.mutators.fileOf(definition))}"`)
    }
    for (const imported of new Set(imports)) this.push(`\nimport ${imported};`)
    this.push('\n')
    return { text: this.parts.join(''), spans: this.spans }
  }

  push(text, id) {
    const length = Buffer.byteLength(text)
    if (id !== undefined) this.spans.push({ id, start: this.length, end: this.length + length })
    this.parts.push(text)
    this.length += length
  }

  /** The places of a region that are in no other place of it, in order; a statement comes before an expression of its length. */
  places(mutants, start, end, outer) {
    const places = new Map()
    for (const mutant of mutants) {
      if (mutant.start < start || mutant.end > end) continue
      if (outer && mutant.start === outer.start && mutant.end === outer.end) continue
      const key = `${mutant.start}:${mutant.end}`
      places.set(key, [...(places.get(key) ?? []), mutant])
    }
    const sorted = [...places.values()].sort(([a], [b]) => a.start - b.start || b.end - a.end)
    let reached = start
    return sorted.filter(([{ start: from, end: to }]) => {
      if (from < reached) return false
      reached = to
      return true
    })
  }

  region(file, mutants, start, end, outer) {
    const { text } = this.mutators.get(file)
    const inserts = outer || end !== text.length ? [] : this.inserts(mutants)
    let at = start
    const plain = (to) => {
      for (const insert of inserts.filter(({ contractEnd }) => contractEnd >= at && contractEnd < to)) {
        this.push(text.toString('utf8', at, insert.contractEnd))
        at = insert.contractEnd
        this.modifier(insert)
      }
      this.push(text.toString('utf8', at, to))
      at = to
    }
    for (const place of this.places(mutants, start, end, outer)) {
      plain(place[0].start)
      this.place(file, mutants, place)
      at = place[0].end
    }
    plain(end)
  }

  inserts(mutants) {
    return mutants.filter(({ modifier }) => modifier).sort((a, b) => a.contractEnd - b.contractEnd)
  }

  place(file, mutants, place) {
    const [{ start, end, isStatement, modifier, name, id }] = place
    if (modifier) {
      this.push(`${name}Unless${id}`, id)
      return
    }
    this.push(isStatement ? '{ ' : '(')
    for (const { id: number, emitted } of place) {
      const test = `${this.selector}(${number})`
      this.push(isStatement ? `if (${test}) { ` : `${test} ? (`)
      this.push(emitted, number)
      this.push(isStatement ? ' } else ' : ') : ')
    }
    this.push(isStatement ? '{ ' : '(')
    this.region(file, mutants, start, end, place[0])
    this.push(isStatement ? ' } }' : '))')
  }

  /** A modifier that lets everything pass when its mutant is on. Every use has its own, so that each can be removed alone. */
  modifier({ id, name, modifier }) {
    const file = this.mutators.fileOf(modifier)
    const { text, mutants } = this.mutators.get(file)
    const [from, length] = modifier.body.src.split(':').map(Number)
    const [parametersAt, parametersLength] = modifier.parameters.src.split(':').map(Number)
    const parameters = text.toString('utf8', parametersAt, parametersAt + parametersLength)
    this.push(`modifier ${name}Unless${id}${parameters} { if (${this.selector}(${id})) { _; } else `)
    this.region(file, mutants, from, from + length, { start: from, end: from + length })
    this.push(' } ')
  }
}

/**
 * Finds the mutants of `files`.
 * @param {string[]} files
 * @param {{ sources: Record<string, { id: number, ast: Node }> }} output what the compiler says
 * @param {(file: string) => Buffer} read
 * @param {string} selector a function of the file that `write` is told of; true for the number of the mutant that is on
 * @returns {{ mutants: Mutant[], write(file: string, without: Set<number>, helper: string): { text: string,
 *   spans: { id: number, start: number, end: number }[] } }}
 */
export function findMutants(files, output, read, selector) {
  const trees = new Map(
    Object.entries(output.sources).map(([file, { ast }]) => [file, { ast, text: read(file) }]),
  )
  const fileNames = Object.fromEntries(Object.entries(output.sources).map(([file, { id }]) => [id, file]))
  const nodes = indexOf(trees)
  const found = new Map(files.map((file) => [file, new FileMutator(file, trees.get(file), nodes).run()]))
  const mutants = [...found.values()].flat()
  mutants.forEach((mutant, index) => {
    mutant.id = index + 1
  })
  const write = (file, without, helper) => {
    const kept = (of) => (found.get(of) ?? []).filter(({ id }) => !without.has(id))
    const lookup = {
      get: (of) => ({ text: trees.get(of).text, mutants: kept(of) }),
      fileOf: (node) => fileNames[node.src.split(':')[2]],
    }
    return new Writer(lookup, selector).write(file, kept(file), helper)
  }
  return { mutants, write }
}
