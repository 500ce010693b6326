import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Inputs that cannot be read at all, made in `directory` if need be, and what is said of each. */
export const BAD_CAPTURES: readonly {
  what: string
  make: (directory: string) => string
  says: RegExp
}[] = [
  {
    what: 'a file that is no capture',
    make: (directory) => written(directory, 'notes.pcap', 'these are notes'),
    says: /notes\.pcap is not a capture file: .*; name a pcap or pcapng file$/,
  },
  {
    what: 'an empty file',
    make: (directory) => written(directory, 'empty.pcap', ''),
    says: /empty\.pcap is empty; /,
  },
  {
    what: 'a file that ends in its header',
    make: (directory) => written(directory, 'short.pcap', Buffer.from('d4c3b2a10200', 'hex')),
    says: /short\.pcap ends inside its header, after 6 bytes; /,
  },
  {
    what: 'a directory',
    make: (directory) => {
      mkdirSync(join(directory, 'captures'))
      return join(directory, 'captures')
    },
    says: /captures is a directory; name a file in it$/,
  },
  {
    what: 'a missing file',
    make: (directory) => join(directory, 'missing.pcap'),
    says: /missing\.pcap does not exist; check the path$/,
  },
]

function written(directory: string, name: string, content: string | Buffer): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}
