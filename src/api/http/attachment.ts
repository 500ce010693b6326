/** Header fields of a file that a browser is to save under that name (RFC 6266). What would need an escape becomes `_`. */
export function attachment(name: string): Record<string, string> {
  return {
    'Content-Disposition': `attachment; filename="${name.replace(/[^\w.-]/g, '_')}"`,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  }
}
