import { describe, expect, test } from 'vitest'
import { parseCredentials } from '../../../src/aws/sigv4/credentials.js'

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const PAIR = `aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = ${SECRET}\n`

describe('parseCredentials', () => {
  test('makes a user of every profile with a pair', () => {
    const text =
      '\ufeff# of the team\r\n; more\r\n\r\n' +
      '[default]\r\naws_access_key_id=AKIA1\r\naws_secret_access_key=se=cr/et+\r\n' +
      '  [ignored]\n[role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile=default\n' +
      '[ci]  # the robot\nAWS_ACCESS_KEY_ID\t=\tAKIA2  \naws_secret_access_key = a#b #c\n' +
      'aws_session_token = t\ns3 =\n  max = 1\nregion = eu-west-1'
    expect([...parseCredentials(text, 'x').values()]).toEqual([
      { userName: 'default', accessKeyId: 'AKIA1', secretAccessKey: 'se=cr/et+' },
      { userName: 'ci', accessKeyId: 'AKIA2', secretAccessKey: 'a#b', sessionToken: 't' },
    ])
  })

  test.each([
    ['', /^f has no access key/],
    ['[default]\n', /^f has no access key/],
    [PAIR, /^f: line 1 comes before any \[profile\]$/],
    [`[a]\n${PAIR}[a]\n`, /^f: line 4 repeats a profile$/],
    [`[a b]\n${PAIR}`, /^f: line 1 names a profile with characters that an ARN cannot have$/],
    ['[]\n', /^f: line 1 names a profile/],
    [`[a]\n${PAIR}${SECRET}`, /^f: line 4 is neither \[profile\] nor key = value$/],
    [`[a]\n${PAIR}= x`, /^f: line 4 is neither/],
    ['[a\n', /^f: line 1 is neither/],
    ['[a]\naws_access_key_id = AKIA\n', /^f: profile a needs .* aws_secret_access_key$/],
    [`[a]\naws_secret_access_key = ${SECRET}\n`, /^f: profile a needs aws_access_key_id/],
    [`[a]\naws_access_key_id = A/B\naws_secret_access_key = x`, /^f: profile a needs/],
    [`[a]\n${PAIR}[b]\n${PAIR}`, /^f: profile b has the access key of profile a$/],
  ])('refuses %j in one line that shows no secret', (text, message) => {
    let said = ''
    try {
      parseCredentials(text, 'f')
    } catch (error) {
      said = (error as Error).message
      expect((error as Error).name).toBe('OperatorError')
    }
    expect(said).toMatch(message)
    expect(said).not.toContain(SECRET)
  })
})
