/* An order's state, followed live, on a page of the shop:
 *   <script src="https://api.example.com/widget.js" defer></script>
 *   <tillhook-order order="ORDER" token="ot_…"></tillhook-order>
 * May have api="https://…" (else it is where this script is from), and its own words as text-paid="…", for any state and for LOADING, LOST
 * and UNKNOWN. Tells tillhook:change (detail: the order). Style it by ::part(box|state|note), [status=PAID], --tillhook-*. */
(() => {
  const home = new URL(document.currentScript.src).origin;
  const words = {
    // A state may be called toString.
    __proto__: null,
    LOADING: "Looking for your order …",
    PAYMENT_PENDING: "Waiting for your payment …",
    PAYMENT_FAILED: "The payment has failed.",
    EXPIRED: "The time to pay has run out.",
    PAID: "Paid. Thank you!",
    REFUNDED: "Your money is on its way back.",
    UNKNOWN: "This order can’t be shown. Is the link complete?",
    LOST: "No connection, trying again …",
  };
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { display: block; --b: #f1f4f7; --i: #1b2230; --t: #8a94a6 }
    :host([hidden]) { display: none }
    @media (prefers-color-scheme: dark) { :host { --b: #1f2632; --i: #e8ecf3 } }
    :host([status=PAID]) { --t: var(--tillhook-good, #2e9e5b) }
    :host([status=PAYMENT_PENDING]) { --t: var(--tillhook-open, #c98a12) }
    :host([status=PAYMENT_FAILED]), :host([status=EXPIRED]), :host([status=UNKNOWN]) { --t: var(--tillhook-bad, #d9473f) }
    div { padding: .8em 1em; border-left: .35em solid var(--t); border-radius: .4em;
      background: var(--tillhook-back, var(--b)); color: var(--tillhook-ink, var(--i)) }
    b, small { display: block }
    @media (prefers-reduced-motion: no-preference) {
      div { transition: border-color .4s }
      :host([status=PAYMENT_PENDING]) b { animation: wait 1.4s infinite alternate }
      @keyframes wait { to { opacity: .65 } }
    }`);
  // A state of the restaurant's own, such as OUT_FOR_DELIVERY. What is written in small letters is words as it is.
  const phrase = name => {
    const text = name.replaceAll("_", " ").trim();
    return (/\p{Ll}/u.test(text) ? text : text.toLowerCase()).replace(/./u, c => c.toUpperCase()) || name;
  };
  // Longer each time, and not the same for everybody.
  const pause = (n, most) => Math.min(most, 2e3 * 1.5 ** n) * (.5 + Math.random());

  function follow(host, root) {
    const [box, state, note] = ["div", "b", "small"].map(tag => document.createElement(tag));
    [box.part, state.part, note.part] = ["box", "state", "note"];
    box.setAttribute("role", "status");
    box.setAttribute("aria-live", "polite");
    box.append(state, note);
    root.append(box);
    root.adoptedStyleSheets = [sheet];
    const get = name => host.getAttribute(name);
    let run, last, etag;

    const word = name => get("text-" + name.toLowerCase().replaceAll("_", "-")) ?? words[name] ?? phrase(name);
    const say = (name, lost) => {
      host.setAttribute("status", name);
      state.textContent = word(name);
      note.textContent = lost ? word("LOST") : "";
    };
    const show = order => {
      const news = order.status != last?.status;
      last = order;
      say(order.status);
      if (news) host.dispatchEvent(new CustomEvent("tillhook:change", { detail: order, bubbles: true, composed: true }));
    };
    const url = path => (get("api") ?? home) + "/api/v1/orders/" + encodeURIComponent(get("order")) + path;

    // Ends well at the final state, or after a while: a connection can be dead without a sign.
    const stream = signal => new Promise((done, fail) => {
      const source = new EventSource(url("/events?token=" + encodeURIComponent(get("token")))), began = Date.now();
      const end = how => { clearTimeout(timer); source.close(); how({}); };
      let timer = setTimeout(end, 8e3, fail), heard;
      signal.onabort = () => end(fail);
      source.onerror = () => end(heard && Date.now() - began > 1e4 ? done : fail);
      source.addEventListener("order", e => {
        show(JSON.parse(e.data));
        clearTimeout(timer);
        timer = setTimeout(end, 3e5, done);
        heard = true;
        if (last.final) end(done);
      });
    });

    // Asks once; the server holds the answer back until there is news, if wait is true.
    const ask = async (signal, wait) => {
      const call = new AbortController(), timer = setTimeout(() => call.abort(), 4e4), began = Date.now();
      signal.onabort = () => call.abort();
      try {
        const headers = { Authorization: "Bearer " + get("token") };
        if (etag) headers["If-None-Match"] = etag;
        const r = await fetch(url(wait ? "?wait=25s" : ""), { headers, cache: "no-store", signal: call.signal });
        if (r.ok) {
          const order = await r.json();
          if (signal.aborted) return;
          etag = r.headers.get("ETag");
          show(order);
        } else if (r.status != 304 || wait && Date.now() - began < 1e3)
          throw { gone: [400, 401, 403, 404].includes(r.status), after: r.headers.get("Retry-After") };
      } finally { clearTimeout(timer); }
    };

    // By stream (0), else by long poll (1), else by poll (2); from the start again once the server was away for all of them.
    // Where the payment has ended it can begin anew, on another page: whoever looks here again is told.
    const start = async () => {
      run?.abort();
      const { signal } = run = new AbortController(), wake = () => document.hidden || /^(PAID|REFUNDED)$/.test(last?.status) || start();
      addEventListener("online", wake, { signal });
      document.addEventListener("visibilitychange", wake, { signal });
      if (!last) say("LOADING");
      // Attributes come one by one.
      await 0;
      for (let by = 0, n = 0, away; !signal.aborted;) {
        const before = last?.status;
        let wait;
        try {
          await (by ? ask(signal, by < 2 && etag) : stream(signal));
          if (away) { by = away = 0; say(last.status); }
          if (last.final) return;
          if (before != last.status) n = 0;
          wait = by == 1 && etag ? 0 : pause(by && n++, 1e4);
        } catch (e) {
          if (signal.aborted) return;
          if (e.gone) return say("UNKNOWN");
          wait = e.after * 1e3 || 0;
          if (by < 2) by++;
          else {
            away = true;
            wait = Math.max(wait, pause(n++, 3e4));
            say(get("status"), true);
          }
        }
        await new Promise(go => setTimeout(go, wait));
      }
    };
    const stop = () => run?.abort();
    return { start, stop, anew: () => { last = etag = null; } };
  }

  customElements.define("tillhook-order", class extends HTMLElement {
    static observedAttributes = ["order", "token", "api"];
    #it = follow(this, this.attachShadow({ mode: "open" }));
    connectedCallback() { this.#it.start(); }
    disconnectedCallback() { this.#it.stop(); }
    attributeChangedCallback() {
      this.#it.anew();
      if (this.isConnected) this.#it.start();
    }
  });
})();
