/* watch: opens streams, keeps them open, and says when all were told of something.
 *
 * Stream i sends frame i of --bodies (see http2.h), beginning again after the last. One line of
 * JSON goes to stdout when every stream has had its first message, and then one for each further
 * message, once every stream has had it: its number, and when the first and the last stream had
 * it, in nanoseconds of CLOCK_REALTIME. It runs until it is killed. When a stream ends, the program
 * says so in such a line and ends with 1; 2 is wrong usage or no connection.
 *
 * With --stalls-after a stream takes so many bytes and then nothing more, as a client does that has
 * stopped to read; then it tells of no more than the first messages. */
#include "http2.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ROUNDS = 1024, /* how far the fastest stream may be ahead of the slowest */
    OPENING = 100, /* how many streams of one connection wait for their first message at most */
};

struct stream {
    uint8_t prefix[FRAME_HEADER];
    size_t prefix_used, left, messages;
};

struct round {
    uint64_t first, last;
    size_t told;
};

struct watch {
    size_t total, submitted, answered;
    size_t *answered_on; /* each connection */
    struct stream *streams;
    struct round rounds[ROUNDS];
    uint64_t started;
};

static void open_more(struct connection *connection) {
    struct watch *watch = connection->client->user;
    size_t answered = watch->answered_on[connection - connection->client->connections];
    while (connection->in_flight - answered < OPENING && has_room(connection)) {
        struct call *call = connection->free;
        submit(connection, watch->submitted % connection->client->frames.count);
        call->user = &watch->streams[watch->submitted++];
    }
}

static void count_message(struct connection *connection, struct stream *stream) {
    struct watch *watch = connection->client->user;
    size_t number = ++stream->messages;
    if (number == 1) {
        watch->answered_on[connection - connection->client->connections]++;
        if (++watch->answered == watch->total)
            printf("{\"opened\": %zu, \"seconds\": %.6f}\n", watch->total,
                   (double)(now(CLOCK_MONOTONIC) - watch->started) / 1e9);
        return;
    }
    struct round *round = &watch->rounds[number % ROUNDS];
    uint64_t time = now(CLOCK_REALTIME);
    if (!round->told++)
        round->first = time;
    round->last = time;
    if (round->told < watch->total)
        return;
    printf("{\"told\": %zu, \"first_ns\": %llu, \"last_ns\": %llu}\n", number,
           (unsigned long long)round->first, (unsigned long long)round->last);
    *round = (struct round){0};
}

/* Finds the ends of messages in whatever pieces they come. */
static void on_data(struct call *call, const uint8_t *data, size_t size) {
    struct stream *stream = call->user;
    while (size) {
        if (stream->prefix_used < FRAME_HEADER) {
            stream->prefix[stream->prefix_used++] = *data++;
            size--;
            if (stream->prefix_used < FRAME_HEADER)
                continue;
            const uint8_t *length = stream->prefix + 1;
            stream->left = (size_t)length[0] << 24 | (size_t)length[1] << 16 |
                           (size_t)length[2] << 8 | length[3];
        } else {
            size_t part = size < stream->left ? size : stream->left;
            data += part;
            size -= part;
            stream->left -= part;
        }
        if (stream->prefix_used == FRAME_HEADER && !stream->left) {
            stream->prefix_used = 0;
            count_message(call->connection, stream);
        }
    }
}

static void on_end(struct call *call, uint32_t error) {
    printf("{\"ended\": %d, \"http2_error\": %u, \"message\": ", call->status, error);
    print_text(call->message);
    printf("}\n");
    exit(1);
}

static void usage(void) {
    fprintf(stderr, "usage: watch --port N --path /SERVICE/METHOD --bodies FILE [--headers FILE]\n"
                    "             [--host 127.0.0.1] [--connections 1] [--streams 1 on each]\n"
                    "             [--stalls-after BYTES]\n");
    exit(2);
}

static void parse(int count, char **arguments, struct client *client) {
    static const struct option known[] = {
        {"host", 1, 0, 'h'},    {"port", 1, 0, 'p'},        {"path", 1, 0, 'm'},
        {"bodies", 1, 0, 'b'},  {"headers", 1, 0, 'x'},     {"connections", 1, 0, 'c'},
        {"streams", 1, 0, 's'}, {"stalls-after", 1, 0, 'a'}, {0, 0, 0, 0}};
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (option) {
        case 'h': client->host = optarg; break;
        case 'p': client->port = atoi(optarg); break;
        case 'm': client->path = optarg; break;
        case 'b': client->bodies = optarg; break;
        case 'x': client->headers_file = optarg; break;
        case 'c': client->connection_count = atoi(optarg); break;
        case 's': client->streams = atoi(optarg); break;
        case 'a': client->stalls_after = (uint32_t)strtoul(optarg, NULL, 10); break;
        default: usage();
        }
    }
    if (client->port < 1 || client->port > 65535 || !client->path || !client->bodies ||
        client->connection_count < 1 || client->streams < 1)
        usage();
}

int main(int count, char **arguments) {
    struct watch watch = {.started = now(CLOCK_MONOTONIC)};
    struct client client = {.host = "127.0.0.1",
                            .connection_count = 1,
                            .streams = 1,
                            .on_data = on_data,
                            .on_end = on_end,
                            .on_turn = open_more,
                            .user = &watch};
    parse(count, arguments, &client);
    setvbuf(stdout, NULL, _IOLBF, 0);
    watch.total = (size_t)client.connection_count * (size_t)client.streams;
    watch.streams = allocate(watch.total, sizeof *watch.streams);
    watch.answered_on = allocate((size_t)client.connection_count, sizeof *watch.answered_on);
    open_client(&client, watch.started + 30 * 1000000000ull);
    for (int i = 0; i < client.connection_count; i++) {
        open_more(&client.connections[i]);
        flush_connection(&client.connections[i]);
    }
    while (client.open_connections == client.connection_count)
        turn(&client);
    printf("{\"ended\": -1, \"message\": \"the server closed a connection\"}\n");
    return 1;
}
