/*
 * Makes tables tools: their heads sort, a field searches, a button lengthens, a filter is copied with a click,
 * and a session chosen at the top leaves out the rows of the others. Without scripts they are whole.
 */
;(() => {
  const FEW = 10
  const STEP = 20
  /** So many rows need no field to search in. */
  const SEARCHED = 6
  const tables = []

  /** Made once: `localeCompare` would make one for each comparison. */
  const byText = new Intl.Collator('en', { numeric: true }).compare

  function textOf(cell) {
    return cell === undefined ? '' : cell.textContent.trim()
  }

  function sortKeyOf(row, column) {
    const cell = row.cells[column]
    const value = cell?.dataset.v
    return value === undefined ? textOf(cell) : Number(value)
  }

  function compare(left, right) {
    if (typeof left === 'number' && typeof right === 'number') return left - right
    return byText(String(left), String(right))
  }

  function button(text, className) {
    const made = document.createElement('button')
    made.type = 'button'
    made.className = className
    made.textContent = text
    return made
  }

  class Table {
    #table
    #body
    #rows
    #shown = FEW
    #query = ''
    #session
    #sorted
    #more = button('', 'more')
    #count = document.createElement('span')
    #search

    constructor(table) {
      this.#table = table
      this.#body = table.tBodies[0]
      this.#rows = [...this.#body.rows]
      this.#count.className = 'dim'
      this.#count.setAttribute('role', 'status')
      for (const [column, th] of [...table.tHead.rows[0].cells].entries()) this.#addSort(th, column)
      const foot = document.createElement('div')
      foot.className = 'foot'
      foot.append(this.#more, this.#count)
      table.parentElement.after(foot)
      if (this.#rows.length > SEARCHED) this.#addSearch()
      this.#more.addEventListener('click', () => {
        this.#shown = this.#shown + STEP
        this.show()
      })
      this.show()
    }

    set session(session) {
      this.#session = session
      this.show()
    }

    #addSort(th, column) {
      if (th.dataset.fixed !== undefined || this.#rows.length < 2) return
      const sort = button(th.textContent, 'sort')
      th.replaceChildren(sort)
      sort.addEventListener('click', () => {
        const isNumber = typeof sortKeyOf(this.#rows[0], column) === 'number'
        const usual = isNumber ? 'descending' : 'ascending'
        const other = isNumber ? 'ascending' : 'descending'
        const direction =
          this.#sorted?.th === th && this.#sorted.direction === usual ? other : usual
        this.#sorted?.th.removeAttribute('aria-sort')
        th.setAttribute('aria-sort', direction)
        this.#sorted = { th, direction }
        const sign = direction === 'ascending' ? 1 : -1
        this.#rows.sort((a, b) => sign * compare(sortKeyOf(a, column), sortKeyOf(b, column)))
        this.#body.append(...this.#rows)
        this.show()
      })
    }

    #addSearch() {
      this.#search = document.createElement('input')
      this.#search.type = 'search'
      this.#search.placeholder = `Search ${this.#rows.length} rows`
      this.#search.setAttribute('aria-label', `Search the table ${this.#name()}`)
      this.#search.addEventListener('input', () => {
        this.#query = this.#search.value.trim().toLowerCase()
        this.show()
      })
      const bar = document.createElement('div')
      bar.className = 'find'
      bar.append(this.#search)
      this.#table.parentElement.before(bar)
    }

    #name() {
      const section = this.#table.closest('section')
      const before = this.#table.parentElement.previousElementSibling
      return before?.tagName === 'H3' ? before.textContent : section.querySelector('h2').textContent
    }

    #isWanted(row) {
      const { session } = row.dataset
      if (this.#session === undefined) {
        if (row.classList.contains('extra')) return false
      } else if (session !== undefined && session !== this.#session) return false
      return this.#query === '' || row.textContent.toLowerCase().includes(this.#query)
    }

    /** A search shows all that it finds. */
    show() {
      const wanted = this.#rows.filter((row) => this.#isWanted(row))
      const shown = new Set(this.#query === '' ? wanted.slice(0, this.#shown) : wanted)
      for (const row of this.#rows) row.hidden = !shown.has(row)
      const rest = wanted.length - shown.size
      this.#more.hidden = rest === 0
      this.#more.textContent = rest > STEP ? `Show ${STEP} more of ${rest}` : `Show ${rest} more`
      const isNarrow = this.#query !== '' || this.#session !== undefined
      this.#count.textContent = isNarrow ? `${wanted.length} found` : ''
    }
  }

  for (const table of document.querySelectorAll('table.data')) tables.push(new Table(table))

  async function copy(code) {
    try {
      await navigator.clipboard.writeText(code.textContent)
      return true
    } catch {
      code.style.display = 'inline-block'
      getSelection().selectAllChildren(code)
      return false
    }
  }

  // Whoever reads a filter has it in the title of its button.
  document.documentElement.classList.add('tools')
  for (const code of document.querySelectorAll('.filter code, .findings code')) {
    const act = button('copy', 'copy')
    act.title = code.textContent
    act.setAttribute('aria-label', `Copy the filter ${code.textContent}`)
    code.after(act)
  }
  document.addEventListener('click', async ({ target }) => {
    if (!target.classList?.contains('copy')) return
    target.textContent = (await copy(target.previousElementSibling)) ? 'copied' : 'selected'
    setTimeout(() => {
      target.textContent = 'copy'
    }, 1500)
  })

  /** A session to look at alone; told to the charts as an event. */
  const names = [
    ...new Set(
      [...document.querySelectorAll('#sessions tr[data-session]')].map(
        ({ dataset }) => dataset.session,
      ),
    ),
  ]
  if (names.length > 1) {
    const select = document.createElement('select')
    select.id = 'session'
    select.append(new Option(`all ${names.length} sessions`, '\n'))
    select.append(...names.map((name) => new Option(name || 'not mirrored', name)))
    const label = document.createElement('label')
    label.className = 'session'
    label.append('Session ', select)
    document.querySelector('.findings').after(label)
    select.addEventListener('change', () => {
      const session = select.value === '\n' ? undefined : select.value
      for (const table of tables) table.session = session
      for (const note of document.querySelectorAll('.of-all')) note.hidden = session === undefined
      document.dispatchEvent(new CustomEvent('session', { detail: session }))
    })
  }
})()
