import { readFileSync } from 'node:fs'

/** How many descriptors this process may have open at a time. Node has raised `ulimit -n` to its hard limit. */
export function descriptorLimit(): number {
  const soft = fromProc() ?? fromReport()
  return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft)
}

function fromProc(): string | undefined {
  try {
    return /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

/** Where there is no /proc. */
function fromReport(): string | number {
  const { userLimits } = process.report.getReport() as {
    userLimits?: Record<string, { soft: string | number }>
  }
  return userLimits?.['open_files']?.soft ?? 'unlimited'
}
