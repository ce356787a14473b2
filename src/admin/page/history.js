// The last minutes, gathered here from one status after another: the server keeps none.

const SAMPLES_MAX = 300;

/** Farther apart than this (a tab that slept, a server that was away), two samples give no rate. */
const GAP_MS = 20_000;

/** Counters and gauges of a status, by the names that charts ask for. */
function sampleOf(status, at) {
  const values = new Map();
  const add = (name, value) => values.set(name, (values.get(name) ?? 0) + value);
  for (const input of status.inputs) {
    add('in', input.events);
    add('in_bytes', input.bytes);
    add(`in:${input.name}`, input.events);
  }
  for (const filter of status.filters ?? []) add(`filter:${filter.name}`, filter.events);
  for (const route of status.routes) {
    for (const state of ['staged', 'queued', 'in_flight']) {
      add('waiting', route[state].events);
      add('waiting_bytes', route[state].bytes);
      add(`waiting:${route.name}`, route[state].events);
      add(`waiting_bytes:${route.name}`, route[state].bytes);
    }
    for (const output of route.outputs) {
      add('out', output.events_delivered);
      add(`out:${output.name}`, output.events_delivered);
      add(`out:${route.name}:${output.name}`, output.events_delivered);
      add('retries', output.retries);
    }
  }
  return { at, started: status.started, values };
}

export class History {
  samples = [];

  add(status, at) {
    this.samples.push(sampleOf(status, at));
    if (this.samples.length > SAMPLES_MAX) this.samples.shift();
  }

  times() {
    return this.samples.map((sample) => sample.at);
  }

  /** A gauge at each sample; `null` where there was none. */
  gauge(name) {
    return this.samples.map((sample) => sample.values.get(name) ?? null);
  }

  /** A counter's growth a second at each sample; `null` where it cannot be told. */
  rates(name) {
    return this.samples.map((sample, at) => {
      const before = this.samples[at - 1];
      return before && sample.at - before.at <= GAP_MS ? growth(before, sample, name) : null;
    });
  }

  /** A counter's growth a second over the last `seconds`; `null` if it cannot be told, or began anew. */
  rate(name, seconds = 10) {
    const last = this.samples.at(-1);
    if (!last) return null;
    let first = null;
    for (let at = this.samples.length - 2; at >= 0; at -= 1) {
      const [sample, next] = [this.samples[at], this.samples[at + 1]];
      if (sample.started !== last.started || next.at - sample.at > GAP_MS) break;
      first = sample;
      if (last.at - sample.at >= seconds * 1000) break;
    }
    return first && growth(first, last, name);
  }
}

/** How a counter grew, a second; `null` if it began anew, or is not there. */
function growth(before, after, name) {
  const [from, to] = [before.values.get(name), after.values.get(name)];
  if (before.started !== after.started || from === undefined || to === undefined || to < from) return null;
  return ((to - from) * 1000) / Math.max(1, after.at - before.at);
}
