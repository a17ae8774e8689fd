// Cancels the tasks whose ids come on stdin, one a line, through restarts of the server.
//
// Each cancel has a request id, and is repeated with the same one until it is answered.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { CancellationService } from "./build/countermand/v1/cancellation_service_pb.js";
import { call, open } from "./countermand.js";

const AT_ONCE = 20;
const client = open();
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function cancelSome() {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const { cancellation } = await call(client, CancellationService.method.cancelTask, {
      taskId: line.value,
      reason: "customer_requested",
      requestId: randomUUID(),
    });
    console.log(line.value, cancellation?.cancellationId);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, cancelSome));
client.close();
