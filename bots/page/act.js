// Part 5 of the page script: fills, aims and watches clicks.
const STILL = "input[type=file],[contenteditable=''],[contenteditable=true],[role=combobox]:not(select),[aria-autocomplete=list],"
  + "[role=textbox]:not(input,textarea),[role=spinbutton]:not(input),[role=searchbox]:not(input)";

function barred(el) {
  if (el.matches(":disabled") || el.closest("[aria-disabled=true]")) return "disabled";
  if (el.readOnly || el.getAttribute("aria-readonly") === "true") return "readonly";
  return el.tagName === "OUTPUT" ? "readonly" : null;
}

function fire(el, name, init = {}) {
  el.dispatchEvent(name === "input" ? new InputEvent(name, { bubbles: true, composed: true, ...init }) : new Event(name, { bubbles: true, composed: true }));
}

function typeInto(el, text) {
  const owner = el.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
  Object.getOwnPropertyDescriptor(owner.prototype, "value").set.call(el, text);
  fire(el, "input", { inputType: "insertText", data: text });
}

function pickOption(el, text) {
  const wanted = fold(text);
  const fits = [...el.options].filter((option) => !option.disabled && fold(option.label) === wanted);
  if (fits.length !== 1) {
    const near = nearest([...el.options].map((option) => fold(option.label)), wanted);
    return { status: fits.length ? "ambiguous_choice" : "unknown_choice", near, count: fits.length };
  }
  if (!fits[0].selected) {
    for (const option of el.selectedOptions) if (el.multiple) option.selected = false;
    fits[0].selected = true;
    fire(el, "input");
    fire(el, "change");
  }
  return { status: "filled" };
}

function pickRadio(group, text) {
  const radios = [...group.querySelectorAll("input[type=radio],[role=radio]")];
  const fits = radios.filter((radio) => fold(nameOf(radio)) === fold(text));
  if (fits.length !== 1) {
    const near = nearest(radios.map(nameOf), text);
    return { status: fits.length ? "ambiguous_choice" : "unknown_choice", near, count: fits.length };
  }
  if (!isChosen(fits[0])) fits[0].click();
  return { status: "filled" };
}

function fillElement(el, entry) {
  const hindrance = barred(el);
  if (hindrance) return { status: hindrance };
  if (el.matches(STILL)) return { status: "special" };
  if (el.tagName === "SELECT") {
    el.focus();
    const result = pickOption(el, entry.text);
    el.blur();
    return result;
  }
  if (el.matches("[role=radiogroup],fieldset")) return pickRadio(el, entry.text);
  if (el.matches("input[type=checkbox],[role=checkbox],[role=switch]")) {
    if (!["true", "false"].includes(entry.text)) return { status: "unknown_choice", near: ["true", "false"], count: 0 };
    if (valueOf(el) !== entry.text) el.click();
    return { status: "filled" };
  }
  if (!el.matches("input,textarea")) return { status: "special" };
  el.focus();
  typeInto(el, el.matches(NATIVE) ? entry.iso ?? entry.text : entry.text);
  fire(el, "change");
  el.blur();
  return { status: "filled" };
}

const LATE = ["unknown_choice", "disabled", "readonly"];

// One field, with the moment's grace that an option loaded by the field before it needs.
async function fillOne(find, entry, deadline) {
  const found = await soon(find, deadline);
  if (!found.el) return found;
  acting();
  let result = fillElement(found.el, entry);
  for (let wait = 0; LATE.includes(result.status) && wait < 10 && now() < deadline; wait += 1) {
    await sleep(20);
    const again = find();
    if (again.el) result = fillElement(again.el, entry);
  }
  await settled();
  return result;
}

async function fillFinders(jobs, timeout) {
  const deadline = now() + timeout;
  const results = [];
  for (const { find, entry } of jobs) {
    const result = await fillOne(find, entry, deadline);
    results.push(result);
    if (result.status !== "filled") break; // also before a special one: the fields after it wait for what it sets off
  }
  return results.map((result, index) => {
    if (result.status !== "filled") return result;
    const { el, ...why } = jobs[index].find();
    return el ? { status: "filled", value: valueOf(el), native: el.matches(NATIVE) } : why;
  });
}

