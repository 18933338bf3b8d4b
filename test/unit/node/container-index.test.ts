import { describe, expect, it } from '@jest/globals'
import { hashContainerList } from '../../../src/lib/infernet/container-id.js'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { createContainerIndex } from '../../../src/lib/node/container-index.js'

function containers(count: number) {
  const ids = Array.from({ length: count }, (_, index) => ({ id: `c${index + 1}` }))
  return parseNodeConfig({ manage_containers: false, containers: ids }).config.containers
}

function idsOf(found: readonly { readonly id: string }[] | null): string | undefined {
  return found?.map(({ id }) => id).join(',')
}

describe('createContainerIndex', () => {
  it.each(['c1', 'c3', 'c2,c1', 'c1,c2,c3', 'c3,c1,c2'])('finds %s by its hash', (list) => {
    const index = createContainerIndex(containers(3))

    expect(idsOf(index.find(hashContainerList(list)))).toBe(list)
  })

  it.each(['c4', 'c1,c1', 'c1, c2', ''])('finds nothing for "%s"', (list) => {
    const index = createContainerIndex(containers(3))

    expect(index.find(hashContainerList(list))).toBeNull()
    expect(index.find(hashContainerList(list))).toBeNull()
  })

  it('finds a hash that was asked for after an unknown one', () => {
    const index = createContainerIndex(containers(2))

    index.find(hashContainerList('nothing'))

    expect(idsOf(index.find(hashContainerList('c2,c1')))).toBe('c2,c1')
  })

  it('looks at short lists first and stops at its bound', () => {
    const index = createContainerIndex(containers(12), { maxLists: 12 + 12 * 11 })

    expect(idsOf(index.find(hashContainerList('c12,c11')))).toBe('c12,c11')
    expect(index.find(hashContainerList('c1,c2,c3'))).toBeNull()
  })
})
