// How many pictures of the webcam may be on their way, and how large: what the line carries at once.

// Width and quality of JPEGs, the best first; a face stays large enough for the tracker in all.
const LOOKS = [
  [640, 0.85],
  [640, 0.7],
  [640, 0.55],
  [480, 0.6],
  [480, 0.45],
  [320, 0.55],
  [320, 0.4],
];
const FIRST = 2; // The first look: a slow line is not filled before it is known.
const MOST = 6; // Pictures on their way, on the longest line.
const EACH = 50; // Milliseconds from one picture to the next that a long line should allow.
const LATE = 150; // Milliseconds over a quiet line's trip: what is out for longer waits in a queue.
const HIGH = 120; // Milliseconds that pictures may take over a quiet line's way; more: too large.
const LOW = 70; // Fewer, for a while: larger ones may fit.
const NEWEST = 0.25; // The share of the newest picture in their mean: one may be late by chance.
const PATIENCE = [3000, 60_000]; // Of that while; doubled after each try that failed.

export class Pace {
  constructor(clock) {
    this.clock = clock;
    this.look = FIRST;
    this.patience = PATIENCE[0];
    this.triedAt = -Infinity;
    this.start();
  }

  // Nothing is on its way.
  start() {
    this.out = [];
    this.change(0, performance.now());
  }

  get width() {
    return LOOKS[this.look][0];
  }

  get quality() {
    return LOOKS[this.look][1];
  }

  // Whether a picture may go now; if not it is dropped, and a newer one goes later.
  may(now) {
    if (!this.clock.known) return false;
    const most = Math.min(2 + Math.floor(this.clock.trip / EACH), MOST);
    if (this.out.length >= most) return false;
    return !this.out.length || now - this.out[0].sentAt < this.clock.trip + LATE;
  }

  sent(capturedAt, sentAt) {
    this.out.push({ capturedAt, sentAt });
  }

  // The next of what is out has arrived, `age` seconds after it was captured.
  taken(age, now) {
    const { capturedAt, sentAt } = this.out.shift() ?? {};
    if (sentAt === undefined) return;
    // What was sent before the last change says nothing about it.
    if (sentAt < this.changedAt) return;
    const waited = age * 1000 - (sentAt - capturedAt) - this.clock.trip / 2;
    this.waited += NEWEST * (waited - this.waited);
    if (this.waited >= LOW) this.clearSince = now;
    if (this.waited > HIGH && this.look < LOOKS.length - 1) {
      const failed = now - this.triedAt < PATIENCE[0];
      this.patience = failed ? Math.min(this.patience * 2, PATIENCE[1]) : this.patience;
      this.change(1, now);
    } else if (now - this.clearSince > this.patience && this.look > 0) {
      this.triedAt = now;
      this.change(-1, now);
    }
  }

  change(step, now) {
    this.look += step;
    this.changedAt = this.clearSince = now;
    this.waited = (LOW + HIGH) / 2;
  }
}
