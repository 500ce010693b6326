/** Puts a run of offline.mjs where it stays: what was run on what, the table, every sample. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** What a program says of its version, in one line. */
function versionOf(program, ...args) {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (error !== undefined) return undefined
  return `${stdout}${stderr}`
    .split('\n')
    .find((line) => /\d+\.\d+/.test(line))
    ?.match(/^.*?\d+(\.\d+)+/)?.[0]
    .trim()
}

function tableOf(rows) {
  const names = Object.keys(rows[0])
  const lines = [
    names,
    names.map(() => '---'),
    ...rows.map((row) => names.map((name) => row[name])),
  ]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

export function keepRun(directory, { commit, rounds, absent, runs }) {
  const machine = {
    cpu: cpus()[0].model,
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  }
  const tools = [
    versionOf('nfpcapd', '-V'),
    versionOf('softflowd', '-h'),
    versionOf('argus', '-h'),
    versionOf('capinfos', '--version'),
  ].filter((line) => line !== undefined)
  const parts = runs.map(({ capture, rows }) => {
    const facts = `${capture.packets} packets, ${capture.flows} flows, ${capture.seconds} s`
    return `## ${capture.name}: ${facts}\n\n${tableOf(rows)}\n`
  })
  if (absent.length > 0) parts.push(`Not installed: ${absent.join(', ')}.\n`)

  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/summary.md`, `# Offline, commit ${commit}\n\n${parts.join('\n')}`)
  writeFileSync(
    `${directory}/raw.json`,
    `${JSON.stringify({ commit, machine, tools, rounds: Number(rounds), runs }, null, 1)}\n`,
  )
  writeFileSync(
    `${directory}/README.md`,
    `# A run of scripts/bench/offline.mjs

- commit ${commit}, Node ${machine.node}, kernel ${machine.kernel}
- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGB} GB
- ${tools.join('; ')}
- \`node scripts/bench/offline.mjs --rounds ${rounds} --keep <here>\`

\`summary.md\` has the tables, \`raw.json\` every sample.
`,
  )
}
