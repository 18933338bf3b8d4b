import { stringifyJson } from '../json.js'
import type { LogLevel, LogRecord } from '../log.js'
import type { Palette } from './palette.js'

/** One log record as a line: time, level, message and `key=value` pairs; a JSON object under `--json`. */
export function logLine(
  record: LogRecord,
  { json, now, palette }: { json: boolean; now: Date; palette: Palette },
): string {
  const time = now.toISOString()
  if (json) return stringifyJson({ ...record.fields, time, level: record.level, message: record.message })
  const fields = Object.entries(record.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => palette.dim(`${key}=${fieldText(value)}`))
  return [palette.dim(time), levelText(record.level, palette), record.message, ...fields].join(' ')
}

function levelText(level: LogLevel, palette: Palette): string {
  const text = level.padEnd(5)
  if (level === 'error') return palette.bad(text)
  if (level === 'warn') return palette.warn(text)
  return level === 'info' ? palette.accent(text) : palette.dim(text)
}

function fieldText(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'string') return stringifyJson(value)
  return /[\s"=]/.test(value) || value === '' ? JSON.stringify(value) : value
}
