import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Analysis, type AnalysisOptions } from '../../src/analyze/analysis.js'
import type { AnalysisReport } from '../../src/analyze/analysis-report.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'

const OPTIONS: AnalysisOptions = {
  decap: 'auto',
  vxlanPort: 4789,
  genevePort: 6081,
  maxFlows: 4096,
  top: 10,
}

/** The report on capture files. */
export async function analyzedFiles(
  paths: readonly string[],
  options: Partial<AnalysisOptions> = {},
): Promise<AnalysisReport> {
  const analysis = new Analysis({ ...OPTIONS, ...options })
  await analysis.readAll(paths)
  return analysis.report()
}

/** The report on packets, as if they lay in a capture file. */
export async function analyzed(
  shots: readonly Shot[],
  options: Partial<AnalysisOptions> = {},
): Promise<AnalysisReport> {
  const path = join(temporaryDirectory(), 'capture.pcap')
  writeFileSync(path, pcapFile(shots))
  return analyzedFiles([path], options)
}
