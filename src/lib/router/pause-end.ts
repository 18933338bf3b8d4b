import type { Channel } from './channel.js'

/**
 * Lets those in who wait for a host once a pause of it is over: at that moment nothing else happens at the host, and
 * they would go on waiting for others to leave.
 * @returns stops that
 */
export function admitAfterPauses(
  channel: Pick<Channel, 'health' | 'admit' | 'isClosed'>,
  nowMs: () => number,
): () => void {
  const { health } = channel
  let timer: NodeJS.Timeout | null = null

  function look(): void {
    timer = null
    if (channel.isClosed()) return
    // A pause may have been made longer meanwhile.
    if (health.pauseMs(nowMs()) > 0) arm()
    else channel.admit()
  }

  function arm(): void {
    if (timer !== null) return
    timer = setTimeout(look, Math.ceil(health.pauseMs(nowMs())))
    // Those who wait keep the process alive themselves.
    timer.unref()
  }

  health.onPause(arm)
  return () => {
    if (timer !== null) clearTimeout(timer)
  }
}
