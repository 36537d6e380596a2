// What the pages can do beyond links and forms. All of them work without it.
"use strict";

// Forms that ask before they are sent.
document.addEventListener("submit", (e) => {
  const button = e.submitter;
  if (button && button.dataset.confirm && !window.confirm(button.dataset.confirm)) e.preventDefault();
});

// One box for all boxes.
document.querySelectorAll("[data-all]").forEach((all) => {
  const boxes = () => all.closest("form").querySelectorAll("input[name=id]");
  all.addEventListener("change", () => boxes().forEach((b) => { b.checked = all.checked; }));
});

// The overview, drawn by the server whenever something has changed. Nothing
// moves while somebody has the keyboard in it.
const pulse = document.getElementById("pulse");
if (pulse && window.EventSource) {
  const liveness = document.getElementById("liveness");
  const say = (text) => { if (liveness.textContent !== text) liveness.textContent = text; };
  const source = new EventSource(pulse.dataset.live);
  source.onmessage = (e) => {
    say("live");
    if (!pulse.contains(document.activeElement)) pulse.innerHTML = e.data;
  };
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "not live: load the page again" : "connecting …");
}
