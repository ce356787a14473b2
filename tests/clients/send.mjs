// Sends events with @fluent-org/logger in each of its modes, and waits for the acknowledgements:
// send.mjs HOST PORT FIRST_ID COUNT_PER_MODE. Run where its node_modules are.
import { createRequire } from "node:module";

const { FluentClient } = createRequire(process.cwd() + "/")("@fluent-org/logger");

const [host, port, first, count] = process.argv.slice(2);
let id = Number(first);
for (const eventMode of ["Message", "Forward", "PackedForward", "CompressedPackedForward"]) {
  const client = new FluentClient("app", {
    eventMode,
    socket: { host, port: Number(port), timeout: 10000 },
    ack: { ackTimeout: 10000 },
  });
  const sent = [];
  for (let number = 0; number < Number(count); number += 1) {
    sent.push(client.emit("web", { id: id++, from: "@fluent-org/logger", mode: eventMode }));
  }
  await Promise.all(sent);
  await client.shutdown();
}
