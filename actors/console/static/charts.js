// Line charts over uPlot, in the page's colours; they follow its scheme and width.

const SHORTEST_SPAN = 60; // seconds
const clock = new Intl.DateTimeFormat([], {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colour of the n-th line. */
export function colour(n) {
  return css(`--s${n % 6}`);
}

export class Chart {
  /**
   * @param {HTMLElement} place holds the chart; its size is the stylesheet's
   * @param {(value: number) => string} format of the vertical axis
   * @param {number} floor the vertical axis reaches at least so far
   * @param {(index: number | null) => void} onCursor told where the pointer is
   */
  constructor(place, format, floor, onCursor = () => {}) {
    this.place = place;
    this.format = format;
    this.floor = floor;
    this.onCursor = onCursor;
    this.plot = null;
    this.lines = 0;
    new ResizeObserver(() => this.#fit()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      this.plot?.redraw(false, true),
    );
  }

  /** Shows columns: times in seconds, then one per line, null where there is nothing. */
  show(columns) {
    const lines = columns.length - 1;
    const empty = !columns.slice(1).some((line) => line.some((value) => value !== null));
    this.place.classList.toggle("is-empty", empty);
    if (this.plot === null || lines !== this.lines) this.#build(lines);
    this.plot?.setData(columns);
  }

  #build(lines) {
    this.plot?.destroy();
    this.lines = lines;
    if (lines === 0 || typeof uPlot === "undefined") {
      this.plot = null;
      return;
    }
    const font = `11px ${css("--font")}`;
    const axis = {
      font, stroke: () => css("--quiet"),
      grid: { stroke: () => css("--grid"), width: 1 }, ticks: { show: false },
    };
    const options = {
      ...this.#size(),
      legend: { show: false },
      cursor: { y: false, drag: { setScale: false }, points: { size: 7 } },
      padding: [10, 24, 0, 0],
      scales: {
        x: { time: true, range: (_, low, high) => [Math.min(low, high - SHORTEST_SPAN), high] },
        y: { range: (_, low, high) => [0, Math.max(this.floor, (high ?? 0) * 1.15)] },
      },
      axes: [
        {
          ...axis, size: 26, space: 90, gap: 6,
          grid: { show: false },
          values: (_, splits) => splits.map((split) => clock.format(split * 1000)),
        },
        {
          ...axis, size: 52, gap: 6, space: 32,
          values: (_, splits) => splits.map((split) => this.format(split)),
        },
      ],
      series: [{}].concat(
        Array.from({ length: lines }, (_, n) => ({
          stroke: () => colour(n), width: 2, points: { show: false }, spanGaps: false,
        })),
      ),
      hooks: { setCursor: [(plot) => this.onCursor(plot.cursor.idx ?? null)] },
    };
    this.plot = new uPlot(options, [[], ...Array.from({ length: lines }, () => [])], this.place);
  }

  #size() {
    return { width: this.place.clientWidth, height: this.place.clientHeight };
  }

  #fit() {
    this.plot?.setSize(this.#size());
  }
}
