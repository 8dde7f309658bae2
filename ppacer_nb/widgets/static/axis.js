// A time axis of stretches with what lies between them cut out. Pure functions.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND],
  ...[MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE],
  ...[HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY],
];
const CUT = 30; // pixels
const LABEL = 78; // pixels that a label takes at the least
const SHORTEST = 20; // milliseconds

/** What runs still gets room to grow, in steps: an axis that changed all the time could not be read. */
const GROWTH = 1.2;

/**
 * Return an axis of `width` pixels for `stretches`, pairs of times of which the last may be open (null) and
 * then lasts until `now`: `place(time)` in pixels, `ticks` and `cuts`.
 */
export function makeAxis(stretches, now, width) {
  const spans = stretches.map(([from, to], number) => ({ from, to: endOf(from, to, number === stretches.length - 1, now) }));
  const total = spans.reduce((sum, { from, to }) => sum + to - from, 0);
  const scale = Math.max(1, width - CUT * (spans.length - 1)) / total;
  let x = 0;
  for (const span of spans) {
    span.x = x;
    span.end = x + (span.to - span.from) * scale;
    x = span.end + CUT;
  }
  const cuts = spans.slice(1).map((span, number) => ({ x: spans[number].end, width: CUT, from: spans[number].to, to: span.from }));
  return { place: (time) => placeOf(time, spans, scale), ticks: ticksOf(spans, scale, width), cuts };
}

function endOf(from, to, isLast, now) {
  if (to !== null) return Math.max(to, from + (isLast ? SHORTEST : 0));
  const length = Math.max(now - from, SECOND);
  return from + GROWTH ** Math.ceil(Math.log(length * 1.02) / Math.log(GROWTH));
}

function placeOf(time, spans, scale) {
  let before = null;
  for (const span of spans) {
    if (time < span.from) {
      if (before === null) return 0;
      return before.end + (CUT * (time - before.to)) / (span.from - before.to); // in a cut
    }
    if (time <= span.to) return span.x + (time - span.from) * scale;
    before = span;
  }
  return before.end;
}

function ticksOf(spans, scale, width) {
  const step = STEPS.find((one) => one * scale >= LABEL) ?? STEPS[STEPS.length - 1];
  const ticks = [];
  let day = "";
  let free = 0; // where the next label may begin
  for (const span of spans) {
    const midnight = new Date(span.from).setHours(0, 0, 0, 0);
    for (let time = midnight + Math.ceil((span.from - midnight) / step) * step; time <= span.to; time += step) {
      const x = span.x + (time - span.from) * scale;
      const date = step >= DAY || dayOf(time) !== day;
      const room = date && day ? 2 * LABEL : LABEL - 12;
      const label = x < free || x + room > width + LABEL / 2 ? "" : labelOf(time, step, date && day !== "");
      if (label) {
        free = x + room;
        day = dayOf(time);
      }
      ticks.push({ x, label });
    }
  }
  return ticks;
}

function labelOf(time, step, withDay) {
  const shape = { hour: "2-digit", minute: "2-digit" };
  if (step < MINUTE) shape.second = "2-digit";
  if (step < SECOND) shape.fractionalSecondDigits = step < 100 ? 2 : 1;
  const clock = new Intl.DateTimeFormat("en-GB", shape).format(time);
  return withDay ? `${dayOf(time)} ${clock}` : clock;
}

function dayOf(time) {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }).format(time);
}
