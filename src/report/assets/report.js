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
  let isLog = false
  /** The session that is looked at; undefined: all. */
  let session

  const scaled = (value, units, step) => {
    let unit = 0
    while (Math.abs(value) >= step && unit < units.length - 1) {
      value /= step
      unit++
    }
    if (value > 0 && value < 0.01) return `${value.toPrecision(1)} ${units[unit]}`
    const digits = value >= 100 || Number.isInteger(value) ? 0 : value < 1 ? 2 : 1
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

  const periods = data.time?.periods ?? []
  /** Of several periods each has the same part of the axis, with a gap behind it. */
  const isBroken = periods.length > 1
  const PART = 0.94
  /** Below a hundredth of a second a clock says nothing: offsets from the start then. */
  const isBrief = !isBroken && periods[0]?.binSeconds < 0.01
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

  /** Where each value of a line is on the axis: undefined between two periods. */
  const places = []
  for (const [index, { bins }] of periods.entries()) {
    const first = periods.slice(0, index).reduce((sum, one) => sum + one.bins, 0)
    if (index > 0) places.push(undefined)
    // One more, so that the last bin has its width.
    for (let bin = 0; bin <= bins; bin++) {
      places.push({ index, bin, at: first + Math.min(bin, bins - 1) })
    }
  }
  const xOf = ({ index, bin }) => {
    const { start, binSeconds, bins } = periods[index]
    if (isBroken) return index + (PART * bin) / bins
    return (isBrief ? 0 : start) + bin * binSeconds
  }
  const xs = places.map((place, at) =>
    place === undefined ? places[at - 1].index + 0.97 : xOf(place),
  )
  /** What time it is there; undefined in a gap. */
  const momentOf = (x) => {
    const period = periods[Math.floor(x)]
    const part = (x - Math.floor(x)) / PART
    if (period === undefined || part > 1.001) return undefined
    return period.start + part * period.bins * period.binSeconds
  }

  /** A second of a line, as packets or bytes; null in a gap. */
  const ratesOf = (line) =>
    places.map((place) =>
      place === undefined ? null : line[measure][place.at] / periods[place.index].binSeconds,
    )

  /** On top of each other: each is the sum of those shown from it on, the heaviest at the bottom. */
  function stacked(rates, shown) {
    let below = places.map((place) => (place === undefined ? null : 0))
    return rates.map((line, index) => {
      if (shown[index]) below = below.map((sum, at) => (sum === null ? null : sum + line[at]))
      return below
    })
  }

  /** Beginnings of bins, as many of each period as there is room for. */
  function brokenSplits(chart, _, low, high) {
    const splits = []
    const pixels = chart.bbox.width / devicePixelRatio / (high - low)
    for (
      let index = Math.max(0, Math.floor(low));
      index < periods.length && index < high;
      index++
    ) {
      const [from, to] = [Math.max(low, index), Math.min(high, index + PART)]
      const { bins } = periods[index]
      const wanted = Math.max(1, Math.floor(((to - from) * pixels) / 110))
      const step = Math.max(1, Math.round((((to - from) / PART) * bins) / wanted))
      const first = Math.ceil(((from - index) / PART) * bins - 1e-6)
      for (let bin = first; bin < bins && splits.length < 100; bin += step) {
        const x = index + (PART * bin) / bins
        if (x <= to) splits.push(x)
      }
    }
    return splits
  }

  /** As many as do not touch each other. */
  function brokenTexts(chart, splits) {
    let labelled
    return splits.map((x) => {
      const at = chart.valToPos(x, 'x')
      const moment = momentOf(x)
      if (moment === undefined || (labelled !== undefined && at - labelled.at < 88)) return ''
      const { binSeconds } = periods[Math.floor(x)]
      const clock = clockText(moment, binSeconds >= 60 ? 60 : Math.min(binSeconds, 1))
      const isNew = labelled === undefined || labelled.date !== dateText(moment)
      labelled = { at, date: dateText(moment) }
      return isNew ? `${clock}\n${labelled.date}` : clock
    })
  }

  function whenText(x) {
    if (x === null) return '–'
    if (isBrief) return offsetText(x)
    const moment = isBroken ? momentOf(x) : x
    if (moment === undefined) return '–'
    const { binSeconds } = periods[isBroken ? Math.floor(x) : 0]
    return `${dateText(moment)} ${clockText(moment, binSeconds % 60)}`
  }

  /** Where the axis leaves time out. */
  function drawGaps(chart) {
    if (!isBroken) return
    const { ctx, bbox } = chart
    ctx.save()
    ctx.strokeStyle = colour('dim')
    ctx.setLineDash([4, 4])
    for (let index = 0; index < periods.length - 1; index++) {
      const x = chart.valToPos(index + (1 + PART) / 2, 'x', true)
      if (x < bbox.left || x > bbox.left + bbox.width) continue
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
    }
    ctx.restore()
  }

  function timeChart(element, lines) {
    const shown = lines.map(() => true)
    const rates = lines.map(ratesOf)
    const format = measure === 'bytes' ? bytesPerSecond : perSecond
    // What lies on top is drawn first and painted over: the last line of the chart is the lowest. On a
    // logarithmic scale sums say nothing, and nothing is at 0.
    const table = () => {
      const values = isLog
        ? rates.map((line) => line.map((rate) => (rate === 0 ? null : rate)))
        : stacked(rates, shown)
      return [xs, ...values.reverse()]
    }
    const series = lines.map((line, index) => ({
      label: line.name,
      stroke: colour(`line${index % 8}`),
      ...(isLog ? {} : { fill: colour(`line${index % 8}`) }),
      width: isLog ? 1.5 : 1,
      paths: uPlot.paths.stepped({ align: 1 }),
      points: { show: false },
      value: (_, __, ___, at) => {
        const rate = at === null ? null : rates[index][at]
        return rate === null || rate === undefined ? '–' : format(rate)
      },
    }))
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: 280,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
        scales: {
          x: { time: !isBrief && !isBroken },
          y: isLog ? { distr: 3 } : { range: (_, __, high) => [0, high > 0 ? high * 1.05 : 1] },
        },
        axes: [
          axis({
            space: 80,
            ...(isBroken ? { splits: brokenSplits } : {}),
            values: isBroken
              ? brokenTexts
              : isBrief
                ? (_, splits) => splits.map(offsetText)
                : clockTexts,
          }),
          axis({
            size: 76,
            values: (_, splits) => splits.map((value) => (value === null ? '' : format(value))),
          }),
        ],
        // What is looked at and zoomed in one is in the other.
        cursor: { y: false, sync: { key: 'time', setSeries: false } },
        series: [
          { label: isBrief ? 'after' : 'UTC', value: (_, x) => whenText(x) },
          ...series.reverse(),
        ],
        hooks: {
          draw: [drawGaps],
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

  const isTime = ({ dataset }) => dataset.chart === 'sessions' || dataset.chart === 'protocols'

  function linesOf(name) {
    const { [name]: lines, more } = data.time
    if (name !== 'sessions' || session === undefined) return lines
    const own = [...lines, ...more].filter((line) => line.name === (session || 'not mirrored'))
    return own.length === 0 ? lines : own
  }

  function draw(element) {
    charts.get(element)?.destroy()
    const name = element.dataset.chart
    const chart = isTime(element)
      ? timeChart(element, linesOf(name))
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

  /** Draws the charts over time anew, where they were zoomed to. */
  function drawTimes() {
    for (const element of elements.filter(isTime)) {
      const { min, max } = charts.get(element).scales.x
      draw(element)
      charts.get(element).setScale('x', { min, max })
    }
  }

  for (const button of document.querySelectorAll('[data-measure]')) {
    button.addEventListener('click', () => {
      measure = button.dataset.measure
      for (const other of document.querySelectorAll('[data-measure]')) {
        other.setAttribute('aria-pressed', String(other === button))
      }
      drawTimes()
    })
  }
  document.querySelector('[data-log]')?.addEventListener('click', ({ target }) => {
    isLog = !isLog
    target.setAttribute('aria-pressed', String(isLog))
    drawTimes()
  })
  document.addEventListener('session', ({ detail }) => {
    session = detail
    drawTimes()
  })
})()
