import { describe, expect, it } from '@jest/globals'
import type { Override } from '../../../src/lib/config/document.js'
import { readDraft } from '../../../src/lib/config/document.js'
import { askAnswers, askTarget, type AskedQuestion } from '../../../src/lib/scaffold/ask.js'

/** A person who takes what is offered, and has an answer for what has no default. */
function person(answers: Readonly<Record<string, string>> = {}) {
  const heard: AskedQuestion[] = []
  const ask = async (question: AskedQuestion) => {
    heard.push(question)
    return answers[question.message] ?? question.default ?? 'x'
  }
  return { heard, ask }
}

const draftOf = (text: string) => (asked: readonly Override[]) => readDraft(text, { overrides: asked })

describe('askAnswers', () => {
  it('asks what is open, in order, with answers so far as defaults of later questions', async () => {
    const { heard, ask } = person({ 'Name of the model in this project': 'tiny' })

    const asked = await askAnswers(draftOf('name: paris'), { folder: 'my-host', ask })

    expect(asked.slice(0, 2)).toEqual([
      { path: ['network'], value: 'local', source: '--network' },
      { path: ['models', 0, 'name'], value: 'tiny', source: '--model-name' },
    ])
    expect(heard.find(({ message }) => message === 'Name of the model at that server')?.default).toBe('tiny')
    expect(heard.map(({ message }) => message)).not.toContain('Name of the project')
    expect(heard.map(({ message }) => message)).not.toContain('Environment variable with the API key')
  })

  it('offers choices or checks what is typed', async () => {
    const { heard, ask } = person()

    await askAnswers(draftOf(''), { folder: 'my-host', ask })

    const network = heard.find(({ message }) => message === 'Network')
    const name = heard.find(({ message }) => message === 'Name of the project')
    expect(network).toMatchObject({ choices: expect.arrayContaining(['local', 'base']), default: 'local' })
    expect(name?.choices).toBeUndefined()
    expect(name?.validate?.('paris')).toBe(true)
    expect(name?.validate?.('Paris!')).toMatch(/^"Paris!" was found/)
  })
})

describe('askTarget', () => {
  it('offers every target, compose first', async () => {
    const { heard, ask } = person()

    await expect(askTarget(ask)).resolves.toBe('compose')
    expect(heard).toEqual([
      {
        message: 'What the service is run with',
        choices: ['compose', 'kubernetes', 'systemd', 'bare'],
        default: 'compose',
      },
    ])
    await expect(askTarget(async () => 'systemd')).resolves.toBe('systemd')
  })
})
