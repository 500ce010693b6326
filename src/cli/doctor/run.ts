import { existsSync } from 'node:fs'
import { API_LIMITS } from '../../api/http/api-server.js'
import { openCredentials } from '../../aws/sigv4/credentials-file.js'
import { checkAppliance } from '../../doctor/appliance.js'
import { checkCapture } from '../../doctor/capture.js'
import type { Finding } from '../../doctor/finding.js'
import { checkDisk } from '../../doctor/host-disk.js'
import { checkMtu } from '../../doctor/host-mtu.js'
import { checkPort } from '../../doctor/host-port.js'
import { checkReceiving } from '../../doctor/host-receiving.js'
import { checkCapabilities, checkClock, checkDescriptors } from '../../doctor/host-system.js'
import { awsLines, type Setup, terraformLines } from '../../doctor/setup.js'
import { OperatorError } from '../../errors.js'
import { print } from '../process/console.js'
import type { DoctorOptions } from './options.js'

/** As `listen` has them by default. */
const MAX_SESSIONS = 1024
const DEFAULT_REGION = 'us-east-1'

const MARKS = { ok: '  ', warning: '? ', problem: '! ' } as const

/** Looks, and says what it found. Throws OperatorError when one of the findings is a problem. */
export async function doctor(file: string | undefined, options: DoctorOptions): Promise<void> {
  if (options.aws || options.terraform) {
    if (options.aws && options.terraform) {
      throw new OperatorError(
        '--aws and --terraform cannot both write to standard output: give one',
        {
          exitCode: 2,
        },
      )
    }
    const lines = (options.aws ? awsLines : terraformLines)(setupOf(options))
    print(`${lines.join('\n')}\n`)
    return
  }
  const findings = await look(file, options)
  if (options.json) print(`${JSON.stringify(findings, null, 2)}\n`)
  else print(findings.flatMap(linesOf).join(''))
  const problems = findings.filter(({ level }) => level === 'problem').length
  if (problems === 0) return
  throw new OperatorError(problems === 1 ? 'there is a problem' : `there are ${problems} problems`)
}

async function look(file: string | undefined, options: DoctorOptions): Promise<Finding[]> {
  const { api, port } = options
  if (file !== undefined && api !== undefined) {
    throw new OperatorError(
      'a capture file and --api cannot be checked together: give one of them',
      { exitCode: 2 },
    )
  }
  if (file !== undefined) return checkCapture(file, port)
  if (api !== undefined) return checkAppliance({ url: api, ...(await accessOf(options)) })
  return lookAtHost(options)
}

async function lookAtHost(options: DoctorOptions): Promise<Finding[]> {
  const { bind, port, rate, packetSize, mirroredMtu, receiveBuffer, dir = [] } = options
  const found = [
    await checkPort(bind, port),
    ...(await checkReceiving(rate, receiveBuffer)),
    ...checkMtu(mirroredMtu),
    checkCapabilities(),
    checkDescriptors(MAX_SESSIONS, API_LIMITS.connections),
    checkClock(),
  ]
  for (const directory of dir) found.push(...(await checkDisk(directory, rate * packetSize)))
  return found
}

async function accessOf({ credentials, profile, region = DEFAULT_REGION }: DoctorOptions) {
  if (credentials === undefined) return { region, credential: undefined }
  // Where there is no file, one would be made.
  if (!existsSync(credentials)) throw new OperatorError(`there is no file ${credentials}`)
  const keys = await openCredentials(credentials)
  const credential = [...keys.credentials.values()].find(({ userName }) => userName === profile)
  if (credential !== undefined) return { region, credential }
  throw new OperatorError(`${credentials} has no profile "${profile}": give another --profile`)
}

function setupOf(options: DoctorOptions): Setup {
  const { networkInterfaceId, securityGroupId, source = [], sourceCidr, vni, region } = options
  return {
    targetInterface: networkInterfaceId,
    securityGroup: securityGroupId,
    sources: source,
    sourceCidr,
    vni,
    region,
  }
}

function linesOf({ check, level, what, why, fix }: Finding): string[] {
  const lines = [`${MARKS[level]}${check}: ${what}\n`]
  if (why !== undefined) lines.push(`    why: ${why}\n`)
  if (fix !== undefined) lines.push(`    fix: ${fix}\n`)
  return lines
}
