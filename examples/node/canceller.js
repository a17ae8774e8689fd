// Cancels the tasks whose ids come on stdin, one a line, through restarts of the server.
//
// Each cancel has a request id, and is repeated with the same one until it is answered.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { call, open } from "./countermand.js";

const AT_ONCE = 20;
const cancellations = open("Cancellation");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function cancelSome() {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const request = {
      task_id: line.value,
      reason: "customer_requested",
      request_id: randomUUID(),
    };
    const { cancellation } = await call(cancellations, "CancelTask", request);
    console.log(line.value, cancellation.cancellation_id);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, cancelSome));
cancellations.close();
