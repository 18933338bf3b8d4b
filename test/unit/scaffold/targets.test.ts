import { describe, expect, it } from '@jest/globals'
import { readTargets, withoutTargets } from '../../../src/lib/scaffold/targets.js'

describe('readTargets', () => {
  it.each([
    [{}, null],
    [null, null],
    ['text', null],
    [['targets'], null],
    [{ targets: ['kubernetes'] }, ['kubernetes']],
    [{ name: 'x', targets: ['systemd', 'bare', 'compose'] }, ['systemd', 'bare', 'compose']],
  ])('finds the targets in %j', (answers, targets) => {
    expect(readTargets(answers)).toEqual({ targets, faults: [] })
  })

  it.each([
    [{ targets: 'compose' }, 'targets'],
    [{ targets: [] }, 'targets'],
    [{ targets: null }, 'targets'],
    [{ targets: { compose: true } }, 'targets'],
    [{ targets: ['compose', 'docker'] }, 'targets[1]'],
    [{ targets: [1] }, 'targets[0]'],
  ])('says where %j is wrong', (answers, path) => {
    const { faults } = readTargets(answers)

    expect(faults).toEqual([{ path, message: expect.stringContaining('compose, kubernetes, systemd, bare') }])
  })
})

describe('withoutTargets', () => {
  it('leaves a flock.yaml, and what is no map, as it is', () => {
    expect(withoutTargets({ name: 'x', targets: ['bare'], models: [] })).toEqual({ name: 'x', models: [] })
    expect(withoutTargets(null)).toBeNull()
    expect(withoutTargets(['targets'])).toEqual(['targets'])
  })
})
