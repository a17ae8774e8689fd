// What the examples share: the services, with the key and the service config of Countermand.
//
// COUNTERMAND_PROTOS and COUNTERMAND_SERVICE_CONFIG say where the protos and the config are; else they
// are those of the clone that this file is in.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const project = fileURLToPath(new URL("../../", import.meta.url));
const protos = process.env.COUNTERMAND_PROTOS ?? `${project}protos`;
const config =
  process.env.COUNTERMAND_SERVICE_CONFIG ?? `${project}service/countermand/service_config.json`;

const { status } = grpc;
const MAY_PASS = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED];
const MAX_TRIES = 20;

// Returns a client of a service of `countermand.v1`, such as "Cancellation".
export function open(name) {
  const definitions = loadSync(`countermand/v1/${name.toLowerCase()}_service.proto`, {
    includeDirs: [protos],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  });
  const Service = grpc.loadPackageDefinition(definitions).countermand.v1[`${name}Service`];
  return new Service(
    process.env.COUNTERMAND_SERVER ?? "127.0.0.1:50051",
    grpc.credentials.createInsecure(),
    { "grpc.service_config": readFileSync(config, "utf8") },
  );
}

// The metadata of each call.
export function withKey() {
  const metadata = new grpc.Metadata({ waitForReady: true });
  metadata.set("x-api-key", process.env.COUNTERMAND_API_KEY ?? "");
  return metadata;
}

// Whether the same call may be answered a moment later.
export function mayPass(error) {
  return MAY_PASS.includes(error.code);
}

// Whether a call was refused for this reason, such as TASK_NOT_FOUND; the ErrorInfo has it as text.
export function isRefusedAs(error, reason) {
  const [details] = error.metadata?.get("grpc-status-details-bin") ?? [];
  return details?.includes(reason) ?? false;
}

// Calls a method until it is answered. Whether a try without an answer was accepted is not known: the
// request must be one that may be repeated.
export async function call(client, method, request) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await new Promise((resolve, reject) => {
        const deadline = Date.now() + 20_000;
        client[method](request, withKey(), { deadline }, (error, answer) =>
          error ? reject(error) : resolve(answer),
        );
      });
    } catch (error) {
      if (tries === MAX_TRIES || !mayPass(error)) throw error;
      await pause();
    }
  }
}

// Waits for up to a second, so that clients that were cut off together do not come back together.
export function pause() {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 1000));
}
