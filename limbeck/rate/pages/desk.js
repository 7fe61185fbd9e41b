// A rater's page. A key is kept on this device before the next pair is shown, and is sent in order until the desk says
// that it is on its disk. Events carry an id, so that sending one twice is harmless.
"use strict";

const PREFIX = `limbeck-rate:${document.body.dataset.key}:`;
const LOW = 100; // pairs ahead below which more are fetched
const BATCH = 100; // events in one request
const PICTURES = 40; // that are fetched before their pair is shown
const BACK = 100; // pairs that `undo` can go back to
const FIRST_WAIT = 500; // milliseconds until a failed request is sent again, doubled each time
const LONGEST_WAIT = 8000;
const SOON = 300; // milliseconds of being sent that are not worth a word
const PATIENCE = 15000; // milliseconds after which a request counts as failed

const at = (id) => document.getElementById(id);
const levels = new Map([...document.querySelectorAll("[data-level]")].map((b) => [Number(b.dataset.level), b]));
const pictures = new Map(); // by address, held so that the browser keeps them
let ahead = [];
let past = [];
let current = null;
let done = 0;
let all = 0;
let exhausted = false;
let filling = false;
let sending = false;
let made = 0;
let spent = 0; // milliseconds that the pair was looked at before `since`
let since = 0;
let queue = kept();

// -- what is kept on this device until it is sent --

function kept() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  return keys.sort().map((key) => ({ key, event: JSON.parse(localStorage.getItem(key)), begun: 0 }));
}

function keep(event) {
  const order = `${String(Date.now()).padStart(15, "0")}-${String(made++).padStart(8, "0")}`;
  const key = `${PREFIX}${order}-${event.id}`;
  try {
    localStorage.setItem(key, JSON.stringify(event));
  } catch {
    say("offline", "This device can hold no more: go on when the connection is back");
    return false;
  }
  queue.push({ key, event, begun: performance.now() });
  tell();
  setTimeout(tell, SOON);
  send();
  return true;
}

function identity() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

// -- to and from the desk --

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (!answer.ok) throw Object.assign(new Error((await answer.json()).error), { status: answer.status });
  return answer.json();
}

async function send() {
  if (sending) return;
  sending = true;
  let wait = FIRST_WAIT;
  while (queue.length) {
    try {
      settle(await post("/events", queue.slice(0, BATCH).map((entry) => entry.event)));
      wait = FIRST_WAIT;
    } catch (error) {
      excuse(error);
      await pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  }
  sending = false;
  tell();
}

function settle({ kept: safe, refused }) {
  const over = new Set([...safe, ...refused]);
  queue.filter((entry) => over.has(entry.event.id)).forEach((entry) => localStorage.removeItem(entry.key));
  queue = queue.filter((entry) => !over.has(entry.event.id));
  if (refused.length) console.warn(`${refused.length} answers were about pairs that the desk no longer has`);
  tell();
}

function excuse(error) {
  const held = `${queue.length} ${queue.length === 1 ? "answer is" : "answers are"} kept on this device`;
  const why = error.status === 401 ? "Open your link again" : error.status ? `The desk says: ${error.message}` : "Offline";
  say("offline", queue.length ? `${why}: ${held}` : why);
}

function pause(milliseconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    addEventListener("online", resolve, { once: true });
  });
}

