import { InvalidArgumentError, Option } from 'commander'

/** Others get nothing of what a command makes, and the group does not write: 0640 and 0750. */
const DEFAULT_MASK = 0o027
/** Of files made with every permission that files are made with. */
const ALL = 0o666
const OWNER = 0o600

/** For commands that write other people's traffic. */
export function fileModeOption(): Option {
  return new Option(
    '--file-mode <octal>',
    'permissions of new files, in octal; those who can read a file can also enter its directory (default: 0640 minus the umask)',
  ).argParser(parseFileMode)
}

/**
 * Sets the process's umask, which holds for every thread. Without a mode it only ever gets
 * stricter. To be called before anything is made.
 */
export function applyFileMode(mode: number | undefined): void {
  process.umask(mode === undefined ? process.umask() | DEFAULT_MASK : maskOf(mode))
}

/** Who may read a file may enter a directory. */
function maskOf(mode: number): number {
  const unreadable = ~mode & 0o444
  return (ALL & ~mode) | (unreadable >> 2)
}

function parseFileMode(text: string): number {
  const mode = /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : -1
  if (mode === -1 || (mode & ~ALL) !== 0 || (mode & OWNER) !== OWNER) {
    throw new InvalidArgumentError('Give the mode of files in octal, such as 0640, 0600 or 0644.')
  }
  return mode
}
