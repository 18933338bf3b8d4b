import { describe, expect, it } from '@jest/globals'
import {
  containerIdOf,
  hashContainerList,
  parseContainerList,
  renderContainerList,
} from '../../../src/lib/infernet/container-id.js'

describe('container ids', () => {
  it.each([
    ['hello-world', '0x5768661526084c7b4d30f7224ed6c74ade98db3c6c395c55400a17f34a547e22'],
    ['some-llm', '0x868f8afd42a93e57411cfaf733cfc007fdff4a069be48020ca20d6ed7be02d7e'],
    ['gpt4', '0xcbdea8323416a05698f4257cc3c60e11e4bee8a1e3ac0413335bdeae4a60c040'],
    ['tgi-llm', '0x8f3467cab168974187f7315dfd839aa3eb63586514828bad273a6a73c0a2bcac'],
    ['onnx-iris', '0x931bf305ecb87041995171650f72aeba4412d4a865be01babab0f67b1883a193'],
    ['A,B,C', '0x58e516fa64e8520e529e772bac90a9a2120fd59c2d97733a38dc2b78360d430d'],
    ['container-1,container-2', '0x5da5b66b79661399b7a0c3bb75d21177a691f662a1b699ca8d037b8e09380610'],
  ])('hashes the list %s as the Coordinator does', (list, containerId) => {
    expect(containerIdOf(list.split(','))).toBe(containerId)
    expect(hashContainerList(list)).toBe(containerId)
  })

  it('hashes what is written, so that an empty list and one with a blank have ids of their own', () => {
    expect(hashContainerList('')).toBe('0x569e75fc77c1a856f6daaf9e69d8a9566ca34aa47f9133711ce065a571af0cfd')
    expect(hashContainerList('A, B')).toBe(
      '0x47726fa031d41400b8f2762f07051ea5c7eaf0bc49086d86c3e57a262ca192a4',
    )
  })

  it('reads back the list it writes, in order', () => {
    expect(parseContainerList(renderContainerList(['first', 'second']))).toEqual(['first', 'second'])
  })

  it.each([
    ['no container at all', [], 'at least one'],
    ['an empty id', ['a', ''], 'empty'],
    ['a comma', ['a,b'], '"a,b" holds a comma'],
    ['a blank', ['a b'], 'blank'],
    ['a tab', ['a\tb'], 'blank'],
    ['a repeated id', ['a', 'b', 'a'], 'a is listed twice'],
  ])('refuses %s', (_what, containers, message) => {
    expect(() => containerIdOf(containers)).toThrow(message)
  })

  it.each(['', 'a, b', 'a,,b', 'a,a'])('refuses to read the list "%s"', (list) => {
    expect(() => parseContainerList(list)).toThrow(expect.objectContaining({ code: 'USAGE_INVALID' }))
  })
})
