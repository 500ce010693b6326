/** Columns of help texts, as commander assumes where it cannot know. */
export const HELP_WIDTH = 80

/** Breaks a line between words so that it fits; what follows is indented. Escape sequences take no room. */
export function wrapped(text: string, width: number, indent = ''): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/(?<=\S) /)) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && visibleLength(longer) > width) {
      lines.push(line)
      line = indent + word
    } else line = longer
  }
  lines.push(line)
  return lines
}

function visibleLength(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what an escape sequence begins with
  return [...text.replace(/\x1b\[\d+m/g, '')].length
}
