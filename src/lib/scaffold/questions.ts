/** Where an answer stands in a project. */
export type AnswerPath = readonly (string | number)[]

/** What is known when a question comes up. */
export interface QuestionContext {
  /** Name of the folder, as a project name. */
  readonly folder: string
  readonly network: string
  readonly isLocal: boolean
  /** The answer at a path so far, as text; undefined when there is none. */
  readonly answer: (path: AnswerPath) => string | undefined
}

/** One thing that `flock init` has to know: a flag, a place in the answers file, and a question for people. */
export interface Question {
  readonly flag: string
  readonly path: AnswerPath
  readonly message: string
  readonly choices?: readonly string[]
  /** The answer when none is given; undefined when only the operator can know it. */
  readonly preset: (context: QuestionContext) => string | undefined
  /** False where nobody is asked: the preset is right until a flag says otherwise. */
  readonly isAsked?: (context: QuestionContext) => boolean
}

export const MODEL: AnswerPath = ['models', 0]
export const HOST: AnswerPath = [...MODEL, 'hosts', 0]

const FLOCK_PLATFORM_URL = 'https://api.flock.io/v1'
/** Where vLLM and most other model servers listen. */
const LOCAL_SERVER_URL = 'http://127.0.0.1:8000/v1'

const AUTH: AnswerPath = [...HOST, 'auth']
const onlyOnLocal = (value: string) => (context: QuestionContext) => (context.isLocal ? value : undefined)
const needsKey = (context: QuestionContext) => (context.answer(AUTH) ?? 'none') !== 'none'

/** In the order in which people are asked; an answer may be the preset of a later one. */
export const QUESTIONS: readonly Question[] = [
  {
    flag: 'name',
    path: ['name'],
    message: 'Name of the project',
    preset: ({ folder }) => folder,
  },
  {
    flag: 'network',
    path: ['network'],
    message: 'Network',
    choices: ['local', 'base-sepolia', 'base', 'ethereum'],
    preset: () => 'local',
  },
  {
    flag: 'model-name',
    path: [...MODEL, 'name'],
    message: 'Name of the model in this project',
    preset: () => 'demo',
  },
  {
    flag: 'hg-repo-id',
    path: [...MODEL, 'hg_repo_id'],
    message: 'Hugging Face repository of the model (user/repo)',
    preset: onlyOnLocal('flock-io/demo'),
  },
  {
    flag: 'revision',
    path: [...MODEL, 'revision'],
    message: 'Revision (commit hash)',
    preset: onlyOnLocal('main'),
  },
  {
    flag: 'base-model',
    path: [...MODEL, 'base_model'],
    message: 'Base model',
    preset: onlyOnLocal('demo'),
  },
  {
    flag: 'host-url',
    path: [...HOST, 'baseUrl'],
    message: 'Base URL of the model server (OpenAI-compatible, ends with /v1)',
    preset: onlyOnLocal(LOCAL_SERVER_URL),
  },
  {
    flag: 'host-model',
    path: [...HOST, 'model'],
    message: 'Name of the model at that server',
    preset: ({ answer }) => answer([...MODEL, 'name']),
  },
  {
    flag: 'host-auth',
    path: AUTH,
    message: 'How that server is authorised',
    choices: ['none', 'bearer', 'x-litellm-api-key'],
    preset: ({ answer }) =>
      answer([...HOST, 'baseUrl'])?.startsWith(FLOCK_PLATFORM_URL) === true ? 'x-litellm-api-key' : 'none',
  },
  {
    flag: 'api-key-env',
    path: [...HOST, 'apiKeyEnv'],
    message: 'Environment variable with the API key',
    preset: (context) => (needsKey(context) ? 'FLOCK_API_KEY' : undefined),
    isAsked: needsKey,
  },
  {
    flag: 'price-request',
    path: [...MODEL, 'price', 'request'],
    message: 'Price of a request, in tokens of payment',
    preset: () => '0.01',
  },
  {
    flag: 'price-prompt',
    path: [...MODEL, 'price', 'promptPerMillion'],
    message: 'Price of a million prompt tokens',
    preset: () => '1',
  },
  {
    flag: 'price-completion',
    path: [...MODEL, 'price', 'completionPerMillion'],
    message: 'Price of a million completion tokens',
    preset: () => '2',
  },
]

/** True when a value has to come from the operator: it is no answer, no preset, and the question applies. */
export function isMissing(question: Question, context: QuestionContext): boolean {
  if (question.isAsked?.(context) === false) return false
  return context.answer(question.path) === undefined && question.preset(context) === undefined
}
