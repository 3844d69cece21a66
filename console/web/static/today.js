"use strict";
// Draws the control charts; the figures come from the server, the colours from the style sheet.
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const percent = (value) => (value === null ? "" : `${Number((100 * value).toPrecision(3))} %`);

  async function draw(box) {
    const answer = await fetch(box.dataset.chart, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const chart = await answer.json();
    const line = (name, more) => ({ stroke: colour(name), width: 1, points: { show: false }, ...more });
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const out = new Set(chart.out);
    const day = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 10);
    const limits = { dash: [4, 4] };
    box.replaceChildren();
    new uPlot({
      width: box.clientWidth, height: box.clientHeight, legend: { show: false }, padding: [8, 8, 0, 0],
      cursor: { y: false }, scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 0.01)] } },
      tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "Etc/UTC"),
      axes: [{ ...axis, size: 26, space: 70, values: (_, marks) => marks.map((at) => day(at).slice(5)), incrs: [86400, 604800, 2592000] },
        { ...axis, size: 52, values: (_, marks) => marks.map(percent) }],
      series: [{}, line("--accent", { width: 1.75, label: chart.labels[0], points: { show: true, size: 6, fill: colour("--panel") } }),
        line("--edge", { label: chart.labels[1] }), line("--warn", { ...limits, label: chart.labels[2] }), line("--warn", { ...limits, label: chart.labels[3] })],
      hooks: { draw: [(plot) => {
        const ink = plot.ctx;
        chart.data[0].forEach((at, index) => {
          if (!out.has(day(at))) return;
          ink.beginPath();
          ink.arc(plot.valToPos(at, "x", true), plot.valToPos(chart.data[1][index], "y", true), 5 * devicePixelRatio, 0, 2 * Math.PI);
          ink.fillStyle = colour("--bad");
          ink.fill();
        });
      }] },
    }, chart.data, box);
  }

  const all = () => document.querySelectorAll("[data-chart]").forEach(draw);
  document.body.addEventListener("htmx:afterSettle", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; all(); } });
  all();
})();
