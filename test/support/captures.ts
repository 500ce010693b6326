import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Captures made by others with truth made by independent tools. They are not
 * part of the repository; CI has them beside the checkout.
 */
export const CAPTURES_DIR =
  process.env['MIRRORTAP_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures/open')

/** Paths of the captures, without their truth files; empty where the folder is absent. */
export function captureFiles(): string[] {
  if (!existsSync(CAPTURES_DIR)) return []
  return readdirSync(CAPTURES_DIR)
    .filter((name) => !name.endsWith('.truth.json'))
    .sort()
    .map((name) => join(CAPTURES_DIR, name))
}
