import { describe, expect, it } from '@jest/globals'
import { devnetAccounts } from '../../../src/lib/devnet/accounts.js'
import {
  answerFault,
  completeDraft,
  LOCAL_ROLES,
  missingAnswers,
  projectName,
} from '../../../src/lib/scaffold/answers.js'
import { answersAsWords, flagAnswers } from '../../../src/lib/scaffold/flag-answers.js'
import { HOST, MODEL } from '../../../src/lib/scaffold/questions.js'

const flagsOf = (draft: unknown) => missingAnswers(draft, 'my-host').map(({ flag }) => flag)

describe('completeDraft', () => {
  it('makes a whole project for the local chain out of nothing', () => {
    expect(flagsOf({})).toEqual([])
    expect(completeDraft({}, 'my-host')).toMatchObject({
      name: 'my-host',
      network: 'local',
      models: [
        { name: 'demo', nodes: [LOCAL_ROLES.node], hosts: [{ id: 'main', model: 'demo', auth: 'none' }] },
      ],
    })
  })

  it('leaves what is given, null included', () => {
    const draft = {
      name: 'mine',
      models: [{ name: 'm', receiptSigner: null, hosts: [{ id: 'x', auth: 'bearer' }] }],
    }

    expect(completeDraft(draft, 'my-host')).toMatchObject({
      name: 'mine',
      models: [
        {
          name: 'm',
          receiptSigner: null,
          hosts: [{ id: 'x', model: 'm', auth: 'bearer', apiKeyEnv: 'FLOCK_API_KEY' }],
        },
      ],
    })
  })

  it('puts nothing of the devnet into a project for a public chain', () => {
    const completed = JSON.stringify(completeDraft({ network: 'base' }, 'my-host'))

    expect(completed).not.toContain(LOCAL_ROLES.node)
    expect(flagsOf({ network: 'base' })).toEqual(['hg-repo-id', 'revision', 'base-model', 'host-url'])
  })

  it('knows how the API Platform of FLock is authorised', () => {
    const draft = completeDraft({ models: [{ hosts: [{ baseUrl: 'https://api.flock.io/v1' }] }] }, 'x')

    expect(draft).toMatchObject({
      models: [{ hosts: [{ auth: 'x-litellm-api-key', apiKeyEnv: 'FLOCK_API_KEY' }] }],
    })
  })

  it.each([[null], ['text'], [['list']], [{ models: 'none' }], [{ models: [{ hosts: 'x', price: 3 }] }]])(
    'leaves a draft of the wrong shape for the schema to refuse: %j',
    (draft) => {
      expect(() => completeDraft(draft, 'my-host')).not.toThrow()
    },
  )
})

describe('the accounts of the local chain', () => {
  it('are those of the devnet', () => {
    const of = (role: string) =>
      devnetAccounts()
        .filter((account) => account.role === role)
        .map(({ address }) => address)

    expect([LOCAL_ROLES.node]).toEqual(of('infernet-node'))
    expect([LOCAL_ROLES.receiptSigner]).toEqual(of('receipt-signer'))
    expect(LOCAL_ROLES.training).toEqual(of('training-node'))
    expect(LOCAL_ROLES.validators).toEqual(of('validator'))
  })
})

describe('flagAnswers', () => {
  it('puts each flag in its place and can say it again as words', () => {
    const training = [
      '0x14dc79964da2c08b23698b3d3cc7ca32193d9955=3',
      '0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f',
    ]

    const answers = flagAnswers({ name: 'a b', training, 'max-prompt-tokens': 9, json: true })

    expect(answers).toEqual([
      { path: ['name'], value: 'a b', source: '--name' },
      { path: [...MODEL, 'limits', 'maxPromptTokens'], value: 9, source: '--max-prompt-tokens' },
      {
        path: [...MODEL, 'contributors', 'training'],
        value: [
          { account: '0x14dC79964da2C08b23698B3D3cc7Ca32193d9955', weight: 3 },
          { account: '0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f', weight: 1 },
        ],
        source: '--training',
      },
    ])
    expect(answersAsWords(answers)).toEqual([
      ...['--name', 'a b', '--max-prompt-tokens', '9'],
      ...['--training', '0x14dC79964da2C08b23698B3D3cc7Ca32193d9955=3'],
      ...['--training', '0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f=1'],
    ])
  })

  it.each(['me=1', '0x14dC79964da2C08b23698B3D3cc7Ca32193d9955=one', '=', '0x12=1=2'])(
    'refuses a contributor like %s',
    (text) => {
      expect(() => flagAnswers({ training: [text] })).toThrow(/^--training: /)
    },
  )
})

describe('answerFault', () => {
  it('says what is wrong with one answer and nothing about the others', () => {
    const url = [...HOST, 'baseUrl']

    expect(answerFault({ network: 'base' }, url, 'ftp://x', 'f')).toBe(
      '"ftp://x" was found, allowed is an http or https URL',
    )
    expect(answerFault({ network: 'base' }, url, 'https://x', 'f')).toBeNull()
  })
})

describe('projectName', () => {
  it.each([
    ['My Host!', 'my-host'],
    ['---', 'flock-host'],
    ['Café_42', 'caf-42'],
    ['a'.repeat(80), 'a'.repeat(64)],
  ])('makes a name of "%s"', (folder, name) => {
    expect(projectName(folder)).toBe(name)
  })
})
