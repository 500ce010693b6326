import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AnalysisReport } from '../analyze/analysis-report.js'
import { chartData } from './chart-data.js'
import { Html, html, jsonMarkup } from './html.js'
import { type PageOptions, reportSections } from './report-sections.js'

const modules = createRequire(import.meta.url)

/** What runs in the browser, as it is; the package brings src/ along. */
const ASSETS = new URL('../../src/report/assets/', import.meta.url)

/**
 * One page that needs nothing but itself: styles, scripts and data are inside, and
 * its content security policy lets nothing else in. Tables are plain markup that scripts
 * sort and search; only charts need them. What comes from captures and file names shows as text.
 */
export function reportPage(report: AnalysisReport, options: PageOptions = {}): string {
  const styles = [moduleText('uplot/dist/uPlot.min.css'), assetText('report.css'), widthRules()]
  const scripts = [
    moduleText('uplot/dist/uPlot.iife.min.js'),
    assetText('tables.js'),
    assetText('report.js'),
  ]
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `style-src ${styles.map(hashSource).join(' ')}`,
    `script-src ${scripts.map(hashSource).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  const names = report.files.map(({ file }) => file).join(', ')
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${names} – mirrortap</title>
<link rel="icon" href="data:,">
${styles.map((style) => html`<style>${new Html(style)}</style>\n`)}</head>
<body>
${reportSections(report, options)}
<script type="application/json" id="chart-data">${jsonMarkup(chartData(report))}</script>
${scripts.map((script) => html`<script>${new Html(script)}</script>\n`)}</body>
</html>
`.text
}

function assetText(name: string): string {
  return readFileSync(new URL(name, ASSETS), 'utf8')
}

function moduleText(name: string): string {
  return readFileSync(modules.resolve(name), 'utf8')
}

/** Bars in tables get their length from a class: the policy allows no style attributes. */
function widthRules(): string {
  return Array.from({ length: 101 }, (_, percent) => `.w${percent}{width:${percent}%}`).join('')
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
