/** Bytes drawn as hex digits; white space and `// …` to the end of a line are left out. */
export function hex(strings: TemplateStringsArray, ...values: readonly unknown[]): Buffer {
  const text = String.raw({ raw: strings }, ...values)
  const digits = text.replace(/\/\/[^\n]*/g, '').replace(/\s+/g, '')
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) throw new Error(`not hex: ${digits}`)
  return Buffer.from(digits, 'hex')
}
