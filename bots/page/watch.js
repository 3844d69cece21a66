// Part 1 of the page script: knows when the page is at rest. Runs in every document before the page's own code.
const real = {
  setTimeout: window.setTimeout.bind(window),
  clearTimeout: window.clearTimeout.bind(window),
  frame: window.requestAnimationFrame.bind(window),
  cancelFrame: window.cancelAnimationFrame.bind(window),
};
const LATEST = 1500; // a longer timer after an action is a habit of the page (a clock, a keep-alive), not its answer
const NESTED = 3; // a timer set by a timer set by a timer is a loop
const state = { epoch: 0, depth: 0, mutations: 0, moved: 0, leaving: false, noisy: false, missed: false };
const requests = new Set();
const pending = new Map();

const now = () => performance.now();
const sleep = (ms) => new Promise((done) => real.setTimeout(done, ms));

const channel = new MessageChannel();
const turns = [];
channel.port1.onmessage = () => turns.shift()();
const turn = () => new Promise((done) => { turns.push(done); channel.port2.postMessage(0); });

new MutationObserver(() => { state.mutations += 1; state.moved = now(); })
  .observe(document, { subtree: true, childList: true, characterData: true, attributes: true });

function begun() {
  const ticket = { epoch: state.epoch };
  requests.add(ticket);
  // what a request's end sets off runs one turn later at the earliest
  return () => turn().then(turn).then(() => requests.delete(ticket));
}

if (window.fetch) {
  const fetch = window.fetch;
  window.fetch = function (...args) {
    const ended = begun();
    const answer = Reflect.apply(fetch, this ?? window, args);
    answer.then(ended, ended);
    return answer;
  };
  for (const method of ["json", "text", "blob", "arrayBuffer", "formData"]) {
    const read = Response.prototype[method];
    Response.prototype[method] = function (...args) {
      const ended = begun();
      const body = Reflect.apply(read, this, args);
      body.then(ended, ended);
      return body;
    };
  }
}

const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (...args) {
  this.addEventListener("loadend", begun(), { once: true });
  return Reflect.apply(send, this, args);
};

function counted(depth, callback, receiver, args) {
  const outer = state.depth;
  state.depth = depth;
  try {
    return Reflect.apply(callback, receiver, args);
  } finally {
    state.depth = outer;
  }
}

window.setTimeout = function (callback, delay = 0, ...args) {
  if (typeof callback !== "function") return real.setTimeout(callback, delay, ...args);
  const depth = state.depth + 1;
  const id = real.setTimeout(function (...given) {
    pending.delete(id);
    counted(depth, callback, this ?? window, given);
  }, delay, ...args);
  if (depth <= NESTED) pending.set(id, { delay: Number(delay) || 0, epoch: state.epoch });
  return id;
};
window.clearTimeout = (id) => { pending.delete(id); real.clearTimeout(id); };

window.requestAnimationFrame = function (callback) {
  const depth = state.depth + 1;
  const id = real.frame((time) => {
    pending.delete(`frame ${id}`);
    counted(depth, callback, window, [time]);
  });
  if (depth <= NESTED) pending.set(`frame ${id}`, { delay: 16, epoch: state.epoch });
  return id;
};
window.cancelAnimationFrame = (id) => { pending.delete(`frame ${id}`); real.cancelFrame(id); };

// A navigation that ends in a download or in nothing fires no event: who knows of it says so.
function stays() {
  state.leaving = false;
}

if (window.navigation) {
  window.navigation.addEventListener("navigate", (event) => {
    const web = /^https?:/.test(event.destination.url);
    if (web && !event.destination.sameDocument && event.downloadRequest === null) {
      state.leaving = true;
      turn().then(() => { if (event.defaultPrevented) stays(); });
    }
  });
  window.navigation.addEventListener("navigatesuccess", stays);
  window.navigation.addEventListener("navigateerror", stays);
}

function waiting() {
  const longest = state.epoch === 0 ? config.quiet : LATEST;
  for (const timer of pending.values()) if (timer.epoch === state.epoch && timer.delay <= longest) return true;
  return false;
}

function busy() {
  if (state.leaving || document.readyState === "loading") return true;
  if (state.noisy && now() - state.moved >= config.quiet) return false;
  if (requests.size > 0 || waiting()) return true;
  return config.busy.some((css) => [...document.querySelectorAll(css)].some(shown));
}

// Ends when nothing is under way that could still change the page; `capped` when the page never came to rest. A page
// that is being left is never at rest: it is waited for as long as the caller has time.
async function settled(cap = config.cap, patience = cap) {
  const began = now();
  for (let calm = 0; calm < 2;) {
    const before = state.mutations;
    await turn();
    if (busy()) {
      calm = 0;
      await sleep(4);
    } else {
      calm = state.mutations === before ? calm + 1 : 0;
    }
    if (now() - began > (state.leaving ? patience : cap)) {
      state.noisy = !state.leaving;
      return { capped: true, leaving: state.leaving };
    }
  }
  return { capped: false, leaving: false };
}

function acting() {
  state.epoch += 1;
  state.missed = false;
}
