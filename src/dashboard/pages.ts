import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page, Route } from '../api/http/route.js'

const modules = createRequire(import.meta.url)

/** What runs in the browser, as it is; the package brings src/ along. */
const ASSETS = new URL('../../src/dashboard/assets/', import.meta.url)

const SCRIPT = 'text/javascript; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'

/**
 * Nothing from anywhere else, nothing inline, in no frame (CSP Level 3). The referrer tells the server,
 * over plain HTTP too, that a request comes from its own page.
 */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
}

/** The dashboard without what it shows: everybody may have it, and it holds no data. */
export function dashboardPages(): Route[] {
  return [
    page('/', 'text/html; charset=utf-8', asset('dashboard.html')),
    page('/dashboard.css', STYLE, asset('dashboard.css')),
    page('/dashboard.js', SCRIPT, asset('dashboard.js')),
    page('/captures.js', SCRIPT, asset('captures.js')),
    page('/charts.js', SCRIPT, asset('charts.js')),
    page('/flow-captures.js', SCRIPT, asset('flow-captures.js')),
    page('/talkers.js', SCRIPT, asset('talkers.js')),
    page('/uplot.css', STYLE, readFileSync(modules.resolve('uplot/dist/uPlot.min.css'))),
    page('/uplot.js', SCRIPT, readFileSync(modules.resolve('uplot/dist/uPlot.iife.min.js'))),
  ]
}

function asset(name: string): Buffer {
  return readFileSync(new URL(name, ASSETS))
}

function page(path: string, contentType: string, body: Buffer): Route {
  const shown: Page = { status: 200, contentType, headers: HEADERS, body }
  return { path, answer: () => shown }
}
