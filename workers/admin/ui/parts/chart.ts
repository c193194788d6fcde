import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { count, short } from '../format.ts';
import { html, type View } from '../html.ts';

export interface Line {
  label: string;
  /** A colour of tokens.css, such as `--good`. */
  colour: string;
  values: readonly number[];
}

export interface ChartProps {
  title: string;
  /** Epoch seconds, one for each value. */
  times: readonly number[];
  lines: readonly Line[];
  unit: string;
  /** Fixed upper end of the scale. */
  most?: number | undefined;
}

const height = 170;

/** Lines over time. The same numbers stand in a sentence for those who do not see them. */
export function Chart({ title, times, lines, unit, most }: ChartProps): View {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [theme, setTheme] = useState(0);
  const shape = lines.map(({ label, colour }) => `${label} ${colour}`).join();

  useEffect(() => {
    const repaint = (): void => setTheme((n) => n + 1);
    const media = matchMedia('(prefers-color-scheme: dark)');
    window.addEventListener('theme', repaint);
    media.addEventListener('change', repaint);
    return () => {
      window.removeEventListener('theme', repaint);
      media.removeEventListener('change', repaint);
    };
  }, []);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const made = new uPlot(optionsOf(element, { lines, unit, most }), dataOf(times, lines), element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, theme, unit, most]);
  useEffect(() => plot.current?.setData(dataOf(times, lines)), [times, lines]);

  return html`<figure class="chart">
    <figcaption>
      ${title}
      <span class="legend"
        >${lines.map(({ label, colour }) => html`<span class="key"><i class=${`swatch ${colour.slice(2)}`}></i>${label}</span>`)}</span
      >
    </figcaption>
    <div ref=${place} class="plot" role="img" aria-label=${sentence(title, lines, unit)}></div>
  </figure>`;
}

const dataOf = (times: readonly number[], lines: readonly Line[]): uPlot.AlignedData => [
  [...times],
  ...lines.map(({ values }) => [...values]),
];

const sentence = (title: string, lines: readonly Line[], unit: string): string =>
  `${title}: ${lines.map(({ label, values }) => `${label} ${count(Math.round((values.at(-1) ?? 0) * 10) / 10)} ${unit} now, ${count(Math.round(Math.max(0, ...values) * 10) / 10)} at most`).join('; ')}`;

/** A canvas knows no style sheet: colours are read when it is made. */
function optionsOf(element: HTMLElement, { lines, unit, most }: Pick<ChartProps, 'lines' | 'unit' | 'most'>): uPlot.Options {
  const probe = getComputedStyle(element);
  const colour = (name: string): string => resolve(element, probe.getPropertyValue(name));
  const axis = { stroke: colour('--dim'), grid: { stroke: colour('--edge'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
  return {
    width: element.clientWidth || 300,
    height,
    legend: { show: false },
    cursor: { points: { size: 6 }, y: false },
    padding: [8, 8, 0, 0],
    scales: { y: { range: (_plot, _min, max) => [0, most ?? Math.max(1, (max ?? 0) * 1.1)] } },
    axes: [
      { ...axis, size: 28, space: 70, values: (_plot, ticks) => ticks.map((at) => new Date(at * 1000).toTimeString().slice(0, 5)) },
      { ...axis, size: 44, space: 34, values: (_plot, ticks) => ticks.map((n) => short(n) + (unit === '%' ? ' %' : '')) },
    ],
    series: [
      {},
      ...lines.map((line) => ({ label: line.label, stroke: colour(line.colour), width: 1.5, points: { show: false }, spanGaps: true })),
    ],
  };
}

/** `light-dark(…)` as the colour that it is now. */
function resolve(element: HTMLElement, value: string): string {
  const probe = document.createElement('i');
  probe.style.color = value;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
