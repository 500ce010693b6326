/** The options of `doctor` as commander leaves them. */
export interface DoctorOptions {
  bind: string
  port: number
  rate: number
  packetSize: number
  mirroredMtu: number
  receiveBuffer: number
  dir?: readonly string[]
  api?: string
  credentials?: string
  profile: string
  region?: string
  json?: true
  aws?: true
  terraform?: true
  networkInterfaceId?: string
  securityGroupId?: string
  source?: readonly string[]
  sourceCidr: string
  vni?: number
}