async function refill(first = false) {
  if (filling || exhausted) return;
  filling = true;
  let wait = FIRST_WAIT;
  while (!exhausted && (first || ahead.length < LOW)) {
    try {
      const got = await post("/next", { holding: holding(), past: first });
      ahead.push(...got.ahead);
      if (first) [past, done] = [got.past, got.done];
      [all, exhausted, first, wait] = [got.all, !got.ahead.length, false, FIRST_WAIT];
      if (!current) advance();
      tell();
    } catch (error) {
      excuse(error);
      await pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  }
  filling = false;
  if (!current) rest();
}

function holding() {
  const unsent = new Map(queue.map(({ event }) => [event.pair, event.action]));
  const answered = [...unsent].filter(([, action]) => action !== "undo").map(([pair]) => pair);
  return [...ahead, ...(current ? [current] : [])].map((pair) => pair.pair).concat(answered);
}

// -- what the rater does --

function answer(action, level = null) {
  if (!current) return;
  const event = { id: identity(), pair: current.pair, action, level, note: at("note").value.trim(), seconds: seconds() };
  if (!keep(event)) return;
  past.push(current);
  past = past.slice(-BACK);
  done += 1;
  flash(level);
  const words = level ? `${level}, ${levels.get(level).title}` : action === "skip" ? "skipped" : "flagged";
  at("last").textContent = `Before: ${words}`;
  advance();
}

function undo() {
  const pair = past.at(-1);
  if (!pair || !keep({ id: identity(), pair: pair.pair, action: "undo", level: null, note: "", seconds: 0 })) return;
  past.pop();
  if (current) ahead.unshift(current);
  done -= 1;
  at("last").textContent = "Taken back";
  show(pair);
}

function advance() {
  const next = ahead.shift();
  if (next) show(next);
  else rest();
  if (ahead.length < LOW) refill();
}

function seconds() {
  const looked = spent + (document.hidden ? 0 : performance.now() - since);
  return Math.min(Math.round(looked) / 1000, 86400);
}

function note(open) {
  at("noting").hidden = !open;
  document.querySelector("[data-act=note]").setAttribute("aria-expanded", String(open));
  if (open) at("note").focus();
  else at("note").blur();
}

// -- what the rater sees --

function show(pair) {
  current = pair;
  at("pair").hidden = false;
  at("rest").hidden = true;
  put("query", pair.query, pair.queryLanguage);
  put("title", pair.title ?? "This Pin says nothing", pair.title && pair.language);
  at("title").classList.toggle("none", !pair.title);
  put("description", pair.description ?? "", pair.language);
  at("picture").hidden = !pair.picture;
  at("blank").hidden = Boolean(pair.picture);
  at("blank").textContent = (pair.title ?? "").slice(0, 1).toUpperCase();
  if (pair.picture) at("picture").src = pair.picture;
  at("note").value = "";
  if (!at("noting").hidden) note(false);
  at("spoken").textContent = `${pair.query}: ${at("title").textContent}`;
  [spent, since] = [0, performance.now()];
  fetchPictures();
  tell();
}

function put(id, text, language) {
  at(id).textContent = text;
  if (language) at(id).lang = language;
  else at(id).removeAttribute("lang");
}

function rest() {
  current = null;
  at("pair").hidden = true;
  at("rest").hidden = false;
  at("resting").textContent = exhausted ? (all ? "All done. Thank you!" : "No pairs for you yet.") : "Fetching your pairs …";
  at("resting-more").textContent = exhausted && all ? "You may still undo your last answers." : "";
}

function fetchPictures() {
  for (const { picture } of ahead.slice(0, PICTURES)) {
    if (!picture || pictures.has(picture)) continue;
    const image = new Image();
    image.src = picture;
    pictures.set(picture, image);
  }
  for (const old of [...pictures.keys()].slice(0, Math.max(0, pictures.size - 2 * PICTURES))) pictures.delete(old);
}

function flash(level) {
  const button = levels.get(level);
  if (!button) return;
  button.classList.add("pressed");
  setTimeout(() => button.classList.remove("pressed"), 160);
}

function tell() {
  at("way").max = Math.max(all, 1);
  at("way").value = done;
  at("count").textContent = all ? `${done} of ${all}` : "";
  document.body.dataset.unsent = queue.length;
  const late = queue.length && performance.now() - queue[0].begun >= SOON;
  if (!queue.length) say("calm", "All saved");
  else if (late && at("state").dataset.state === "calm") say("calm", "Saving …");
}

function say(name, words) {
  if (at("state").textContent === words) return;
  at("state").dataset.state = name;
  at("state").textContent = words;
}

// -- keys, clicks, and the way the page is left --

const ACTS = {
  s: () => answer("skip"),
  f: () => answer("flag"),
  u: undo,
  n: () => note(true),
  g: () => at("guide").toggleAttribute("open"),
};

function level(event) {
  const [, digit] = /^Digit([1-5])$/.exec(event.code) ?? /^([1-5])$/.exec(event.key) ?? [];
  return Number(digit ?? 0);
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target === at("note")) {
    if (event.key === "Escape") note(false);
    return;
  }
  const act = level(event) ? () => answer("rate", level(event)) : ACTS[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});

addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.level) answer("rate", Number(button.dataset.level));
  else if (button?.dataset.act === "note") note(at("noting").hidden);
  else if (button) ({ skip: ACTS.s, flag: ACTS.f, undo: ACTS.u })[button.dataset.act]();
});

at("picture").addEventListener("error", () => {
  at("picture").hidden = true;
  at("blank").hidden = false;
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) spent += performance.now() - since;
  else since = performance.now();
});

addEventListener("beforeunload", (event) => {
  if (queue.length) event.preventDefault();
});

if (matchMedia("(max-width: 900px)").matches) at("guide").open = false;
send().then(() => refill(true)); // what an earlier visit left unsent counts as answered
