/*
 * Draws the charts of a report from the JSON in the page; everything else is plain
 * markup. uPlot, its global, is in the script before this one.
 */
;(() => {
  const data = JSON.parse(document.getElementById('chart-data').textContent)
  const root = getComputedStyle(document.documentElement)
  const colour = (name) => root.getPropertyValue(`--${name}`).trim()
  const charts = new Map()
  let measure = 'bytes'

  const scaled = (value, units, step) => {
    let unit = 0
    while (Math.abs(value) >= step && unit < units.length - 1) {
      value /= step
      unit++
    }
    const digits = value === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1
    return `${value.toFixed(digits)} ${units[unit]}`
  }
  const bytesPerSecond = (value) => scaled(value, ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s'], 1000)
  const perSecond = (value) => scaled(value, ['/s', 'k/s', 'M/s', 'G/s'], 1000)
  const count = (value) => scaled(value, ['', 'k', 'M', 'G'], 1000).trim()

  const axis = (more) => ({
    stroke: colour('dim'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1 },
    font: '12px system-ui, sans-serif',
    ...more,
  })

  /** Below a hundredth of a second a clock says nothing: offsets from the start then. */
  const isBrief = () => data.time.binSeconds < 0.01
  const offsetText = (seconds) => {
    if (seconds === 0) return '0'
    if (Math.abs(seconds) < 1e-3) return `${+(seconds * 1e6).toPrecision(6)} µs`
    if (Math.abs(seconds) < 1) return `${+(seconds * 1e3).toPrecision(6)} ms`
    return `${+seconds.toPrecision(6)} s`
  }

  const two = (value) => String(value).padStart(2, '0')
  const clockText = (seconds, incr) => {
    const at = new Date(seconds * 1000)
    const text = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`
    if (incr >= 60) return text
    const whole = `${text}:${two(at.getUTCSeconds())}`
    return incr >= 1 ? whole : `${whole}.${String(at.getUTCMilliseconds()).padStart(3, '0')}`
  }
  const dateText = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10)
  /** The time of day, and the date where it is another than before. */
  const clockTexts = (_, splits, __, ___, incr) =>
    splits.map((seconds, index) => {
      const date = dateText(seconds)
      const isNew = index === 0 || date !== dateText(splits[index - 1])
      const clock = incr >= 86400 ? '' : clockText(seconds, incr)
      return isNew ? `${clock}\n${date}` : clock
    })

  /** Lines on top of each other: each is the sum of those shown from it on, the heaviest at the bottom. */
  function stacked(lines, shown) {
    const { binSeconds } = data.time
    let below = lines[0][measure].map(() => 0)
    return lines.map((line, index) => {
      if (shown[index]) below = below.map((sum, bin) => sum + line[measure][bin] / binSeconds)
      return below
    })
  }

  function timeChart(element, lines) {
    const { start, binSeconds } = data.time
    const bins = lines[0].bytes.length
    const origin = isBrief() ? 0 : start
    // One more, so that the last bin has its width.
    const times = Array.from({ length: bins + 1 }, (_, bin) => origin + bin * binSeconds)
    const shown = lines.map(() => true)
    const format = measure === 'bytes' ? bytesPerSecond : perSecond
    // What lies on top is drawn first and painted over: the last line of the chart is the lowest.
    const table = () => {
      const sums = stacked(lines, shown).map((sum) => [...sum, sum.at(-1)])
      return [times, ...sums.reverse()]
    }
    const series = lines.map((line, index) => ({
      label: line.name,
      stroke: colour(`line${index % 8}`),
      fill: colour(`line${index % 8}`),
      width: 1,
      paths: uPlot.paths.stepped({ align: 1 }),
      points: { show: false },
      value: (_, sum, __, bin) =>
        sum === null || bin === null ? '–' : format((line[measure][bin] ?? 0) / binSeconds),
    }))
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: 280,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
        scales: {
          x: { time: !isBrief() },
          y: { range: (_, __, high) => [0, high > 0 ? high * 1.05 : 1] },
        },
        axes: [
          axis({
            space: 80,
            values: isBrief() ? (_, splits) => splits.map(offsetText) : clockTexts,
          }),
          axis({ size: 76, values: (_, splits) => splits.map(format) }),
        ],
        cursor: { y: false },
        series: [
          {
            label: isBrief() ? 'after' : 'UTC',
            value: (_, at) => {
              if (at === null) return '–'
              return isBrief()
                ? offsetText(at)
                : `${dateText(at)} ${clockText(at, binSeconds % 60)}`
            },
          },
          ...series.reverse(),
        ],
        hooks: {
          setSeries: [
            (plot, index, options) => {
              if (index === null || options.show === undefined) return
              shown[lines.length - index] = options.show
              plot.setData(table())
            },
          ],
        },
      },
      table(),
      element,
    )
    // The legend reads from the heaviest on.
    for (const [index, row] of element.querySelectorAll('.u-legend .u-series').entries()) {
      row.style.order = index === 0 ? -1 : lines.length - index
    }
    return chart
  }

  function distributionChart(element, { what, labels, counts }) {
    const places = labels.map((_, place) => place)
    const labelAt = (place) => labels[place] ?? ''
    return new uPlot(
      {
        width: element.clientWidth,
        height: 220,
        scales: {
          x: { time: false, range: () => [-0.5, labels.length - 0.5] },
          y: { range: (_, __, high) => [0, high > 0 ? high * 1.05 : 1] },
        },
        axes: [
          axis({
            grid: { show: false },
            space: 64,
            incrs: [1, 2, 3, 5, 10, 20],
            values: (_, splits) =>
              splits.map((place) => (Number.isInteger(place) ? labelAt(place) : '')),
          }),
          axis({
            size: 56,
            values: (_, splits) =>
              splits.map((value) => (Number.isInteger(value) ? count(value) : '')),
          }),
        ],
        cursor: { drag: { x: false, y: false }, y: false },
        series: [
          {
            label: 'from',
            value: (_, place) => (place === null ? '–' : labelAt(place)),
          },
          {
            label: what,
            stroke: colour('line0'),
            fill: colour('line0'),
            width: 0,
            points: { show: false },
            paths: uPlot.paths.bars({ size: [0.86, 60] }),
            value: (_, value) => (value === null ? '–' : value.toLocaleString('en-US')),
          },
        ],
      },
      [places, counts],
      element,
    )
  }

  function draw(element) {
    charts.get(element)?.destroy()
    const name = element.dataset.chart
    const chart =
      name === 'sessions' || name === 'protocols'
        ? timeChart(element, data.time[name])
        : distributionChart(element, data.distributions[name])
    charts.set(element, chart)
  }

  const elements = [...document.querySelectorAll('[data-chart]')]
  for (const element of elements) draw(element)

  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const chart = charts.get(target)
      if (chart.width !== target.clientWidth && target.clientWidth > 0) {
        chart.setSize({ width: target.clientWidth, height: chart.height })
      }
    }
  })
  for (const element of elements) sizes.observe(element)

  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const element of elements) draw(element)
  })

  for (const button of document.querySelectorAll('[data-measure]')) {
    button.addEventListener('click', () => {
      measure = button.dataset.measure
      for (const other of document.querySelectorAll('[data-measure]')) {
        other.setAttribute('aria-pressed', String(other === button))
      }
      for (const element of elements) {
        if (['sessions', 'protocols'].includes(element.dataset.chart)) draw(element)
      }
    })
  }
})()
