// Part 2 of the page script: finds an element as a person names it. None is "missing", several are "ambiguous".
const CONTROLS = "input:not([type=hidden],[type=submit],[type=button],[type=reset],[type=image]),textarea,select,"
  + "[contenteditable=''],[contenteditable=true],[role=textbox],[role=combobox],[role=spinbutton],[role=searchbox],"
  + "[role=checkbox],[role=switch],[role=radiogroup],fieldset:has(input[type=radio]),output";
const TABLES = "table,[role=table],[role=grid],[role=treegrid]";
const ROLES = {
  button: "button,input[type=submit],input[type=button],input[type=reset],input[type=image],summary",
  link: "a[href],area[href]", heading: "h1,h2,h3,h4,h5,h6", dialog: "dialog[open]", table: "table", row: "tr",
  cell: "td", columnheader: "th", rowheader: "th[scope=row]", list: "ul,ol", listitem: "li", img: "img",
  navigation: "nav", main: "main", form: "form", article: "article", region: "section", group: "fieldset",
  checkbox: "input[type=checkbox]", radio: "input[type=radio]", combobox: "select:not([multiple])",
  textbox: "textarea,input:not([type]),input[type=text],input[type=email],input[type=tel],input[type=url]",
  searchbox: "input[type=search]", spinbutton: "input[type=number]", option: "option", status: "output",
};

const fold = (text) => (text ?? "").normalize("NFC").replace(/\s+/g, " ").trim();
const bare = (text) => fold(text).replace(/(?:\s*[:*：])+$/u, "");

function shown(el) {
  if (!el.checkVisibility({ visibilityProperty: true, checkVisibilityCSS: true })) return false;
  const box = el.getBoundingClientRect();
  return (box.width > 0 && box.height > 0) || el.tagName === "OPTION" || getComputedStyle(el).display === "contents";
}

// What a person reads inside an element: hidden parts and the values of controls left out, CSS capitals undone.
function textOf(el, spoken = false) {
  if (!el.firstElementChild) return fold(el.textContent);
  const parts = [];
  const walk = (node) => {
    for (const child of node.childNodes) {
      if (child.nodeType === 3) parts.push(child.data);
      if (child.nodeType !== 1 || child.matches("script,style,template,noscript,select,textarea,datalist")) continue;
      if (spoken && child.getAttribute("aria-hidden") === "true") continue;
      const { display, visibility } = getComputedStyle(child);
      if (display === "none" || visibility === "hidden") continue;
      const apart = child.tagName === "BR" || !(display.startsWith("inline") || display === "contents");
      if (apart) parts.push(" ");
      walk(child.shadowRoot ?? child);
      if (apart) parts.push(" ");
    }
  };
  walk(el);
  return fold(parts.join(""));
}

function roots(scope) {
  const all = [scope];
  for (let i = 0; i < all.length; i += 1) {
    for (const el of all[i].querySelectorAll("*")) if (el.shadowRoot) all.push(el.shadowRoot);
  }
  return all;
}

const pick = (scope, css) => roots(scope).flatMap((root) => [...root.querySelectorAll(css)]);

function idsText(el, attribute) {
  const ids = fold(el.getAttribute(attribute)).split(" ").filter(Boolean);
  const found = ids.map((id) => el.getRootNode().getElementById?.(id)).filter(Boolean);
  return found.map((part) => textOf(part, true)).join(" ");
}

// Every name that the page itself ties to a control.
function namesOf(el) {
  const names = [idsText(el, "aria-labelledby"), el.getAttribute("aria-label")];
  for (const label of el.labels ?? []) names.push(textOf(label, true), textOf(label));
  if (el.matches("fieldset,[role=radiogroup]") && el.querySelector("legend")) names.push(textOf(el.querySelector("legend")));
  return names.map(bare).filter(Boolean);
}

const quietText = (el) => (el.matches(CONTROLS) || el.querySelector(CONTROLS) ? "" : bare(textOf(el)));

