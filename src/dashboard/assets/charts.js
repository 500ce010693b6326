/* Charts of the dashboard: uPlot, the global of uplot.js, for traffic; an SVG a row for sessions. */

const root = document.documentElement
/** A colour of the style sheet, as it is in this mode. */
const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim()
const two = (value) => String(value).padStart(2, '0')

/** `1234` as `1.23 k`. */
export function scaled(value, unit = '') {
  const steps = ['', 'k', 'M', 'G', 'T']
  let step = 0
  while (Math.abs(value) >= 1000 && step < steps.length - 1) {
    value /= 1000
    step++
  }
  const digits = Number.isInteger(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${steps[step]}${unit}`.trim()
}

/** Traffic and loss over the last minutes. `unit`: packets or bits. */
export class TrafficChart {
  #element
  #chart
  #unit = 'packets'
  #rows = [[], [], [], []]

  constructor(element) {
    this.#element = element
    new ResizeObserver(() => {
      this.#chart?.setSize({ width: element.clientWidth, height: 200 })
    }).observe(element)
    // The colours are part of the picture.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw())
  }

  set unit(unit) {
    this.#unit = unit
    this.#draw()
  }

  /** Columns: seconds, packets a second, lost a second, bits a second. */
  show(rows) {
    this.#rows = rows
    if (this.#chart === undefined) this.#draw()
    else this.#chart.setData(this.#data())
  }

  #data() {
    const [times, packets, lost, bits] = this.#rows
    return this.#unit === 'packets' ? [times, packets, lost] : [times, bits]
  }

  #draw() {
    this.#chart?.destroy()
    const unit = this.#unit === 'packets' ? '/s' : 'bit/s'
    const format = (value) => (value === null || value === undefined ? '–' : scaled(value, unit))
    const axis = {
      stroke: colour('dim'),
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    }
    const line = (label, name) => ({
      label,
      stroke: colour(name),
      fill: `${colour(name)}30`,
      width: 1.5,
      points: { show: false },
      value: (_, value) => format(value),
    })
    const series = [line(this.#unit === 'packets' ? 'Received' : 'Mirrored', 'kept')]
    if (this.#unit === 'packets') series.push(line('Lost by the kernel', 'bad'))
    this.#chart = new uPlot(
      {
        width: this.#element.clientWidth,
        height: 200,
        scales: {
          x: { range: (_, __, high) => [high - 300, high] },
          y: { range: (_, __, high) => [0, high > 0 ? high * 1.1 : 1] },
        },
        axes: [
          {
            ...axis,
            space: 90,
            values: (_, splits) =>
              splits.map((seconds) => {
                const at = new Date(seconds * 1000)
                return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
              }),
          },
          { ...axis, size: 70, values: (_, splits) => splits.map(format) },
        ],
        cursor: { y: false, points: { size: 6 } },
        series: [
          {
            label: 'Time',
            value: (_, seconds) =>
              seconds === null ? '–' : new Date(seconds * 1000).toLocaleTimeString(),
          },
          ...series,
        ],
      },
      this.#data(),
      this.#element,
    )
  }
}

const SVG = 'http://www.w3.org/2000/svg'
/** Of a sparkline, in units of its own: a second is one wide. */
const SECONDS = 59
const HEIGHT = 20

/** A picture of the last minute of a session, for `drawSparkline`. The style sheet has its size and colours. */
export function newSparkline() {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', `0 0 ${SECONDS} ${HEIGHT}`)
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.ariaHidden = 'true'
  svg.append(document.createElementNS(SVG, 'path'), document.createElementNS(SVG, 'path'))
  return svg
}

/** Rates of each second, the last at the right: as high as their own maximum. */
export function drawSparkline(svg, rates) {
  const [area, line] = svg.children
  const high = Math.max(...rates, 1e-9)
  const first = SECONDS + 1 - rates.length
  const points = rates.map((rate, at) => {
    const y = HEIGHT - 1 - (rate / high) * (HEIGHT - 2)
    return `${first + at} ${y.toFixed(1)}`
  })
  const path = points.length < 2 ? '' : `M${points.join('L')}`
  line.setAttribute('d', path)
  area.setAttribute('d', path && `${path}V${HEIGHT}H${first}Z`)
}
