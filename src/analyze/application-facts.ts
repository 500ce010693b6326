import type { ApplicationSink } from '../application/application-sink.js'
import { DNS_PORT } from '../application/dns.js'
import { tlsCipherName, tlsVersionName } from '../application/tls-names.js'
import { formatWords } from '../wire/address.js'
import type { ApplicationBehavior } from './behavior-report.js'

/** Names that are counted of each kind; others are only in the sums. */
const NAMES_MAX = 4096
const NAMES_SHOWN = 3

const NO_ERROR = 0
/** From so many characters on a name that is no reverse one is unusually long. */
const LONG_NAME = 100
const REVERSE = /\.(?:arpa|ip6\.int)$/

const TLS_1_2 = 0x0303
/** Without encryption, without a certificate, or broken. */
const WEAK_CIPHER = /_NULL_|_anon_|_EXPORT|_RC4_|_RC2_|_DES_|_3DES_/

/** What packets say of applications, as far as a person should know of it. */
export class ApplicationFacts implements ApplicationSink {
  #responses = 0
  #failed = 0
  #servers = 0
  readonly #failing = new Map<string, number>()
  readonly #longNames = new Map<string, number>()
  readonly #weak = new Map<string, number>()
  readonly #credentials = new Map<string, number>()

  readonly dns: NonNullable<ApplicationSink['dns']> = (ends, message) => {
    const question = message.questions[0]
    if (ends.sourcePort !== DNS_PORT && ends.destinationPort !== DNS_PORT) return
    if (question === undefined) return
    if (!message.isResponse) {
      const { name } = question
      if (name.length >= LONG_NAME && !REVERSE.test(name)) {
        count(this.#longNames, name.split('.').slice(-2).join('.'))
      }
      return
    }
    this.#responses++
    if (message.rcode === NO_ERROR) return
    this.#failed++
    count(this.#failing, question.name)
  }

  readonly tls: NonNullable<ApplicationSink['tls']> = (ends, hello) => {
    if (hello.type !== 'server') return
    this.#servers++
    const cipher = tlsCipherName(hello.cipher)
    const isWeakVersion = hello.version < TLS_1_2
    if (!isWeakVersion && !WEAK_CIPHER.test(cipher)) return
    const server = formatWords(ends.ipVersion, ends.source)
    const what = isWeakVersion ? tlsVersionName(hello.version) : cipher
    count(this.#weak, `${server} port ${ends.sourcePort} (${what})`)
  }

  readonly http: NonNullable<ApplicationSink['http']> = (ends, head) => {
    if (head.type !== 'request' || !head.hasPassword) return
    count(this.#credentials, formatWords(ends.ipVersion, ends.destination))
  }

  report(): ApplicationBehavior {
    return {
      dns: {
        responses: this.#responses,
        failed: this.#failed,
        names: most(this.#failing),
        longNames: most(this.#longNames),
      },
      weakTls: most(this.#weak),
      tlsServers: this.#servers,
      credentials: most(this.#credentials),
    }
  }
}

function count(counts: Map<string, number>, name: string): void {
  const before = counts.get(name)
  if (before !== undefined || counts.size < NAMES_MAX) counts.set(name, (before ?? 0) + 1)
}

function most(counts: ReadonlyMap<string, number>): (readonly [string, number])[] {
  return [...counts].sort(([, left], [, right]) => right - left).slice(0, NAMES_SHOWN)
}
