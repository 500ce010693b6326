import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { errnoOf } from '../sink/write-error.js'
import { linkOf, namesIn, textOf } from '../sys/proc.js'
import { type Finding, ok } from './finding.js'

/** Columns of /proc/net/udp (proc(5)). */
const LOCAL_ADDRESS = 1
const INODE = 9

const INTERFACES = '/sys/class/net'

/** Whether `listen` could have the port, and who has it otherwise. */
export async function checkPort(host: string, port: number): Promise<Finding> {
  const check = 'port'
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  try {
    const bound = once(socket, 'listening')
    socket.bind({ address: host, port, exclusive: true })
    await bound
    return ok(check, `UDP port ${port} of ${host} is free`)
  } catch (error) {
    const code = errnoOf(error) ?? (error as Error).message
    if (code !== 'EADDRINUSE') {
      return {
        check,
        level: 'problem',
        what: `UDP port ${port} of ${host} cannot be had (${code})`,
        why: 'mirrored packets that no program receives are lost',
        fix:
          code === 'EACCES'
            ? 'run as root or with CAP_NET_BIND_SERVICE, or give a --port from 1024 up'
            : 'give --bind an address of this host: "ip -br address" lists them',
      }
    }
    return takenBy(port)
  } finally {
    socket.close()
  }
}

function takenBy(port: number): Finding {
  const check = 'port'
  const owners = ownersOf(port)
  const process = owners.find(({ pid }) => pid !== undefined)
  if (process?.command?.includes('mirrortap')) {
    return ok(check, `UDP port ${port} is that of mirrortap, process ${process.pid}`)
  }
  const why = 'a second receiver gets no packets'
  const devices = vxlanDevices()
  if (process === undefined && devices.length > 0) {
    return {
      check,
      level: 'problem',
      what: `UDP port ${port} is taken by the kernel, as there are vxlan interfaces: ${devices.join(', ')}`,
      why,
      fix: devices.map((name) => `ip link delete ${name}`).join(' && '),
    }
  }
  const who =
    process === undefined ? 'another process' : `process ${process.pid} (${process.command})`
  return {
    check,
    level: 'problem',
    what: `UDP port ${port} is taken by ${who}`,
    why,
    fix: process === undefined ? `ss -ulpn sport = :${port}` : `kill ${process.pid}`,
  }
}

interface Owner {
  /** undefined where it is the kernel, or another user's process. */
  readonly pid: number | undefined
  readonly command: string | undefined
}

function ownersOf(port: number): Owner[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const inodes = ['udp', 'udp6'].flatMap((table) =>
    textOf(`/proc/net/${table}`)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[LOCAL_ADDRESS]?.endsWith(suffix))
      .map((columns) => columns[INODE]),
  )
  return inodes.map((inode) => ownerOf(`socket:[${inode}]`))
}

function ownerOf(socket: string): Owner {
  for (const pid of namesIn('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      if (linkOf(`/proc/${pid}/fd/${fd}`) !== socket) continue
      const command = textOf(`/proc/${pid}/cmdline`).split('\0').join(' ').trim()
      return { pid: Number(pid), command: command.slice(0, 120) }
    }
  }
  return { pid: undefined, command: undefined }
}

function vxlanDevices(): string[] {
  return namesIn(INTERFACES).filter((name) =>
    textOf(`${INTERFACES}/${name}/uevent`).includes('DEVTYPE=vxlan'),
  )
}
