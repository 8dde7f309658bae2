// Points in time as the viewer's clock shows them, and ages that tick here, without messages from the kernel.

const DAY = 86_400_000;

/** Return "06:15 today", "06:15 yesterday", "Mon 23 Nov 06:15", or with the year if it is another one. */
export function when(millis, now = Date.now()) {
  const date = new Date(millis);
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(date);
  const days = Math.round((startOfDay(date) - startOfDay(new Date(now))) / DAY);
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
  if (near) return `${clock} ${near}`;
  const sameYear = date.getFullYear() === new Date(now).getFullYear();
  const shape = sameYear
    ? { weekday: "short", day: "numeric", month: "short" }
    : { day: "numeric", month: "short", year: "numeric" };
  return `${new Intl.DateTimeFormat("en-GB", shape).format(date).replace(",", "")} ${clock}`;
}

/** Return the full date and time in a zone of the IANA list, with the zone's name; for tooltips. */
export function fullIn(millis, zone) {
  const shape = { dateStyle: "full", timeStyle: "medium" };
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const lines = [`${new Intl.DateTimeFormat("en-GB", shape).format(millis)} (${own})`];
  if (zone && zone !== own) {
    try {
      lines.push(`${new Intl.DateTimeFormat("en-GB", { ...shape, timeZone: zone }).format(millis)} (${zone})`);
    } catch {
      lines.push(`${new Date(millis).toISOString()} (UTC)`); // a zone that this browser does not know
    }
  }
  return lines.join("\n");
}

/** Return the time of day with milliseconds. */
export function clock(millis) {
  const shape = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
  return new Intl.DateTimeFormat("en-GB", shape).format(millis);
}

/** Return "3 min ago", "in 5 min", "just now". */
export function age(millis, now = Date.now()) {
  const seconds = Math.round((now - millis) / 1000);
  if (Math.abs(seconds) < 1) return "just now";
  const words = rough(Math.abs(seconds));
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

/** Return a length of time: "0.35 s", "12.4 s", "3 min 20 s", "1 h 05 min". */
export function elapsed(millis) {
  const seconds = Math.max(0, millis / 1000);
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  return long(Math.round(seconds));
}

/** Return a length of time that still grows: whole seconds, so that it does not flicker. */
export function growing(millis) {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  return seconds < 60 ? `${seconds} s` : long(seconds);
}

/** Return what is left of something that began then and usually takes so long: "about 2 min left"; or "". */
export function left(started, usual, now) {
  if (!started || usual === null) return "";
  const seconds = (started + usual - now) / 1000;
  if (seconds < 0) return `longer than the usual ${growing(usual)}`;
  if (seconds < 1) return "almost done";
  return `about ${rough(seconds < 10 ? Math.ceil(seconds) : seconds < 90 ? Math.ceil(seconds / 5) * 5 : seconds)} left`;
}

/** Elements whose text depends on the time: brought up to date each second until `stop`. */
export class Ticker {
  #texts = new Map();
  #timer = setInterval(() => this.tick(), 1000);

  /** Let `element` show what `textAt(now)` returns, from now on; null ends it. */
  show(element, textAt) {
    if (textAt === null) this.#texts.delete(element);
    else {
      this.#texts.set(element, textAt);
      put(element, textAt(Date.now()));
    }
  }

  tick() {
    const now = Date.now();
    for (const [element, textAt] of this.#texts) {
      if (element.isConnected) put(element, textAt(now));
      else this.#texts.delete(element);
    }
  }

  stop() {
    clearInterval(this.#timer);
    this.#texts.clear();
  }
}

function put(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

function startOfDay(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

function rough(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

function long(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}
