// Part 3 of the page script: reads what a person would read, many values in one call.
// Inputs whose value is ISO whatever the page shows.
const NATIVE = "input:is([type=date],[type=month],[type=week],[type=time],[type=datetime-local],[type=number],[type=range])";

function valueOf(el) {
  if (el.matches("input[type=checkbox],input[type=radio]")) return String(el.checked);
  if (el.matches("[role=checkbox],[role=switch]")) return String(el.getAttribute("aria-checked") === "true");
  if (el.matches("[role=radiogroup],fieldset")) return chosen([...el.querySelectorAll("input[type=radio],[role=radio]")]);
  if (el.tagName === "SELECT") return [...el.selectedOptions].map((option) => fold(option.label)).join(", ");
  if (el.matches("input,textarea")) return el.value;
  const inner = [...el.querySelectorAll(CONTROLS)].filter(shown);
  return inner.length === 1 && !textOf(el) ? valueOf(inner[0]) : textOf(el);
}

const isChosen = (radio) => radio.checked ?? radio.getAttribute("aria-checked") === "true";
const chosen = (radios) => radios.filter(isChosen).map((radio) => nameOf(radio) || radio.value).join(", ");

function spread(row) {
  const parts = [...row.querySelectorAll("th,td,[role=cell],[role=gridcell],[role=columnheader],[role=rowheader]")];
  return parts.filter((cell) => cell.closest("tr,[role=row]") === row)
    .flatMap((cell) => [cell, ...Array(Math.max(0, (cell.colSpan || 1) - 1)).fill(null)]);
}

// A table as headers and body rows of cells; the line "nothing found" that spans all columns is no row.
function grid(table) {
  const lines = [...table.querySelectorAll("tr,[role=row]")].filter((row) => row.closest(TABLES) === table);
  const heads = lines.filter((row) => !row.querySelector("td,[role=cell],[role=gridcell]"));
  const head = heads.find((row) => row.querySelector("th,[role=columnheader]")) ?? null;
  const headers = head ? spread(head).map((cell) => (cell ? bare(textOf(cell)) : "")) : [];
  const body = lines.filter((row) => !heads.includes(row) && !row.closest("tfoot") && shown(row));
  const rows = body.map((row) => ({ row, cells: spread(row) }));
  return { headers, rows: rows.filter(({ cells }) => cells.filter(Boolean).length > 1 || headers.length <= 1) };
}

function column(headers, wanted) {
  const at = headers.flatMap((name, index) => (name === bare(wanted) ? [index] : []));
  if (at.length === 1) return { at: at[0] };
  if (at.length === 0) return { status: "missing", near: nearest(headers, wanted), column: wanted };
  return { status: "ambiguous", count: at.length, near: [], column: wanted };
}

function cells(scope, want) {
  const outer = named(pick(scope, TABLES), want.table ?? null);
  if (outer.found.length !== 1) return outer;
  const { headers, rows } = grid(outer.found[0]);
  const { at, near } = column(headers, want.column);
  if (at === undefined) return { found: [], known: () => near };
  const fits = (cell) => cell && bare(valueOf(cell)) === bare(String(want.row));
  const chosenRows = /^\d+$/.test(String(want.row)) && Number.isInteger(want.row)
    ? rows.slice(want.row - 1, want.row)
    : rows.filter(({ cells: all }) => all.some(fits));
  const known = () => rows.flatMap(({ cells: all }) => all.filter(Boolean).map(valueOf));
  return { found: chosenRows.map(({ cells: all }) => all[at]).filter(Boolean), known };
}

// Every row as its cells' texts and the addresses they link to.
function tableRows(want) {
  const { el, ...why } = resolve(want, true);
  if (!el) return why;
  const { headers, rows } = grid(el);
  const links = (cell) => [...new Set([...(cell?.querySelectorAll("a[href]") ?? [])].filter(shown).map((link) => link.href))];
  const next = pick(document, "a[rel~=next][href]").find(shown);
  return {
    el: true,
    headers,
    next: next?.href ?? null,
    pager: next ? null : pagerOf(),
    hidden: hiddenRows(el),
    total: Number(el.getAttribute("aria-rowcount") ?? 0), // a virtual list says here how much of it is not in the page
    spans: rows.some(({ cells: all }) => all.some((cell) => cell?.rowSpan > 1)),
    lines: el.querySelectorAll("tr,[role=row]").length,
    rows: rows.map(({ cells: all }) => ({ cells: all.map((cell) => (cell ? valueOf(cell) : "")), links: all.map(links) })),
  };
}

function readTable(want, columns) {
  const { el, ...why } = resolve(want, true);
  if (!el) return why;
  const { headers, rows } = grid(el);
  const places = Object.entries(columns).map(([name, header]) => [name, column(headers, header)]);
  const wrong = places.find(([, place]) => place.at === undefined);
  if (wrong) return wrong[1];
  const take = (cell) => (cell ? valueOf(cell) : "");
  return { el, value: rows.map(({ cells: all }) => Object.fromEntries(places.map(([name, { at }]) => [name, take(all[at])]))) };
}

function readOne({ want, columns }) {
  if (columns) return readTable(want, columns);
  const found = resolve(want, true);
  return found.el ? { el: found.el, value: valueOf(found.el), native: found.el.matches(NATIVE) } : found;
}

// Reads many fields and tables; waits for those that are not there yet.
async function readAll(entries, timeout) {
  const deadline = now() + timeout;
  const results = [];
  for (const entry of entries) {
    const { el, ...result } = await soon(() => readOne(entry), deadline);
    results.push(el ? { status: "read", ...result } : result);
  }
  return results;
}

// Lists a table; a page that shows its sign of emptiness instead has no rows.
const listRows = (want, empty, timeout) =>
  soon(() => {
    const list = tableRows(want); // the sign may belong to something else on the page: rows go before it
    return empty && !list.rows?.length && seen(empty) ? { el: true, headers: null, next: null, pager: pagerOf(), hidden: [], rows: [], total: 0 } : list;
  }, now() + timeout);

// Whether anything fits: only for waiting and asserting, where no choice between several is made.
const seen = (want) => all(want, true).found.length > 0;

async function expectSeen(want, timeout) {
  const deadline = now() + timeout;
  while (!seen(want)) {
    if (now() > deadline) return { status: "missing", near: resolve(want, true).near ?? [] };
    await sleep(10);
  }
  return { status: "seen" };
}

const everything = () => {
  const values = pick(document, "input,textarea").map((el) => el.value);
  return [document.body?.innerText ?? "", ...values].join("\n");
};

// An address may be written from the root, from where the application lies, or in full.
function leadsTo(url) {
  const path = location.href.slice(location.origin.length);
  return [path, location.href].some((here) => here.startsWith(url)) || path.startsWith(`${config.base}/${url.replace(/^\/+/, "")}`);
}

const lost = (signs = config.lost) => signs.some((sign) => (sign.url ? leadsTo(sign.url) : seen(sign)));

const interrupted = () => config.interrupts.findIndex((sign) => seen(sign));

// One call after each navigation.
async function arrive(patience) {
  while (document.readyState === "loading") await sleep(3);
  const loaded = now() + 1000;
  while (document.readyState !== "complete" && now() < loaded) await sleep(3);
  const rest = await settled(config.cap, patience);
  const entry = performance.getEntriesByType("navigation")[0];
  return {
    lost: lost(), interrupt: interrupted(), title: document.title, url: location.href,
    status: entry?.responseStatus ?? 0, leaving: rest.leaving, missed: state.missed,
  };
}
