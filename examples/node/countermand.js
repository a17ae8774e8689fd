// What the examples share: a channel with the key and the service config of Countermand, and calls
// that outlive restarts of the server.
//
// The messages and their types are what protoc-gen-es makes of the protos, into build/.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";

/** @import { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf" */
/** @import { DescMethodServerStreaming, DescMethodUnary } from "@bufbuild/protobuf" */
/** @import { ClientReadableStream, ServiceError } from "@grpc/grpc-js" */

const config =
  process.env.COUNTERMAND_SERVICE_CONFIG ??
  fileURLToPath(new URL("../../service/countermand/service_config.json", import.meta.url));
const MAY_PASS = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED];
const MAX_TRIES = 20;

// Returns a channel to COUNTERMAND_SERVER. Close it.
export function open() {
  return new Client(
    process.env.COUNTERMAND_SERVER ?? "127.0.0.1:50051",
    credentials.createInsecure(),
    { "grpc.service_config": readFileSync(config, "utf8") },
  );
}

// The metadata of each call.
function withKey() {
  const metadata = new Metadata({ waitForReady: true });
  metadata.set("x-api-key", process.env.COUNTERMAND_API_KEY ?? "");
  return metadata;
}

/** @param {DescMethod} method */
function pathOf(method) {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * Returns what makes bytes of a message, and a message of bytes.
 *
 * @template {DescMessage} T
 * @param {T} schema
 * @returns {[(message: MessageShape<T>) => Buffer, (bytes: Buffer) => MessageShape<T>]}
 */
function codecOf(schema) {
  return [
    (message) => Buffer.from(toBinary(schema, message)),
    (bytes) => fromBinary(schema, bytes),
  ];
}

/**
 * Calls a method until it is answered. Whether a try without an answer was accepted is not known: the
 * request must be one that may be repeated.
 *
 * @template {DescMessage} I
 * @template {DescMessage} O
 * @param {Client} client
 * @param {DescMethodUnary<I, O>} method
 * @param {MessageInitShape<I>} request
 * @returns {Promise<MessageShape<O>>}
 */
export async function call(client, method, request) {
  const [encode] = codecOf(method.input);
  const [, decode] = codecOf(method.output);
  const message = create(method.input, request);
  for (let tries = 1; ; tries += 1) {
    try {
      return await new Promise((resolve, reject) => {
        const options = { deadline: Date.now() + 20_000 };
        client.makeUnaryRequest(
          pathOf(method),
          encode,
          decode,
          message,
          withKey(),
          options,
          (error, answer) => (answer === undefined ? reject(error) : resolve(answer)),
        );
      });
    } catch (error) {
      if (tries === MAX_TRIES || !mayPass(error)) throw error;
      await pause();
    }
  }
}

/**
 * Opens a stream of messages.
 *
 * @template {DescMessage} I
 * @template {DescMessage} O
 * @param {Client} client
 * @param {DescMethodServerStreaming<I, O>} method
 * @param {MessageInitShape<I>} request
 * @returns {ClientReadableStream<MessageShape<O>>}
 */
export function stream(client, method, request) {
  const [encode] = codecOf(method.input);
  const [, decode] = codecOf(method.output);
  const message = create(method.input, request);
  return client.makeServerStreamRequest(pathOf(method), encode, decode, message, withKey());
}

/**
 * Whether the same call may be answered a moment later.
 *
 * @param {unknown} error
 */
export function mayPass(error) {
  return MAY_PASS.includes(/** @type {ServiceError} */ (error).code);
}

/**
 * Whether a call was refused for this reason, such as TASK_NOT_FOUND; the ErrorInfo has it as text.
 *
 * @param {unknown} error
 * @param {string} reason
 */
export function isRefusedAs(error, reason) {
  const { metadata } = /** @type {Partial<ServiceError>} */ (error);
  const [details] = metadata?.get("grpc-status-details-bin") ?? [];
  return details?.includes(reason) ?? false;
}

// Waits for up to a second, so that clients that were cut off together do not come back together.
export function pause() {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 1000));
}