// The text that stands just before a control that has no label: preceding cell, term, or sibling.
function besideOf(el) {
  const cell = el.closest("td,th,dd,[role=cell],[role=gridcell]");
  if (cell) return cell.previousElementSibling ? [quietText(cell.previousElementSibling)].filter(Boolean) : [];
  for (let node = el, up = 0; up < 3 && node.parentElement; node = node.parentElement, up += 1) {
    for (let before = node.previousSibling; before; before = before.previousSibling) {
      const text = before.nodeType === 3 ? bare(before.data) : before.nodeType === 1 ? quietText(before) : "";
      if (text) return [text];
      if (before.nodeType === 1 && before.matches(`${CONTROLS},button`)) return [];
      if (before.nodeType === 1 && before.querySelector(CONTROLS)) return [];
    }
    if (node.parentElement.querySelectorAll(CONTROLS).length > 1) return [];
  }
  return [];
}

// Shown pairs of a term and its value: dt/dd, a row of th and td, a text and the element after it.
function pairs(scope) {
  const found = [];
  for (const term of pick(scope, "dt")) {
    const value = term.nextElementSibling;
    if (value?.tagName === "DD" && value.nextElementSibling?.tagName !== "DD") found.push([bare(textOf(term)), value]);
  }
  for (const term of pick(scope, "tr > th:first-child")) {
    const value = term.nextElementSibling;
    if (value?.tagName === "TD" && !value.nextElementSibling) found.push([bare(textOf(term)), value]);
  }
  return found;
}

function nameOf(el) {
  const label = idsText(el, "aria-labelledby") || fold(el.getAttribute("aria-label"));
  if (label) return label;
  if (el.matches("input[type=submit],input[type=button],input[type=reset]")) return fold(el.value || el.type);
  if (el.matches("img,input[type=image]")) return fold(el.alt);
  if (el.labels?.length) return textOf(el.labels[0], true);
  if (el.matches(TABLES)) return textOf(el.querySelector("caption") ?? headingBefore(el) ?? document.createElement("i"));
  if (el.matches("fieldset")) return textOf(el.querySelector("legend") ?? document.createElement("i"), true);
  if (el.matches("dialog,[role=dialog],form,section,nav")) return fold(el.title);
  const images = [...el.querySelectorAll("img[alt]")].map((image) => image.alt).join(" ");
  return textOf(el, true) || fold(images) || fold(el.title);
}

function headingBefore(el) {
  for (let node = el, up = 0; node && up < 3; node = node.parentElement, up += 1) {
    for (let before = node.previousElementSibling; before; before = before.previousElementSibling) {
      if (/^H[1-6]$/.test(before.tagName)) return before;
      if (before.matches(TABLES) || before.querySelector(TABLES)) return null;
      const inner = before.querySelector("h1,h2,h3,h4,h5,h6");
      if (inner) return inner;
    }
  }
  return null;
}

const withRole = (scope, role) =>
  pick(scope, [`[role='${role}']`, ...(ROLES[role] ?? "").split(",").filter(Boolean).map((css) => `${css}:not([role])`)].join(","));

function named(elements, wanted, names = (el) => [nameOf(el)]) {
  const visible = elements.filter(shown).map((el) => [el, names(el).map(bare)]);
  const found = visible.filter(([, all]) => wanted === null || all.includes(bare(wanted))).map(([el]) => el);
  return { found, known: () => visible.flatMap(([, all]) => all) };
}

function fields(scope, wanted, reading) {
  const controls = pick(scope, CONTROLS).filter((el) => !el.matches("td [role=combobox] input"));
  const visible = controls.filter((el) => shown(el) || (el.type === "checkbox" && el.labels?.[0] && shown(el.labels[0])));
  const ties = visible.map((el) => [el, namesOf(el)]);
  let found = ties.filter(([, all]) => all.includes(wanted)).map(([el]) => el);
  const beside = ties.filter(([, all]) => all.length === 0).map(([el]) => [el, besideOf(el)]);
  if (found.length === 0) found = beside.filter(([, all]) => all.includes(wanted)).map(([el]) => el);
  const read = reading ? pairs(scope).filter(([, el]) => !el.querySelector(CONTROLS) && shown(el)) : [];
  found.push(...read.filter(([term]) => term === wanted).map(([, el]) => el));
  if (reading && found.length === 0) {
    const terms = pick(scope, "span,div,b,strong,label,p").filter((el) => !el.firstElementChild && bare(el.textContent) === wanted);
    found.push(...terms.filter(shown).map((el) => el.nextElementSibling).filter((el) => el && shown(el)));
  }
  return { found, known: () => [...ties, ...beside].flatMap(([, all]) => all).concat(read.map(([term]) => term)) };
}

