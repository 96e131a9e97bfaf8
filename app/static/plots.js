// What a plot shows, for who cannot see it: a sentence as its name, and below it what it draws as a table.

const plainText = (html) => String(html ?? '').replace(/<br\s*\/?>/gi, ' ').replace(/<[^>]*>/g, '').trim();
const figure = (value) => typeof value === 'number' ? String(Number(value.toPrecision(3))) : plainText(value);
const axisTitle = (plot, axis) => plainText(plot._fullLayout?.[axis]?.title?.text);

// The points of a trace as cells: what it is, where, how much.
function tracePoints(trace) {
  const name = plainText(trace.name), [x, y, z] = [trace.x, trace.y, trace.z].map((values) => values && Array.from(values));
  if (z) return z.flatMap((row, i) => Array.from(row, (value, j) => [name, `${figure(y?.[i] ?? i)}, ${figure(x?.[j] ?? j)}`, value]));
  if (!y) return (x ?? []).map((value) => [name, '', value]);  // a histogram
  const words = y.some((value) => typeof value === 'string');  // bars that lie: y says whose they are
  return (x ?? y.map((_, i) => i)).map((value, i) => words ? [name, figure(y[i]), value] : [name, figure(value), y[i]])
    .filter(([, , value]) => value !== null && value !== undefined && !Number.isNaN(value));
}

function traceSentence([name, points]) {
  const [[, from, first], [, to, last]] = [points[0], points.at(-1)];
  const told = points.length === 1 ? `${figure(first)} ${from && `at ${from}`}` : `${figure(first)} ${from && `at ${from}`} to ${figure(last)} ${to && `at ${to}`}`;
  return `${name || 'values'}: ${told.replace(/\s+/g, ' ').trim()}`;
}

function tracesOf(plot) {
  const traces = new Map();
  for (const trace of plot._fullData ?? []) {
    const points = trace.visible === true ? tracePoints(trace) : [];
    if (points.length) traces.set(plainText(trace.name), [...traces.get(plainText(trace.name)) ?? [], ...points]);
  }
  return traces;
}

function tellPlot(plot) {
  const traces = tracesOf(plot);
  const title = plainText(plot._fullLayout?.title?.text) || 'Figure';
  plot.setAttribute('role', 'figure');
  const written = (plot._fullLayout?.annotations ?? []).map(({text}) => plainText(text)).join(' ');  // what an empty plot says
  plot.setAttribute('aria-label', `${title}. ${traces.size ? [...traces].slice(0, 8).map(traceSentence).join('; ') : written || 'Nothing is drawn'}.`);
  const below = plot.nextElementSibling?.classList.contains('plot-told') ? plot.nextElementSibling : null;
  if (!traces.size) return below?.remove();
  const table = below ?? tableBelow(plot);
  table.querySelector('summary').textContent = `${title}: as a table`;
  if (table.open) fillTable(plot, table);
}

function tableBelow(plot) {
  const told = document.createElement('details');
  told.className = 'plot-told';
  told.innerHTML = '<summary></summary><div class="scroll" tabindex="0" role="group" aria-label="Figures"><table class="measures"></table></div>';
  told.addEventListener('toggle', () => told.open && fillTable(plot, told));
  plot.after(told);
  return told;
}

function fillTable(plot, told) {
  const heads = ['What', axisTitle(plot, 'xaxis') || 'Where', axisTitle(plot, 'yaxis') || 'Value'];
  const rows = [...tracesOf(plot).values()].flat();
  const cell = (kind, text) => Object.assign(document.createElement(kind), {textContent: text, ...(kind === 'th' && {scope: 'col'})});
  const line = (kind, texts) => { const row = document.createElement('tr'); row.append(...texts.map((text) => cell(kind, text))); return row; };
  const lies = (plot._fullData ?? []).some(({y}) => y && Array.from(y).some((value) => typeof value === 'string'));
  told.querySelector('table').replaceChildren(line('th', lies ? [heads[0], heads[2], heads[1]] : heads),
    ...rows.map(([name, where, value]) => line('td', [name, where, figure(value)])));
}

// Plots come and go: one that is new is told, and again whenever it is drawn anew.
new MutationObserver(() => {
  for (const told of document.querySelectorAll('.plot-told'))
    if (!told.previousElementSibling?.classList.contains('js-plotly-plot')) told.remove();
  for (const plot of document.getElementsByClassName('js-plotly-plot')) {
    if (plot.told || !plot.on || !plot._fullData) continue;
    plot.told = true;
    plot.on('plotly_afterplot', () => tellPlot(plot));
    tellPlot(plot);
  }
}).observe(document.documentElement, {childList: true, subtree: true});
