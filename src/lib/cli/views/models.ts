import type { TableInForce } from '../../models/contributors.js'
import type { Listing, Model, ModelStatus, Terms } from '../../models/model.js'
import type { ListingChange, RegistrationPlan } from '../../models/registration.js'
import type { ProbeReport } from '../../router/probe.js'
import { formatPpm } from '../../units.js'
import { spentJson, type SpentJson } from './spend.js'
import { pairLines, tableLines } from './table.js'
import { flockText, isoTime, printableLine } from './text.js'

/** A registered model, with its name where the project has one for it. */
export interface NamedModel extends Model {
  readonly name: string | null
}

/** What became of a model whose status was to be changed. */
export interface ModelStatusJson extends SpentJson {
  readonly modelId: string
  readonly status: ModelStatus
}

export function modelStatusJson(modelId: string, status: ModelStatus, spent: SpentJson): ModelStatusJson {
  return { modelId, status, ...spentJson(spent) }
}

/** What came of registering a model. */
export interface RegistrationJson extends SpentJson {
  readonly name: string
  readonly modelId: string
  readonly host: string
  readonly listing: Listing
  readonly isNew: boolean
  readonly changes: readonly ListingChange[]
  readonly probes: readonly ProbeReport[]
}

export function registrationJson(
  facts: Pick<RegistrationJson, 'name' | 'host' | 'listing' | 'probes'> & { readonly plan: RegistrationPlan },
  spent: SpentJson,
): RegistrationJson {
  const { plan, ...rest } = facts
  const { modelId, isNew, changes } = plan
  return { ...rest, modelId, isNew, changes, ...spentJson(spent) }
}

/** Gives models the names that a project has for their artifacts. */
export function withNames(models: readonly Model[], names: ReadonlyMap<string, string>): NamedModel[] {
  return models.map((model) => ({ ...model, name: names.get(model.artifactId) ?? null }))
}

export function modelsTableLines(models: readonly NamedModel[], width: number | null): string[] {
  return tableLines(
    models,
    [
      { header: 'Model', value: ({ modelId }) => modelId, minWidth: 13 },
      { header: 'Name', value: ({ name }) => name ?? '-' },
      { header: 'Status', value: ({ status }) => status },
      { header: 'Host', value: ({ host }) => host, minWidth: 13 },
      { header: 'Per answer', value: ({ terms }) => flockText(terms.requestPrice), align: 'right' },
      { header: 'Containers', value: ({ containers }) => printableLine(containers) },
    ],
    width,
  )
}

/** Everything about a model. @param contributors the table in force */
export function modelLines(model: NamedModel, contributors: TableInForce): string[] {
  const rotated = model.previousSignerUntil === 0 ? [] : [previousSignerPair(model)]
  return [
    ...pairLines([
      ['Model', model.modelId],
      ['Name', model.name ?? '-'],
      ['Status', model.status],
      ['Host', model.host],
      ['Artifact', model.artifactId],
      ['Metadata', model.metadataUri === '' ? '-' : printableLine(model.metadataUri)],
      ['Metadata hash', model.metadataHash],
      ['Consumer', model.consumer],
      ['Containers', printableLine(model.containers)],
      ['Container id', model.containerId],
      ['Receipt signer', model.receiptSigner],
      ...rotated,
      ...termPairs(model.terms),
      ...model.nodes.map((node, index) => [index === 0 ? 'Nodes' : '', node] as const),
    ]),
    ...contributorLines(contributors),
  ]
}

export function contributorLines({ tableId, nonce, training, validators }: TableInForce): string[] {
  const rows = [
    ...training.map((member) => ({ ...member, role: 'training node' })),
    ...validators.map((member) => ({ ...member, role: 'validator' })),
  ]
  if (rows.length === 0) return ['Contributors  none: the host gets whole fees']
  return [
    `Contributors  table ${tableId}, nonce ${nonce}`,
    ...tableLines(
      rows,
      [
        { header: '  Role', value: ({ role }) => `  ${role}` },
        { header: 'Account', value: ({ account }) => account },
        { header: 'Weight', value: ({ weight }) => String(weight), align: 'right' },
      ],
      null,
    ),
  ]
}

export function probeLine({ hostId, model, usage, latencyMs }: ProbeReport): string {
  const tokens =
    usage === null
      ? 'no tokens reported, so the tokenizer counts'
      : `${usage.promptTokens} + ${usage.completionTokens} tokens`
  return `Host ${hostId} serves ${model} and answered in ${latencyMs} ms (${tokens}).`
}

/** One line for each change, values as they are compared. */
export function changeLines(changes: readonly ListingChange[]): string[] {
  return changes.map(({ field, from, to }) => `${field}: ${changeText(from)} -> ${changeText(to)}`)
}

function changeText(value: unknown): string {
  if (typeof value === 'string') return value === '' ? '""' : printableLine(value)
  if (Array.isArray(value)) return value.join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, item]) => `${name} ${printableLine(String(item))}`)
    .join(', ')
}

function termPairs(terms: Terms): (readonly [string, string])[] {
  return [
    ['Price', `${flockText(terms.requestPrice)} per answer`],
    ['', `${flockText(terms.promptPrice)} per million prompt tokens`],
    ['', `${flockText(terms.completionPrice)} per million completion tokens`],
    ['Caps', `${terms.maxPromptTokens} prompt and ${terms.maxCompletionTokens} completion tokens per answer`],
    ['Split', `${formatPpm(terms.trainingPpm)} training nodes, ${formatPpm(terms.validatorPpm)} validators`],
  ]
}

function previousSignerPair({ previousSigner, previousSignerUntil }: Model): readonly [string, string] {
  return ['Previous signer', `${previousSigner}, until ${isoTime(previousSignerUntil)}`]
}
