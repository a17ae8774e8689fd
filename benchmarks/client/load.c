/* load: sends unary calls and says how fast they were answered.
 *
 * A measurement of a server is worth nothing when the client is the limit, so this one also
 * reports its own CPU time, for the reader to see that it had time to spare.
 *
 * Each frame of --bodies (see http2.h) goes out once, as one call. With --repeat N only the first
 * one is used, N times. With --rate R calls are due R a second, evenly, whether or not others were
 * answered, and the latency of each counts from when it was due: so a server that stalls is charged
 * for all that came meanwhile. Without, as many are kept in flight as --connections and --streams
 * say, and the latency counts from when it was sent.
 * Only a call that the server refused by REFUSED_STREAM, its word that it did
 * not look at it, is sent again and counted.
 *
 * The clock starts when every connection has the server's SETTINGS and stops at the last answer.
 * The program ends when every call is answered, when no connection is left, or at --timeout.
 * One line of JSON goes to stdout. Exit status: 0 every call was answered, 1 some were not, 2 wrong
 * usage or no connection. */
#include "http2.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

struct load {
    size_t repeat, total, sent, answered, broken, refused;
    double timeout, rate;
    uint64_t began;
    int turn; /* the connection that is next, at a rate */
    size_t *again, again_count; /* the frames of refused calls, to be sent again */
    size_t statuses[STATUS_COUNT];
    uint64_t *latencies; /* nanoseconds, one for each answered call */
    char failure[MESSAGE_MAX + 16];
};

/* ---- the calls ---- */

static bool more_to_send(const struct load *load) {
    return load->again_count || load->sent < load->total;
}

static size_t next_frame(struct load *load) {
    if (load->again_count)
        return load->again[--load->again_count];
    size_t number = load->sent++;
    return load->repeat ? 0 : number;
}

/* Keeps the connection full. */
static void fill(struct connection *connection) {
    struct load *load = connection->client->user;
    if (load->rate > 0)
        return; /* what is due goes out by send_due */
    while (more_to_send(load) && has_room(connection))
        submit(connection, next_frame(load));
}

static void note_failure(struct load *load, int code, const char *text) {
    if (!load->failure[0])
        snprintf(load->failure, sizeof load->failure, "%d: %s", code, text);
}

/* A server may refuse a stream although its limit was kept: it counts one until it has cleaned up
 * behind it, which is after the client saw its end. */
static void count_reset(struct load *load, const struct call *call, uint32_t error) {
    if (error == NGHTTP2_REFUSED_STREAM && !load->rate) {
        load->refused++;
        load->again[load->again_count++] = call->frame;
        return;
    }
    load->broken++;
    note_failure(load, (int)error, "the stream was reset with this HTTP/2 error code");
}

static void count_end(struct call *call, uint32_t error) {
    struct load *load = call->connection->client->user;
    if (call->status == STATUS_NONE) {
        count_reset(load, call, error);
        return;
    }
    load->latencies[load->answered++] = now(CLOCK_MONOTONIC) - call->started;
    load->statuses[call->status]++;
    if (call->status)
        note_failure(load, call->status, call->message);
}

static uint64_t due(const struct load *load) {
    return load->began + (uint64_t)((double)load->sent * 1e9 / load->rate);
}

/* The next connection in turn with room for a call; none if the server takes no more. */
static struct connection *with_room(struct client *client) {
    struct load *load = client->user;
    for (int i = 0; i < client->connection_count; i++) {
        struct connection *connection = &client->connections[load->turn];
        load->turn = (load->turn + 1) % client->connection_count;
        if (connection->open && has_room(connection))
            return connection;
    }
    return NULL;
}

/* Sends what is due. Returns after how many nanoseconds something may be due next. */
static uint64_t send_due(struct client *client) {
    struct load *load = client->user;
    const uint64_t long_time = 100000000;
    while (load->sent < load->total) {
        uint64_t when = due(load), present = now(CLOCK_MONOTONIC);
        if (when > present)
            return when - present < long_time ? when - present : long_time;
        struct connection *connection = with_room(client);
        if (!connection)
            break; /* it waits for an answer, and its latency counts already */
        submit_due(connection, load->sent++, when);
        flush_connection(connection);
    }
    return long_time;
}

static void send_at_rate(struct client *client, uint64_t deadline) {
    struct load *load = client->user;
    prctl(PR_SET_TIMERSLACK, 1);
    load->began = now(CLOCK_MONOTONIC);
    while (load->answered + load->broken + client->broken < load->total &&
           client->open_connections && now(CLOCK_MONOTONIC) < deadline)
        turn_for(client, send_due(client));
}

