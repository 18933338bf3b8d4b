import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./chaos-host.mjs', import.meta.url))

/** How a model server behaves: `flapping` fails, resets the connection and answers in turn, `cutting` breaks streams off. */
export type ChaosMode = 'healthy' | 'slow' | 'flapping' | 'cutting'

/** Chats that a host was asked for, and those that it answered to their end. */
export interface ChaosCount {
  readonly asked: number
  readonly answered: number
}

/** A model server in a process of its own. */
export interface ChaosHost {
  readonly baseUrl: string
  count(): Promise<ChaosCount>
  close(): Promise<void>
}

export async function startChaosHost(mode: ChaosMode): Promise<ChaosHost> {
  const child = fork(PROGRAM, [mode], {
    execArgv: [],
    env: {},
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const { port } = await told<{ port: number }>(child)
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    async count() {
      const counts = told<ChaosCount>(child)
      child.send('count')
      return counts
    },
    async close() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

async function told<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T]
  return message
}