// Fills fields in order, lets the page answer each, then reads all of them back.
const fillAll = (entries, timeout) =>
  fillFinders(entries.map((entry) => ({ entry, find: () => resolve(entry.want) })), timeout);

function place(want, index, header) {
  const { el, ...why } = resolve(want);
  if (!el) return why;
  const { headers, rows } = editable(el);
  const { at, ...lacking } = column(headers, header);
  if (at === undefined) return lacking;
  const inputs = rows[index]?.cells[at] ? [...rows[index].cells[at].querySelectorAll(CONTROLS)].filter(shown) : [];
  if (inputs.length === 1) return { el: inputs[0] };
  return { status: inputs.length ? "ambiguous" : "missing", near: inputs.map(describe), column: header, count: inputs.length };
}

function editable(table) {
  const { headers, rows } = grid(table);
  return { headers, rows: rows.filter(({ row }) => [...row.querySelectorAll(CONTROLS)].some(shown)) };
}

const countRows = (want) => {
  const { el, ...why } = resolve(want);
  return el ? { el, count: editable(el).rows.length } : why;
};

// Adds rows by the button until there are enough; a button that adds none in time is reported as stuck.
async function growTable(want, add, needed, deadline) {
  let table = await soon(() => countRows(want), deadline);
  while (table.el && table.count < needed) {
    if (!add) return { status: "too_few_rows", count: table.count };
    const { el: button, ...why } = await soon(() => resolve(add), deadline);
    if (!button) return { ...why, button: true };
    if (barred(button)) return { status: barred(button), button: true };
    const before = table.count;
    acting();
    button.click();
    await settled();
    table = await soon(() => { const next = countRows(want); return next.count > before ? next : { status: "stuck" }; }, Math.min(deadline, now() + 1000));
  }
  return table.el ? { count: table.count } : table;
}

// Fills the rows of a table by column header; rows beyond the data that hold something are emptied.
async function fillRows(want, add, columns, rows, timeout) {
  const deadline = now() + timeout;
  const grown = await growTable(want, add, rows.length, deadline);
  if (grown.status) return { table: grown, results: [] };
  const jobs = [];
  for (let index = 0; index < grown.count; index += 1) {
    columns.forEach((header, at) => {
      const find = () => place(want, index, header);
      const entry = rows[index]?.[at] ?? { text: "" };
      const surplus = index >= rows.length;
      const { el } = find();
      if (!surplus || (el && valueOf(el) !== "")) jobs.push({ find, entry, row: index, column: header });
    });
  }
  const results = await fillFinders(jobs, Math.max(0, deadline - now()));
  return { table: grown, results: results.map((result, index) => ({ ...result, row: jobs[index].row, header: jobs[index].column })) };
}

function focusOn(el) {
  el.scrollIntoView({ block: "nearest", behavior: "instant" });
  el.focus();
  el.select?.();
}

let secretive = null;

// Puts the cursor into an empty field so that a secret can be typed from outside the page's view.
async function focusField(want, timeout) {
  const found = await soon(() => resolve(want), now() + timeout);
  if (!found.el) return found;
  const hindrance = barred(found.el);
  if (hindrance) return { status: hindrance };
  acting();
  typeInto(found.el, "");
  focusOn(found.el);
  secretive = found.el;
  return { status: secretive.matches(":focus") ? "focused" : "unfocusable" };
}

// Leaves the field as a person does; returns how many characters it holds, never which; -1 if the cursor went elsewhere.
async function leaveField() {
  const el = secretive;
  if (!el?.matches(":focus")) {
    const wrong = document.activeElement;
    if (wrong?.matches("input,textarea")) typeInto(wrong, ""); // it holds the secret now
    return -1;
  }
  const length = el.value?.length ?? 0;
  fire(el, "change");
  el.blur();
  await settled();
  return length;
}
