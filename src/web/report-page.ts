import type { AnalysisReport } from '../analyze/analysis-report.js'
export function reportPage(report: AnalysisReport): string {
  return JSON.stringify(report)
}
