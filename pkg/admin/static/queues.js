// asynq's own menu takes half of a phone: there it begins closed. Its pages read
// this as they start, so it has to be said before their frame is there.
"use strict";

if (window.matchMedia("(max-width: 640px)").matches) {
  const key = "asynqmon:state";
  let state = {};
  try { state = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* it is made anew */ }
  localStorage.setItem(key, JSON.stringify({ ...state, settings: { ...state.settings, isDrawerOpen: false } }));
}
