// What time it is in the program: its clock, told from here by questions and answers.

const EVERY = 1000; // Milliseconds from one question to the next.
const FIRST = 5; // Questions at once: of these one finds the line quiet.
const DRIFT = 1e-4; // Two quartz clocks part by less than this.

export class Clock {
  constructor(link) {
    this.link = link;
    this.best = null; // The quickest answer: {trip, ahead, at}.
    this.asked = 0;
  }

  // A new connection may be to another program, with another clock.
  start() {
    this.best = null;
    for (let i = 0; i < FIRST; i += 1) this.ask();
  }

  ask() {
    this.asked = performance.now();
    this.link.send({ ping: this.asked });
  }

  askNowAndThen() {
    if (performance.now() - this.asked >= EVERY) this.ask();
  }

  // asked: when the question went, milliseconds of ours; there: seconds of theirs on its arrival.
  hear(asked, there) {
    const now = performance.now();
    const trip = now - asked;
    const ahead = there * 1000 - (asked + now) / 2;
    if (this.best) {
      const drift = DRIFT * (now - this.best.at);
      // Both cannot be right if one of the clocks stood still, as in a computer that slept.
      const fits = Math.abs(ahead - this.best.ahead) <= (trip + this.best.trip) / 2 + drift;
      // A slow answer says little: its way there and back may have differed by all of it. But what
      // the best one said grows old.
      if (fits && trip > this.best.trip + drift) return;
    }
    this.best = { trip, ahead, at: now };
  }

  get known() {
    return this.best !== null;
  }

  // Milliseconds there and back on a quiet line.
  get trip() {
    return this.best.trip;
  }

  // A time of ours in seconds of theirs.
  there(time) {
    return (time + this.best.ahead) / 1000;
  }
}
