/* What both clients share: gRPC calls over plain-text HTTP/2, in one thread around epoll and
 * libnghttp2. A client in Python would be slower than the servers that it measures.
 *
 * A program fills in struct client, opens it, submits calls, and turns the loop; it is told of
 * data and of ends. */
#pragma once
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    BUFFER_SIZE = 64 * 1024,
    FRAME_HEADER = 5,
    HEADERS_MAX = 32,
    MESSAGE_MAX = 256,
    STATUS_COUNT = 17, /* gRPC codes 0 to 16 */
    STATUS_NONE = -1,
    WINDOW_SIZE = 16 * 1024 * 1024
};

/* The bodies to send: frame i lies in data from offsets[i] to offsets[i + 1]. A file of them is a
 * row of gRPC frames (a zero byte, four bytes of length with the highest first, the message),
 * which is what travels in the DATA frames: each goes out as it is, as one call. */
struct frames {
    uint8_t *data;
    size_t *offsets;
    size_t count;
};

/* One call in flight. A free one is chained through next. */
struct call {
    struct connection *connection;
    size_t frame, size, sent;
    const uint8_t *body;
    uint64_t started; /* CLOCK_MONOTONIC, in nanoseconds */
    int status;
    char message[MESSAGE_MAX];
    void *user;
    struct call *next;
};

struct connection {
    struct client *client;
    int fd;
    bool ready, open, waits_to_write;
    nghttp2_session *session;
    size_t in_flight;
    struct call *calls, *free;
    uint8_t out[BUFFER_SIZE];
    size_t out_used, out_sent;
};

struct client {
    /* Set before open_client. */
    const char *host, *path, *bodies, *headers_file;
    int port, connection_count, streams;
    uint32_t stalls_after; /* bytes after which a stream is not read any more; 0 for never */
    void (*on_data)(struct call *call, const uint8_t *data, size_t size);
    void (*on_end)(struct call *call, uint32_t error); /* status is STATUS_NONE after a reset */
    void (*on_turn)(struct connection *connection);    /* may submit calls */
    void *user;
    /* Set by it. */
    struct frames frames;
    nghttp2_nv headers[HEADERS_MAX];
    size_t header_count;
    struct connection *connections;
    int epoll, open_connections;
    size_t broken; /* calls that were in flight when their connection ended */
};

void die(const char *why);
void die_of(const char *what); /* for a system call that failed: says why, too */
void *allocate(size_t count, size_t size);
uint64_t now(clockid_t clock);
void print_text(const char *text); /* as a JSON string */

/* Reads the bodies and headers, connects, and returns once every server has sent its SETTINGS. */
void open_client(struct client *client, uint64_t deadline);

/* Whether the connection takes another call, within what the server allows. libnghttp2 would hold
 * back what is above the server's limit, but then the wait in its queue would count as latency. */
bool has_room(const struct connection *connection);

void submit(struct connection *connection, size_t frame);
/* The same of a call that was due at a time of CLOCK_MONOTONIC, from which its latency counts. */
void submit_due(struct connection *connection, size_t frame, uint64_t due);
void flush_connection(struct connection *connection);

/* Waits for the sockets, at most 100 ms, and handles what came. */
void turn(struct client *client);
/* The same, for at most so many nanoseconds. */
void turn_for(struct client *client, uint64_t nanoseconds);
