/* load: sends gRPC unary calls over plain-text HTTP/2 and says how fast they were answered.
 *
 * A measurement of a server is worth nothing when the client is the limit, and a Python client
 * would be. This one is a single thread around epoll and libnghttp2; it also reports its own CPU
 * time, so that the reader can see that it had time to spare.
 *
 * The file of --bodies is a row of gRPC frames (a zero byte, four bytes of length with the highest
 * first, the message), which is what travels in the DATA frames: each goes out as it is, once, as
 * one call. With --repeat N only the first one is used, N times. Only a call that the server
 * refused by REFUSED_STREAM, its word that it did not look at it, is sent again and counted.
 *
 * The clock starts when every connection has the server's SETTINGS and stops at the last answer.
 * The program ends when every call is answered, when no connection is left, or at --timeout.
 * One line of JSON goes to stdout. Exit status: 0 every call was answered, 1 some were not, 2 wrong
 * usage or no connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 64 * 1024,
    FRAME_HEADER = 5,
    HEADERS_MAX = 32,
    MESSAGE_MAX = 256,
    STATUS_COUNT = 17, /* gRPC codes 0 to 16 */
    STATUS_NONE = -1,
    WINDOW_SIZE = 16 * 1024 * 1024
};

struct options {
    const char *host, *path, *bodies, *headers;
    int port, connections, streams;
    size_t repeat;
    double timeout;
};

/* The bodies to send: frame i lies in data from offsets[i] to offsets[i + 1]. */
struct frames {
    uint8_t *data;
    size_t *offsets;
    size_t count;
};

/* One call in flight. A free one is chained through next. */
struct call {
    size_t frame, size, sent;
    const uint8_t *body;
    uint64_t started;
    int status;
    char message[MESSAGE_MAX];
    struct call *next;
};

struct connection {
    struct load *load;
    int fd;
    bool ready, open, waits_to_write;
    nghttp2_session *session;
    size_t in_flight;
    struct call *calls, *free;
    uint8_t out[BUFFER_SIZE];
    size_t out_used, out_sent;
};

struct load {
    const struct options *options;
    struct frames frames;
    nghttp2_nv headers[HEADERS_MAX];
    size_t header_count;
    struct connection *connections;
    int epoll, open_connections;
    size_t total, sent, answered, broken, refused;
    size_t *again, again_count; /* the frames of refused calls, to be sent again */
    size_t statuses[STATUS_COUNT];
    uint64_t *latencies; /* nanoseconds, one for each answered call */
    char failure[MESSAGE_MAX + 16];
};

static void die(const char *why) {
    fprintf(stderr, "load: %s\n", why);
    exit(2);
}

/* For a system call that failed: says why, too. */
static void die_of(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("out of memory");
    return memory;
}

static uint64_t now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- what to send ---- */

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        die_of(path);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = allocate(*size + 1, 1);
    if (fread(data, 1, *size, file) != *size)
        die_of(path);
    fclose(file);
    return data;
}

static size_t frame_size(const uint8_t *frame) {
    uint32_t length;
    memcpy(&length, frame + 1, sizeof length);
    return FRAME_HEADER + (size_t)ntohl(length);
}

static struct frames read_frames(const char *path) {
    size_t size, capacity = 1024, at = 0;
    struct frames frames = {.data = read_file(path, &size)};
    frames.offsets = allocate(capacity, sizeof *frames.offsets);
    while (at < size) {
        if (size - at < FRAME_HEADER || size - at < frame_size(frames.data + at))
            die("--bodies: the last frame is cut short");
        if (frames.count + 2 > capacity) {
            capacity *= 2;
            frames.offsets = realloc(frames.offsets, capacity * sizeof *frames.offsets);
            if (!frames.offsets)
                die("out of memory");
        }
        at += frame_size(frames.data + at);
        frames.offsets[++frames.count] = at;
    }
    if (!frames.count)
        die("--bodies: the file is empty");
    return frames;
}