const tight = (text) => text.normalize("NFC").replace(/\s+/g, "");
const ROOMY = 4000; // an element with this much more text than the wanted one is no match but holds it

function texts(scope, wanted) {
  const match = fold(wanted);
  const core = tight(wanted);
  const own = (el) => fold([...el.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join(""));
  const prose = pick(scope, "body *").filter((el) => !el.matches("script,style,template,noscript,option"));
  const near = prose.filter((el) => el.textContent.length < match.length + ROOMY && tight(el.textContent).includes(core));
  const hits = near.filter((el) => (own(el) === match || textOf(el) === match) && shown(el));
  const found = hits.filter((el) => !hits.some((other) => other !== el && el.contains(other)));
  return { found, known: () => prose.filter((el) => !el.firstElementChild && shown(el)).map((el) => fold(el.textContent)) };
}

function byPath(scope, path) {
  const found = document.evaluate(path, scope, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
  return Array.from({ length: found.snapshotLength }, (_, i) => found.snapshotItem(i)).filter((el) => el.nodeType === 1);
}

const FINDERS = {
  field: (scope, want, reading) => fields(scope, bare(want.field), reading),
  button: (scope, want) => named(withRole(scope, "button"), want.button),
  link: (scope, want) => named(withRole(scope, "link"), want.link),
  role: (scope, want) => named(withRole(scope, want.role), want.name ?? null),
  text: (scope, want) => texts(scope, want.text),
  placeholder: (scope, want) => named(pick(scope, "[placeholder]"), want.placeholder, (el) => [fold(el.placeholder)]),
  cell: (scope, want) => cells(scope, want.cell),
  table: (scope, want) => named(pick(scope, TABLES), want.table ?? null),
  test_id: (scope, want) => ({ found: pick(scope, `[data-testid=${CSS.escape(want.test_id)}]`).filter(shown), known: () => [] }),
  css: (scope, want) => ({ found: pick(scope, want.css).filter(shown), known: () => [] }),
  xpath: (scope, want) => ({ found: byPath(scope, want.xpath).filter(shown), known: () => [] }),
};

function likeness(left, right) {
  const grams = (text) => new Set([...` ${text.toLowerCase()} `].map((_, i, all) => all.slice(i, i + 2).join("")));
  const [one, other] = [grams(left), grams(right)];
  return (2 * [...one].filter((gram) => other.has(gram)).length) / (one.size + other.size);
}

function nearest(known, wanted) {
  const unique = [...new Set(known)].filter((name) => name && name.length < 80);
  const ranked = unique.map((name) => [likeness(name, wanted), name]).filter(([score]) => score >= 0.35);
  return ranked.sort((a, b) => b[0] - a[0]).slice(0, 3).map(([, name]) => name);
}

function describe(el) {
  const id = el.id ? `#${el.id}` : el.getAttribute("name") ? `[name=${el.getAttribute("name")}]` : "";
  return `<${el.tagName.toLowerCase()}${id}> ${textOf(el).slice(0, 40)}`.trim();
}

function all(want, reading = false, scope = document) {
  if (want.within) {
    const outer = resolve(want.within, reading, scope);
    if (!outer.el) return { found: [], known: () => [], outer };
    return all({ ...want, within: null }, reading, outer.el);
  }
  return FINDERS[want.by](scope, want, reading);
}

// Returns {el} or why there is not exactly one.
function resolve(want, reading = false, scope = document) {
  const { found, known, outer } = all(want, reading, scope);
  if (outer) return { ...outer, inside: true };
  const unique = [...new Set(found)];
  if (unique.length === 1) return { el: unique[0] };
  if (unique.length === 0) return { status: "missing", near: nearest(known(), String(want.by === "role" ? want.name ?? "" : want[want.by]?.row ?? want[want.by])) };
  return { status: "ambiguous", count: unique.length, near: unique.slice(0, 4).map(describe) };
}

async function soon(attempt, deadline) {
  for (let strays = 0; ; strays += 1) {
    const result = attempt();
    // several may be the old and the new state of one place: give it a moment, never a choice
    if (result.el || now() > deadline || (result.status === "ambiguous" && strays > 20)) return result;
    await sleep(strays < 10 ? 10 : 40);
  }
}
