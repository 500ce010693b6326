import type { Caller } from '../../../src/aws/protocol/action.js'

export const REGION = 'us-east-1'
export const ACCOUNT = '111122223333'

/** Somebody who asks. */
export const CALLER: Caller = {
  accessKeyId: 'AKIDEXAMPLE',
  userName: 'alice',
  arn: `arn:aws:iam::${ACCOUNT}:user/alice`,
  accountId: ACCOUNT,
  region: REGION,
  sourceIpAddress: '127.0.0.1',
  userAgent: '',
  requestId: '0c1d2e3f-4a5b-4c6d-8e7f-90a1b2c3d4e5',
}

export const arnOf = (name: string): string =>
  `arn:aws:network-firewall:${REGION}:${ACCOUNT}:firewall/${name}`
