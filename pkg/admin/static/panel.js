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

// An event that was replayed just now: look again until it is worked off, but
// not for ever.
const follow = document.querySelector("[data-follow]");
const looks = Number(new URLSearchParams(location.search).get("replayed"));
if (follow && looks > 0 && looks < 20) {
  setTimeout(() => location.replace(location.pathname + "?replayed=" + (looks + 1)), 500 * looks);
}

// The overview, drawn by the server whenever something has changed. Nothing
// moves while somebody has the keyboard in it. A browser begins again by itself
// when a connection breaks, but not when it is refused: then we do, less and
// less often.
const pulse = document.getElementById("pulse");
if (pulse && window.EventSource) {
  const liveness = document.getElementById("liveness");
  const say = (text) => { if (liveness.textContent !== text) liveness.textContent = text; };
  let pause = 5000;
  const listen = () => {
    const source = new EventSource(pulse.dataset.live);
    source.onmessage = (e) => {
      pause = 5000;
      say("live");
      if (!pulse.contains(document.activeElement)) pulse.innerHTML = e.data;
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return say("connecting …");
      say("not live");
      setTimeout(listen, pause);
      pause = Math.min(2 * pause, 300000);
    };
  };
  listen();
}