static void send_all(struct client *client, uint64_t deadline) {
    struct load *load = client->user;
    if (load->rate > 0) {
        send_at_rate(client, deadline);
        return;
    }
    for (int i = 0; i < client->connection_count; i++) {
        fill(&client->connections[i]);
        flush_connection(&client->connections[i]);
    }
    while (load->answered + load->broken + client->broken < load->total &&
           client->open_connections && now(CLOCK_MONOTONIC) < deadline)
        turn(client);
}

/* ---- the report ---- */

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The latency, in milliseconds, that so many of 1000 calls did not exceed (nearest rank). */
static double percentile(const struct load *load, size_t of_1000) {
    if (!load->answered)
        return 0;
    size_t rank = (of_1000 * load->answered + 999) / 1000;
    return (double)load->latencies[rank - 1] / 1e6;
}

static void report(struct load *load, double seconds, double cpu_seconds) {
    const char *comma = "";
    qsort(load->latencies, load->answered, sizeof *load->latencies, compare);
    printf("{\"calls\": %zu, \"answered\": %zu, \"seconds\": %.6f, \"rate\": %.1f, ", load->total,
           load->answered, seconds, (double)load->answered / seconds);
    printf("\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, ", percentile(load, 500),
           percentile(load, 990), percentile(load, 999));
    printf("\"longest_ms\": %.3f, ", percentile(load, 1000));
    printf("\"refused\": %zu, \"generator_cpu_seconds\": %.6f, \"statuses\": {", load->refused,
           cpu_seconds);
    for (int status = 0; status < STATUS_COUNT; status++)
        if (load->statuses[status]) {
            printf("%s\"%d\": %zu", comma, status, load->statuses[status]);
            comma = ", ";
        }
    printf("}, \"first_failure\": ");
    print_text(load->failure);
    printf("}\n");
}

static int run(struct client *client) {
    struct load *load = client->user;
    uint64_t deadline = now(CLOCK_MONOTONIC) + (uint64_t)(load->timeout * 1e9);
    open_client(client, deadline);
    load->total = load->repeat ? load->repeat : client->frames.count;
    load->latencies = allocate(load->total, sizeof *load->latencies);
    load->again = allocate(load->total, sizeof *load->again);
    uint64_t started = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    send_all(client, deadline);
    double seconds = (double)(now(CLOCK_MONOTONIC) - started) / 1e9;
    double cpu_seconds = (double)(now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9;
    report(load, seconds, cpu_seconds);
    return load->answered == load->total ? 0 : 1;
}

static void usage(void) {
    fprintf(stderr, "usage: load --port N --path /SERVICE/METHOD --bodies FILE [--repeat N]\n"
                    "            [--host 127.0.0.1] [--headers FILE] [--connections 4]\n"
                    "            [--streams 64] [--timeout SECONDS, 60 unless told]\n"
                    "            [--rate CALLS_A_SECOND, without --repeat]\n");
    exit(2);
}

static void parse(int count, char **arguments, struct client *client, struct load *load) {
    static const struct option known[] = {
        {"host", 1, 0, 'h'},        {"port", 1, 0, 'p'},    {"path", 1, 0, 'm'},
        {"bodies", 1, 0, 'b'},      {"headers", 1, 0, 'x'}, {"repeat", 1, 0, 'r'},
        {"connections", 1, 0, 'c'}, {"streams", 1, 0, 's'}, {"timeout", 1, 0, 't'},
        {"rate", 1, 0, 'e'},
        {0, 0, 0, 0}};
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (option) {
        case 'h': client->host = optarg; break;
        case 'p': client->port = atoi(optarg); break;
        case 'm': client->path = optarg; break;
        case 'b': client->bodies = optarg; break;
        case 'x': client->headers_file = optarg; break;
        case 'r': load->repeat = strtoul(optarg, NULL, 10); break;
        case 'c': client->connection_count = atoi(optarg); break;
        case 's': client->streams = atoi(optarg); break;
        case 't': load->timeout = atof(optarg); break;
        case 'e': load->rate = atof(optarg); break;
        default: usage();
        }
    }
    if (client->port < 1 || client->port > 65535 || !client->path || !client->bodies ||
        client->connection_count < 1 || client->streams < 1 || !(load->timeout > 0) ||
        load->rate < 0 || (load->rate > 0 && load->repeat))
        usage();
}

int main(int count, char **arguments) {
    struct load load = {.timeout = 60};
    struct client client = {.host = "127.0.0.1",
                            .connection_count = 4,
                            .streams = 64,
                            .on_end = count_end,
                            .on_turn = fill,
                            .user = &load};
    parse(count, arguments, &client, &load);
    return run(&client);
}