static void add_header(struct load *load, const char *name, const char *value) {
    if (load->header_count == HEADERS_MAX)
        die("--headers: too many");
    load->headers[load->header_count++] = (nghttp2_nv){
        (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* The file has one "name: value" a line. It is a file because a key does not belong on a command
 * line, where every user of the machine can read it. */
static void add_headers_of_file(struct load *load, const char *path) {
    size_t size;
    char *rest = (char *)read_file(path, &size), *line;
    while ((line = strsep(&rest, "\n"))) {
        char *value = strstr(line, ": ");
        if (!*line)
            continue;
        if (!value)
            die("--headers: a line is not \"name: value\"");
        *value = '\0';
        add_header(load, line, value + 2);
    }
}

static void prepare_headers(struct load *load) {
    static char authority[300];
    const struct options *options = load->options;
    snprintf(authority, sizeof authority, "%s:%d", options->host, options->port);
    add_header(load, ":method", "POST");
    add_header(load, ":scheme", "http");
    add_header(load, ":path", options->path);
    add_header(load, ":authority", authority);
    add_header(load, "te", "trailers");
    add_header(load, "content-type", "application/grpc");
    add_header(load, "user-agent", "countermand-load");
    if (options->headers)
        add_headers_of_file(load, options->headers);
}

/* ---- one call ---- */

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user) {
    (void)session, (void)stream, (void)user;
    struct call *call = source->ptr;
    size_t size = call->size - call->sent;
    if (size > room)
        size = room;
    memcpy(buffer, call->body + call->sent, size);
    call->sent += size;
    if (call->sent == call->size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static bool more_to_send(const struct load *load) {
    return load->again_count || load->sent < load->total;
}

static size_t next_frame(struct load *load) {
    if (load->again_count)
        return load->again[--load->again_count];
    size_t number = load->sent++;
    return load->options->repeat ? 0 : number;
}

static void submit(struct connection *connection) {
    struct load *load = connection->load;
    struct call *call = connection->free;
    size_t frame = next_frame(load);
    const size_t *offset = &load->frames.offsets[frame];
    connection->free = call->next;
    *call = (struct call){.frame = frame,
                          .body = load->frames.data + offset[0],
                          .size = offset[1] - offset[0],
                          .status = STATUS_NONE,
                          .started = now(CLOCK_MONOTONIC)};
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    if (nghttp2_submit_request(connection->session, NULL, load->headers, load->header_count, &body,
                               call) < 0)
        die("cannot submit a request");
    connection->in_flight++;
}

/* Keeps the connection full, within what the server allows. libnghttp2 would hold back what is
 * above the server's limit, but then the wait in its queue would count as latency. */
static void fill(struct connection *connection) {
    struct load *load = connection->load;
    size_t limit = nghttp2_session_get_remote_settings(connection->session,
                                                       NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    while (more_to_send(load) && connection->free && connection->in_flight < limit &&
           nghttp2_session_check_request_allowed(connection->session))
        submit(connection);
}

static void note_failure(struct load *load, int code, const char *text) {
    if (!load->failure[0])
        snprintf(load->failure, sizeof load->failure, "%d: %s", code, text);
}

static void count_answer(struct load *load, const struct call *call) {
    load->latencies[load->answered++] = now(CLOCK_MONOTONIC) - call->started;
    load->statuses[call->status]++;
    if (call->status)
        note_failure(load, call->status, call->message);
}

/* A server may refuse a stream although its limit was kept: it counts one until it has cleaned up
 * behind it, which is after the client saw its end. */
static void count_reset(struct load *load, const struct call *call, uint32_t error) {
    if (error == NGHTTP2_REFUSED_STREAM) {
        load->refused++;
        load->again[load->again_count++] = call->frame;
        return;
    }
    load->broken++;
    note_failure(load, (int)error, "the stream was reset with this HTTP/2 error code");
}

/* ---- what libnghttp2 tells ---- */

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags,
                       void *user) {
    (void)session, (void)flags;
    struct connection *connection = user;
    size_t room = BUFFER_SIZE - connection->out_used;
    if (!room)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (size > room)
        size = room;
    memcpy(connection->out + connection->out_used, data, size);
    connection->out_used += size;
    return (ssize_t)size;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)session;
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
        ((struct connection *)user)->ready = true;
    return 0;
}

static bool is(const char *expected, const uint8_t *name, size_t size) {
    return size == strlen(expected) && !memcmp(name, expected, size);
}

/* Sees headers and trailers alike, so an answer of trailers only needs no case of its own. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t size, uint8_t flags,
                     void *user) {
    (void)flags, (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call)
        return 0;
    if (is("grpc-status", name, name_size)) {
        int status = atoi((const char *)value); /* libnghttp2 ends every value with a zero */
        call->status = status >= 0 && status < STATUS_COUNT ? status : 2;
    } else if (is("grpc-message", name, name_size)) {
        snprintf(call->message, sizeof call->message, "%.*s", (int)size, (const char *)value);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
    struct connection *connection = user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (!call)
        return 0;
    if (call->status == STATUS_NONE)
        count_reset(connection->load, call, error);
    else
        count_answer(connection->load, call);
    call->next = connection->free;
    connection->free = call;
    connection->in_flight--;
    return 0;
}

/* ---- connections ---- */

static int connect_to(const struct options *options) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1)
        die("--host: not an IPv4 address");
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        die_of("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static nghttp2_session *new_session(struct connection *connection) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_SIZE}};
    if (nghttp2_session_callbacks_new(&callbacks))
        die("out of memory");
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&session, callbacks, connection) ||
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2) ||
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, WINDOW_SIZE))
        die("cannot open a session");
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void open_connection(struct load *load, struct connection *connection) {
    size_t streams = (size_t)load->options->streams;
    connection->load = load;
    connection->open = true;
    connection->fd = connect_to(load->options);
    connection->session = new_session(connection);
    connection->calls = allocate(streams, sizeof *connection->calls);
    for (size_t i = 0; i < streams; i++) {
        connection->calls[i].next = connection->free;
        connection->free = &connection->calls[i];
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event))
        die_of("epoll");
    load->open_connections++;
}

