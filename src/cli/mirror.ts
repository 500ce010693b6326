import { type Command, InvalidArgumentError, Option } from 'commander'
import { OperatorError } from '../errors.js'
import { readCapture } from '../pcap/reader.js'
import { OuterSockets } from '../send/outer-sockets.js'
import { Pace, type Speed, systemClock } from '../send/pace.js'
import { VxlanSender } from '../send/vxlan-sender.js'
import { integerBetween, parseHostPort, parseVni } from './options.js'

interface MirrorOptions {
  read: string
  to: { host: string; port: number }
  vni: number
  packetLength?: number
  speed: Speed
  rate?: number
  loop: number
  json?: true
}

/** What EC2 accepts as PacketLength of a session. */
const parsePacketLength = integerBetween(1, 8500)

/** `mirrortap mirror`: be a mirror source. */
export function addMirror(program: Command): void {
  program
    .command('mirror')
    .summary('be a mirror source: send the frames of a capture as VXLAN')
    .description(
      'Sends each frame of a capture file to a mirror target, as AWS Traffic Mirroring would: ' +
        'cut to the packet length, behind a VXLAN header, in a UDP datagram. Sixteen source ' +
        'ports are used, chosen by the inner flow. IP packets captured without an Ethernet ' +
        'header (raw, cooked, loopback) get one; other packets of such captures are left out.',
    )
    .requiredOption('--read <file>', 'capture file, or - for standard input')
    .addOption(
      new Option('--to <host:port>', 'the mirror target')
        .argParser(parseHostPort)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--vni <number>', 'VXLAN network identifier')
        .argParser(parseVni)
        .makeOptionMandatory(),
    )
    .option(
      '--packet-length <octets>',
      'octets kept of each frame (default: all)',
      parsePacketLength,
    )
    .addOption(
      new Option('--speed <speed>', 'original, max, or a factor: 10 is ten times as fast')
        .argParser(parseSpeed)
        .default({ kind: 'original', factor: 1 }, 'original'),
    )
    .addOption(
      new Option('--rate <packets>', 'packets per second, whatever their times')
        .argParser(parseRate)
        .conflicts('speed'),
    )
    .option('--loop <times>', 'read the file so many times, 0 for ever', integerBetween(0, 1e9), 1)
    .option('--json', 'print the summary as JSON on standard output')
    .addHelpText(
      'after',
      '\nExample:\n  mirrortap mirror --read web.pcap --to 10.0.0.5:4789 --vni 7 --speed 10',
    )
    .action((options: MirrorOptions) => mirror(options))
}

async function mirror(options: MirrorOptions): Promise<void> {
  if (options.read === '-' && options.loop !== 1) {
    throw new OperatorError('standard input can be read only once; give --loop a file', {
      exitCode: 2,
    })
  }

  const stop = new AbortController()
  const onSignal = () => stop.abort()
  // Once: the second Ctrl-C ends the process in the usual way.
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  try {
    const sockets = await OuterSockets.open(options.to.host, options.to.port)
    try {
      await send(options, sockets, stop.signal)
    } finally {
      sockets.close()
    }
  } finally {
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal)
  }
}

async function send(
  options: MirrorOptions,
  sockets: OuterSockets,
  signal: AbortSignal,
): Promise<void> {
  const { rate, vni, packetLength } = options
  const speed: Speed = rate === undefined ? options.speed : { kind: 'rate', packetsPerSecond: rate }
  const pace = new Pace(speed, systemClock(signal))
  const sender = new VxlanSender(sockets, pace, { vni, packetLength, signal })
  const startedAt = performance.now()

  let problem: unknown
  try {
    await sendPasses(options, sender, pace, signal)
  } catch (error) {
    problem = error
  }
  // Nothing is printed for a command that never got to send.
  if (problem === undefined || sender.packets > 0) {
    summarize(options, sender, sockets, (performance.now() - startedAt) / 1000)
  }
  if (problem !== undefined) throw problem
}

async function sendPasses(
  options: MirrorOptions,
  sender: VxlanSender,
  pace: Pace,
  signal: AbortSignal,
): Promise<void> {
  for (let pass = 0; options.loop === 0 || pass < options.loop; pass++) {
    const before = sender.packets
    const damage = await sendPass(options.read, sender, signal)
    if (signal.aborted) return
    if (damage !== undefined) throw damage
    // For ever over nothing would never end.
    if (sender.packets === before) return
    pace.restart()
  }
}

/** Sends the whole file once. Damage is answered, after everything before it was sent. */
async function sendPass(
  path: string,
  sender: VxlanSender,
  signal: AbortSignal,
): Promise<OperatorError | undefined> {
  const reading = readCapture(path, (packet) => sender.take(packet), {
    afterBlock: () => sender.drain(),
  })
  const summary = await untilAborted(reading, path, signal)
  await sender.drain()
  if (summary?.damage === undefined) return undefined
  const name = path === '-' ? 'standard input' : path
  const { offset, message } = summary.damage
  return new OperatorError(`${name}: damaged at octet ${offset}: ${message}; sent what was before`)
}

/** What `reading` gives, or undefined as soon as all is to stop: a silent pipe would hold it up. */
async function untilAborted<T>(
  reading: Promise<T>,
  path: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
    if (signal.aborted) resolve(undefined)
  })
  const result = await Promise.race([reading, aborted])
  if (signal.aborted) {
    // A pipe that is cut off in the middle of a packet is no longer of interest.
    reading.catch(() => undefined)
    if (path === '-') process.stdin.destroy()
  }
  return result
}

function summarize(
  options: MirrorOptions,
  sender: VxlanSender,
  sockets: OuterSockets,
  seconds: number,
): void {
  const notSent = Object.fromEntries([...sender.unsent, ...sockets.notSent])
  const { packets, cut } = sender
  const { sent, octets } = sockets
  if (options.json === true) {
    const summary = { packets, sent, octets, cut, notSent, seconds: Number(seconds.toFixed(3)) }
    process.stdout.write(`${JSON.stringify(summary)}\n`)
    return
  }
  const reasons = Object.entries(notSent).map(([reason, count]) => `${count} ${reason}`)
  const parts = [
    `${sent} of ${packets} packets sent, ${octets} octets in ${seconds.toFixed(3)} s`,
    ...(cut > 0 ? [`${cut} cut to the packet length`] : []),
    ...(reasons.length > 0 ? [`not sent: ${reasons.join(', ')}`] : []),
  ]
  process.stderr.write(`${parts.join('; ')}\n`)
}

/** `original`, `max`, `10`, `0.5`. */
function parseSpeed(text: string): Speed {
  if (text === 'max') return { kind: 'max' }
  if (text === 'original') return { kind: 'original', factor: 1 }
  const factor = /^\d+(\.\d+)?x?$/.test(text) ? Number.parseFloat(text) : 0
  if (factor === 0) throw new InvalidArgumentError('Give original, max or a factor such as 10.')
  return { kind: 'original', factor }
}

function parseRate(text: string): number {
  const rate = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  if (rate === 0) throw new InvalidArgumentError('Give packets per second, such as 1000.')
  return rate
}
