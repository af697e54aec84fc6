"use strict";
// Keeps the page as it is on the server. What the reader has opened, marked or put the focus on stays.
(() => {
  const period = 1000;
  const live = document.querySelector(".live");
  const button = document.querySelector("button");
  let paused = false, failures = 0;

  const say = (kind, text) => {
    live.className = "live " + kind;
    if (live.textContent !== text) live.textContent = text;
  };
  const reading = () => paused || document.hidden || document.getSelection().type === "Range";

  const replace = (fresh) => {
    const open = new Set([...document.querySelectorAll("details[open]")].map((d) => d.id));
    const focus = document.activeElement && document.activeElement.id;
    for (const id of ["summary", "content"]) {
      const next = fresh.getElementById(id);
      for (const d of next.querySelectorAll("details")) d.open = open.has(d.id);
      const old = document.getElementById(id);
      const scrolled = [...old.querySelectorAll(".scroll")].map((s) => s.scrollLeft);
      old.replaceWith(document.adoptNode(next));
      document.getElementById(id).querySelectorAll(".scroll").forEach((s, i) => { s.scrollLeft = scrolled[i] || 0; });
    }
    if (focus && document.activeElement.id !== focus) document.getElementById(focus)?.focus({ preventScroll: true });
    document.title = fresh.title;
  };

  const update = async () => {
    if (!reading()) {
      try {
        const timeout = AbortSignal.timeout(10 * period);
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: timeout });
        if (!answer.ok) throw new Error("status " + answer.status);
        const text = await answer.text();
        if (!reading()) replace(new DOMParser().parseFromString(text, "text/html"));
        failures = 0;
        say("on", "live");
      } catch {
        if (++failures > 1) say("off", "the process does not answer");
      }
    }
    setTimeout(update, period);
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume" : "Pause";
    say(paused ? "" : "on", paused ? "paused" : "live");
  });
  say("on", "live");
  setTimeout(update, period);
})();