/* Calls that were in flight stay without an answer; they are never sent a second time. */
static void close_connection(struct connection *connection) {
    if (!connection->open)
        return;
    connection->open = false;
    connection->load->open_connections--;
    connection->load->broken += connection->in_flight;
    connection->in_flight = 0;
    nghttp2_session_del(connection->session);
    close(connection->fd);
    free(connection->calls);
}

static void wait_to_write(struct connection *connection, bool wait) {
    if (connection->waits_to_write == wait)
        return;
    connection->waits_to_write = wait;
    struct epoll_event event = {.events = EPOLLIN | (wait ? EPOLLOUT : 0), .data.ptr = connection};
    if (epoll_ctl(connection->load->epoll, EPOLL_CTL_MOD, connection->fd, &event))
        die_of("epoll");
}

/* Gathers the frames of many calls into one system call. */
static void flush_connection(struct connection *connection) {
    for (;;) {
        if (connection->out_sent == connection->out_used) {
            connection->out_sent = connection->out_used = 0;
            if (nghttp2_session_send(connection->session)) {
                close_connection(connection);
                return;
            }
            if (!connection->out_used)
                break;
        }
        ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
                            connection->out_used - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            close_connection(connection);
            return;
        }
        if (sent < 0)
            break;
        connection->out_sent += (size_t)sent;
    }
    wait_to_write(connection, connection->out_sent < connection->out_used);
}

static void receive(struct connection *connection) {
    static uint8_t buffer[BUFFER_SIZE];
    ssize_t size = recv(connection->fd, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0 || nghttp2_session_mem_recv(connection->session, buffer, (size_t)size) < 0 ||
        (!nghttp2_session_want_read(connection->session) &&
         !nghttp2_session_want_write(connection->session)))
        close_connection(connection);
}

/* ---- the run ---- */

static void turn(struct load *load, bool may_send) {
    struct epoll_event events[64];
    int count = epoll_wait(load->epoll, events, 64, 100);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            receive(connection);
        if (connection->open && may_send)
            fill(connection);
        if (connection->open)
            flush_connection(connection);
    }
}

static bool all_ready(const struct load *load) {
    for (int i = 0; i < load->options->connections; i++)
        if (!load->connections[i].ready)
            return false;
    return true;
}

