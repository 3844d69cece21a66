// Part 4 of the page script: notices that a list goes on where no link says so to a machine.
const CLICKABLE = "a[href],button,input[type=button],input[type=submit],input[type=image],[role=button],[role=link],[onclick],[tabindex]";
const PAGER = "[class*=pagination i],[class*=paginate i],[class*=pager i],[class*=paging i],[aria-label*=pagination i]";
const HERE = "[aria-current]:not([aria-current=false]),[aria-selected=true],.active,.current,.selected";
const ARROWS = /^[\s›»>→▶❯⟩]+$/u;
const ONWARD = new RegExp(
  "^((go to |to )?(the )?next( page| results| \\d+( \\w+)?)?|(load|show|see) more( \\w+)?|more results|weiter|nächste( seite)?"
  + "|mehr (anzeigen|laden)|suivante?|page suivante|siguiente|página siguiente|próxim[ao]( página)?|successiv[ao]|avanti"
  + "|volgende|następna|下一[页頁]|[下后後][页頁]|加载更多|載入更多|查看更多|更多|次へ|次のページ|다음)$", "u");
const OTHER_NEXT = /carousel|swiper|slick|slide|calendar|datepicker|month|year|week/i; // the next of something that is no list

const tokens = (el) => [...el.classList, ...(el.parentElement?.matches("li,span") ? el.parentElement.classList : [])];
const offers = (el) => el.matches(CLICKABLE) || getComputedStyle(el).cursor === "pointer";

function enabled(el) {
  if (el.matches(":disabled") || el.closest("[aria-disabled=true]") || !shown(el)) return false;
  return getComputedStyle(el).pointerEvents !== "none" && !tokens(el).some((name) => /(^|[-_])disabled$/i.test(name));
}

function leadsOn(el) {
  const words = [nameOf(el), fold(el.title)].filter(Boolean).map((name) => name.toLowerCase());
  const bared = words.map((name) => name.replace(/^[\s›»>→▶❯⟩]+|[\s.…›»>→▶❯⟩]+$/gu, ""));
  if (words.some((name) => ARROWS.test(name)) || bared.some((name) => ONWARD.test(name))) return true;
  return tokens(el).some((name) => /(^|[-_])next($|[-_])/i.test(name) && !OTHER_NEXT.test(name));
}

// Where the numbers of pages stand; the rows that ASP.NET makes of them have no name of their own.
function pagers() {
  const called = pick(document, PAGER).filter((el) => !el.querySelector(TABLES) && !el.parentElement?.closest(PAGER));
  return [...called, ...pick(document, "a[href*='Page$']").map((link) => link.closest("tr")).filter(Boolean)];
}

// A pager of mere numbers goes on when it offers the one after the present page's.
function following(pager) {
  const number = (el) => (/^\d+$/.test(textOf(el)) ? Number(textOf(el)) : NaN);
  const present = (el) => el.matches(HERE) || el.closest("li")?.matches(HERE);
  const plain = pick(pager, "span,strong,b,em,td,li").filter((el) => !el.closest(CLICKABLE) && !el.querySelector(CLICKABLE));
  const here = [...pick(pager, HERE), ...plain].map(number).filter((at) => at > 0);
  const next = new Set((here.length ? here : [1]).map((at) => at + 1));
  return pick(pager, CLICKABLE).find((el) => next.has(number(el)) && !present(el) && enabled(el));
}

// The control that shows more of the list, unless it is an `a[rel=next]`, which is followed; null when there is none.
function pagerOf() {
  const brief = pick(document, `${CLICKABLE},a,[class*=next i]`).filter((el) => el.textContent.length < 60);
  const control = brief.find((el) => leadsOn(el) && offers(el) && enabled(el)) ?? pagers().map(following).find(Boolean);
  return control ? describe(control) : null;
}

// Rows that a filter or a closed group hides, as texts: not shown, not absent either.
function hiddenRows(table) {
  const lines = [...table.querySelectorAll("tr,[role=row]")].filter((row) => row.closest(TABLES) === table && !shown(row));
  const text = (cell) => (cell ? textOf(cell) || fold(cell.textContent) || fold(cell.querySelector("input,textarea")?.value) : "");
  return lines.map((row) => spread(row).map(text)).filter((texts) => texts.length > 0);
}
