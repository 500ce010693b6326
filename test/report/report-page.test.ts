import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { AnalysisReport } from '../../src/analyze/analysis-report.js'
import { parseExpression } from '../../src/filter/parser.js'
import { reportPage } from '../../src/report/report-page.js'
import { analyzed, analyzedFiles } from '../analyze/analyzed.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const HOSTILE = `</script><script>alert(1)</script><img src=x onerror="alert('2')">&amp;<!--.pcap`

let report: AnalysisReport

beforeAll(async () => {
  report = await analyzedFiles([join(SAMPLES, 'vxlan-two-sessions.pcap')])
})

/** The report with names as nobody should have them. */
function hostile(): AnalysisReport {
  const copy = structuredClone(report)
  copy.files[0]!.file = HOSTILE
  copy.findings[0]!.text = HOSTILE
  copy.sessions[0]!.session = HOSTILE
  copy.series.sessions[0]!.name = HOSTILE
  copy.series.protocols[0]!.name = HOSTILE
  copy.protocols[0]!.name = HOSTILE
  copy.conversations.matrix.addresses[0] = HOSTILE
  return copy
}

describe('reportPage', () => {
  test('lets no name out of its place', () => {
    const page = reportPage(hostile())
    expect(page).not.toContain('<script>alert')
    expect(page).not.toContain('<img')
    expect(page).not.toContain('<!--')
    expect(page.match(/<script/g)).toHaveLength(4)
    expect(page.match(/<\/script/g)).toHaveLength(4)
    const data = /<script type="application\/json" id="chart-data">(.*?)<\/script>/s.exec(page)![1]!
    const names = JSON.parse(data).time.sessions.map(({ name }: { name: string }) => name)
    expect(names).toContain(HOSTILE)
  })

  test('runs and styles only what its policy names by hash', () => {
    const page = reportPage(report)
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!
    expect(policy).toContain('default-src &#39;none&#39;')
    expect(policy).not.toContain('unsafe')
    const inline = [...page.matchAll(/<(script|style)>(.*?)<\/\1>/gs)]
    expect(inline).toHaveLength(6)
    for (const [, , text] of inline) {
      const hash = createHash('sha256').update(text!).digest('base64')
      expect(policy).toContain(`sha256-${hash}`)
    }
    expect(page).not.toMatch(/ style=/)
  })

  test('names nothing outside of itself', () => {
    const page = reportPage(report)
    const markup = page.replace(/<(script|style)[\s\S]*?<\/\1>/g, '')
    expect([...markup.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1])).toEqual([
      'data:,',
    ])
  })

  test('has a section for all that was found', () => {
    const page = reportPage(report)
    const sections = [...page.matchAll(/<section id="(\w+)"/g)].map((match) => match[1])
    expect(sections).toEqual([
      'traffic',
      'sessions',
      'talkers',
      'conversations',
      'matrix',
      'protocols',
      'tcp',
      'flows',
      'packets',
      'files',
    ])
    expect(page).toContain('23 packets came twice')
  })

  test('gives every row the filter of its packets, and their link where an appliance has them', () => {
    const page = reportPage(report, { appliance: 'http://10.0.0.5:4780' })
    const markup = page.replace(/<(script|style)[\s\S]*?<\/\1>/g, '')
    const filters = [...markup.matchAll(/<code title="([^"]*)">/g)].map((match) => match[1]!)
    expect(filters.length).toBeGreaterThan(20)
    for (const filter of new Set(filters)) expect(() => parseExpression(filter)).not.toThrow()
    const links = [...markup.matchAll(/<a href="([^"]*)">packets/g)].map(
      (match) => new URL(match[1]!.replaceAll('&amp;', '&')),
    )
    expect(links).toHaveLength(filters.length)
    for (const [index, { origin, hash }] of links.entries()) {
      expect(origin).toBe('http://10.0.0.5:4780')
      expect(new URLSearchParams(hash.slice('#packets?'.length)).get('filter')).toBe(filters[index])
    }
  })

  test('names ports and hosts, and lists flows of a session that are not among the largest of all', async () => {
    const copy = structuredClone(report)
    const [flow] = copy.flows.topByBytes
    copy.names = { [flow!.srcAddr]: 'www.example.org' }
    copy.sessions[0]!.topFlows = [{ ...flow!, firstSeen: '1.000000000' }]
    const page = reportPage(copy)
    expect(page.match(/<tr data-session="[^"]*" class="extra">/g)).toHaveLength(1)
    expect(page).toContain('<b>www.example.org</b>')
    expect(page).toMatch(/tcp\/443 <span class="dim">https<\/span>/)
  })

  test('is a page without packets too', async () => {
    const page = reportPage(await analyzed([]))
    expect(page).toContain('There are no packets.')
    expect(page).not.toContain('NaN')
    expect(page).not.toContain('Infinity')
    expect(page).not.toContain('data-chart=')
  })
})