static void shake_hands(struct load *load, uint64_t deadline) {
    for (int i = 0; i < load->options->connections; i++) {
        open_connection(load, &load->connections[i]);
        flush_connection(&load->connections[i]);
    }
    while (!all_ready(load)) {
        turn(load, false);
        if (load->open_connections < load->options->connections)
            die("the server closed a connection");
        if (now(CLOCK_MONOTONIC) > deadline)
            die("the server sent no SETTINGS");
    }
}

static void send_all(struct load *load, uint64_t deadline) {
    for (int i = 0; i < load->options->connections; i++) {
        fill(&load->connections[i]);
        flush_connection(&load->connections[i]);
    }
    while (load->answered + load->broken < load->total && load->open_connections &&
           now(CLOCK_MONOTONIC) < deadline)
        turn(load, true);
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

static void print_text(const char *text) {
    putchar('"');
    for (; *text; text++)
        putchar(*text == '"' || *text == '\\' || (unsigned char)*text < 32 ? '\'' : *text);
    putchar('"');
}

static void report(struct load *load, double seconds, double cpu_seconds) {
    const char *comma = "";
    qsort(load->latencies, load->answered, sizeof *load->latencies, compare);
    printf("{\"calls\": %zu, \"answered\": %zu, \"seconds\": %.6f, \"rate\": %.1f, ", load->total,
           load->answered, seconds, (double)load->answered / seconds);
    printf("\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, ", percentile(load, 500),
           percentile(load, 990), percentile(load, 999));
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

static int run(struct load *load) {
    uint64_t deadline = now(CLOCK_MONOTONIC) + (uint64_t)(load->options->timeout * 1e9);
    shake_hands(load, deadline);
    uint64_t started = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    send_all(load, deadline);
    double seconds = (double)(now(CLOCK_MONOTONIC) - started) / 1e9;
    double cpu_seconds = (double)(now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9;
    report(load, seconds, cpu_seconds);
    return load->answered == load->total ? 0 : 1;
}

static void usage(void) {
    fprintf(stderr, "usage: load --port N --path /SERVICE/METHOD --bodies FILE [--repeat N]\n"
                    "            [--host 127.0.0.1] [--headers FILE] [--connections 4]\n"
                    "            [--streams 64] [--timeout SECONDS, 60 unless told]\n");
    exit(2);
}

static struct options parse(int count, char **arguments) {
    static const struct option known[] = {
        {"host", 1, 0, 'h'},        {"port", 1, 0, 'p'},    {"path", 1, 0, 'm'},
        {"bodies", 1, 0, 'b'},      {"headers", 1, 0, 'x'}, {"repeat", 1, 0, 'r'},
        {"connections", 1, 0, 'c'}, {"streams", 1, 0, 's'}, {"timeout", 1, 0, 't'},
        {0, 0, 0, 0}};
    struct options options = {
        .host = "127.0.0.1", .connections = 4, .streams = 64, .timeout = 60};
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (option) {
        case 'h': options.host = optarg; break;
        case 'p': options.port = atoi(optarg); break;
        case 'm': options.path = optarg; break;
        case 'b': options.bodies = optarg; break;
        case 'x': options.headers = optarg; break;
        case 'r': options.repeat = strtoul(optarg, NULL, 10); break;
        case 'c': options.connections = atoi(optarg); break;
        case 's': options.streams = atoi(optarg); break;
        case 't': options.timeout = atof(optarg); break;
        default: usage();
        }
    }
    if (options.port < 1 || options.port > 65535 || !options.path || !options.bodies ||
        options.connections < 1 || options.streams < 1 || !(options.timeout > 0))
        usage();
    return options;
}

int main(int count, char **arguments) {
    struct options options = parse(count, arguments);
    struct load load = {.options = &options, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    load.frames = read_frames(options.bodies);
    load.total = options.repeat ? options.repeat : load.frames.count;
    load.latencies = allocate(load.total, sizeof *load.latencies);
    load.again = allocate(load.total, sizeof *load.again);
    load.connections = allocate((size_t)options.connections, sizeof *load.connections);
    prepare_headers(&load);
    return run(&load);
}
