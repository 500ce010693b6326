import { basename } from 'node:path'
import { linkOf, textOf } from '../../sys/proc.js'

/** Bit of SIGHUP in the masks of proc(5). */
const SIGHUP_BIT = 1n
/** Bits of the access mode in the flags of open(2), and what they are for a file opened to be written only. */
const O_ACCMODE = 3
const O_WRONLY = 1

/**
 * Whether the process was started with SIGHUP ignored, as nohup(1) does.
 *
 * Node restores the default of every signal before it runs a line of ours, so the answer comes from
 * the traces nohup leaves: the name of the command that shells put into the environment, nohup.out,
 * a standard input that can only be written to, or a parent that ignores SIGHUP too.
 */
export function isHangUpIgnored(): boolean {
  return (
    basename(process.env['_'] ?? '') === 'nohup' ||
    [1, 2].some((fd) => basename(linkOf(`/proc/self/fd/${fd}`)) === 'nohup.out') ||
    isInputUnreadable() ||
    isIgnoredByParent()
  )
}

function isInputUnreadable(): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(textOf('/proc/self/fdinfo/0'))?.[1] ?? '0'
  return (
    linkOf('/proc/self/fd/0') === '/dev/null' &&
    (Number.parseInt(flags, 8) & O_ACCMODE) === O_WRONLY
  )
}

function isIgnoredByParent(): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(textOf(`/proc/${process.ppid}/status`))?.[1]
  return mask !== undefined && (BigInt(`0x${mask}`) & SIGHUP_BIT) !== 0n
}
