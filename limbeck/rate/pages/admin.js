// The overview: looks for news every few seconds, and sends what the administrator settles.
"use strict";

const SECONDS = 5;
const live = document.getElementById("live");
const state = document.getElementById("state");
let before = "";

function say(name, words) {
  state.dataset.state = name;
  state.textContent = words;
}

// What finds an element again when its part of the page was made anew.
function way(element) {
  const { pair, level } = element.dataset;
  if (!pair) return `[href="${element.getAttribute("href")}"]`;
  return level ? `[data-pair="${pair}"][data-level="${level}"]` : `[data-pair="${pair}"]`;
}

function renew(html) {
  const held = live.contains(document.activeElement) && way(document.activeElement);
  const across = live.querySelector(".wide").scrollLeft;
  live.innerHTML = html; // rendered by the desk with everything escaped
  live.querySelector(".wide").scrollLeft = across;
  if (held) live.querySelector(held)?.focus();
}

async function refresh() {
  const answer = await fetch("/admin/live");
  if (!answer.ok) throw new Error((await answer.json()).error);
  const html = await answer.text();
  if (html !== before) renew(html);
  before = html;
  say("calm", "Live");
}

async function settle(button) {
  const { pair, level } = button.dataset;
  const answer = await fetch("/admin/settle", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ pair, level: level ? Number(level) : null }),
  });
  if (!answer.ok) throw new Error((await answer.json()).error);
  await refresh();
}

const trouble = (error) => say("offline", `No news: ${error.message}`);
live.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-pair]");
  if (button) settle(button).catch(trouble);
});
setInterval(() => document.hidden || refresh().catch(trouble), SECONDS * 1000);
