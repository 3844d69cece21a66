// Part 6 of the page script: aims, watches clicks, and waits for the application's answer to a commit.
const DIALOGS = "dialog,[role=dialog],[role=alertdialog],[aria-modal=true]";
let target = null;
let watched = false;
const inTarget = (event) => event.composedPath().some((node) => node === target || (node.tagName === "LABEL" && node.control === target));

function guardClick(event) {
  if (target === null || !event.isTrusted) return;
  if (inTarget(event)) {
    if (event.type === "click") target = null;
    return;
  }
  state.missed = true;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.type === "click") target = null;
}

// From here until the click has happened, the mouse can act on the aimed element and on nothing else.
function watch(el) {
  target = el;
  if (watched) return;
  watched = true;
  for (const name of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"]) window.addEventListener(name, guardClick, true);
}

function deepAt(x, y) {
  let hit = document.elementFromPoint(x, y);
  while (hit?.shadowRoot?.elementFromPoint(x, y) && hit.shadowRoot.elementFromPoint(x, y) !== hit) hit = hit.shadowRoot.elementFromPoint(x, y);
  return hit;
}

function holds(el, hit) {
  for (let node = hit; node; node = node.parentNode ?? node.host) if (node === el || (node.tagName === "LABEL" && node.control === el)) return true;
  return false;
}

function spot(el) {
  const box = el.getClientRects()[0] ?? el.getBoundingClientRect();
  return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}

// Where to look for what makes a box go away: in the box, or the dialog around its sign, before the whole page.
function boxOf(want, when) {
  if (!when || want.within) return document;
  const signs = all(when, true).found;
  const boxes = [...signs, ...signs.map((el) => el.closest(DIALOGS)).filter(Boolean)];
  return boxes.find((box) => all(want, false, box).found.length > 0) ?? document;
}

function aimOnce(want, when) {
  const found = resolve(want, false, boxOf(want, when));
  if (!found.el) return found;
  const { el } = found;
  if (el.matches(":disabled") || el.closest("[aria-disabled=true]")) return { status: "disabled" };
  let point = spot(el);
  if (point.y < 0 || point.y > innerHeight || point.x < 0 || point.x > innerWidth) {
    el.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
    point = spot(el);
  }
  const hit = deepAt(point.x, point.y);
  return hit && holds(el, hit) ? { el, ...point } : { status: "covered", near: hit ? [describe(hit)] : [] };
}

async function still(el) {
  const moving = document.getAnimations().filter((animation) => {
    const part = animation.effect?.target;
    return part && part.contains(el) && animation.effect.getComputedTiming().endTime !== Infinity;
  });
  if (moving.length) await Promise.race([Promise.allSettled(moving.map((animation) => animation.finished)), sleep(1000)]);
}

// Finds the one element to click and where; reports an interrupt that stands in the way, unless it is `when` that is
// to be clicked away.
async function aim(want, timeout, when = null, answers = []) {
  await settled();
  const standing = () => (when ? -1 : interrupted());
  const first = await soon(() => { const at = standing(); return at < 0 ? aimOnce(want, when) : { el: true, interrupt: at }; }, now() + timeout);
  if (first.interrupt !== undefined) return { status: "interrupt", interrupt: first.interrupt };
  if (!first.el) return first;
  await still(first.el);
  const { el, ...point } = aimOnce(want, when);
  if (!el) return point;
  acting();
  watch(el);
  markStale(answers);
  return { status: "ready", ...point };
}

// What the page said before the click is no answer to it.
const stale = new WeakSet();
const fresh = (want) => (want ? all(want, true).found.filter((el) => !stale.has(el)) : []);

function markStale(wants) {
  for (const want of wants) if (want) for (const el of all(want, true).found) stale.add(el);
}

function complaint() {
  const el = document.querySelector(":user-invalid");
  return el?.validationMessage ? `${namesOf(el)[0] ?? besideOf(el)[0] ?? "field"}: ${el.validationMessage}` : null;
}

// Watches for the application's answer to a commit.
async function outcome(confirm, rejected, timeout) {
  const deadline = now() + timeout;
  for (;;) {
    if (document.readyState !== "loading" && !state.leaving) {
      if (state.missed) return { seen: "missed" };
      const no = fresh(rejected).filter((el) => textOf(el) || valueOf(el) || !el.matches("[role],output")); // an empty live region says nothing
      const yes = fresh(confirm);
      const text = no.map((el) => textOf(el)).join(" ");
      // a success may be told in the very box that otherwise complains
      if (yes.length && no.every((box) => yes.some((el) => box.contains(el)))) return { seen: "confirm", url: location.href };
      if (yes.length) return { seen: "both", text };
      if (no.length && !busy()) return { seen: "rejected", text };
      if (lost()) return { seen: "lost" };
      if (complaint() && !busy()) return { seen: "complaint", text: complaint() };
    }
    if (now() > deadline) return { seen: "nothing", resting: !busy() };
    await sleep(6);
  }
}

// Ties the element to a Playwright locator, for what only Playwright can do (uploads, editors, frames).
let marks = 0;
function mark(want) {
  const { el, ...why } = resolve(want);
  if (!el) return why;
  marks += 1;
  el.setAttribute("data-countersign", String(marks));
  return { status: "marked", mark: marks };
}
