#define _GNU_SOURCE
#include "http2.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void die(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(2);
}

void die_of(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("out of memory");
    return memory;
}

uint64_t now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void print_text(const char *text) {
    putchar('"');
    for (; *text; text++)
        putchar(*text == '"' || *text == '\\' || (unsigned char)*text < 32 ? '\'' : *text);
    putchar('"');
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

static void add_header(struct client *client, const char *name, const char *value) {
    if (client->header_count == HEADERS_MAX)
        die("--headers: too many");
    client->headers[client->header_count++] = (nghttp2_nv){
        (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* The file has one "name: value" a line. It is a file because a key does not belong on a command
 * line, where every user of the machine can read it. */
static void add_headers_of_file(struct client *client) {
    size_t size;
    char *rest = (char *)read_file(client->headers_file, &size), *line;
    while ((line = strsep(&rest, "\n"))) {
        char *value = strstr(line, ": ");
        if (!*line)
            continue;
        if (!value)
            die("--headers: a line is not \"name: value\"");
        *value = '\0';
        add_header(client, line, value + 2);
    }
}

static void prepare_headers(struct client *client) {
    static char authority[300];
    snprintf(authority, sizeof authority, "%s:%d", client->host, client->port);
    add_header(client, ":method", "POST");
    add_header(client, ":scheme", "http");
    add_header(client, ":path", client->path);
    add_header(client, ":authority", authority);
    add_header(client, "te", "trailers");
    add_header(client, "content-type", "application/grpc");
    add_header(client, "user-agent", "countermand-load");
    if (client->headers_file)
        add_headers_of_file(client);
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

bool has_room(const struct connection *connection) {
    size_t limit = nghttp2_session_get_remote_settings(connection->session,
                                                       NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return connection->free && connection->in_flight < limit &&
           nghttp2_session_check_request_allowed(connection->session);
}

void submit(struct connection *connection, size_t frame) {
    submit_due(connection, frame, now(CLOCK_MONOTONIC));
}

void submit_due(struct connection *connection, size_t frame, uint64_t due) {
    struct client *client = connection->client;
    struct call *call = connection->free;
    const size_t *offset = &client->frames.offsets[frame];
    connection->free = call->next;
    *call = (struct call){.connection = connection,
                          .frame = frame,
                          .body = client->frames.data + offset[0],
                          .size = offset[1] - offset[0],
                          .status = STATUS_NONE,
                          .started = due};
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    if (nghttp2_submit_request(connection->session, NULL, client->headers, client->header_count,
                               &body, call) < 0)
        die("cannot submit a request");
    connection->in_flight++;
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

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *user) {
    (void)flags, (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call && call->connection->client->on_data)
        call->connection->client->on_data(call, data, size);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
    struct connection *connection = user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (!call)
        return 0;
    connection->client->on_end(call, error);
    call->next = connection->free;
    connection->free = call;
    connection->in_flight--;
    return 0;
}

/* ---- connections ---- */

static int connect_to(const struct client *client) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)client->port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, client->host, &address.sin_addr) != 1)
        die("--host: not an IPv4 address");
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        die_of("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* The window of the connection stays wide, so that streams that stall do not stall the others. */
static nghttp2_session *new_session(struct connection *connection) {
    uint32_t stalls_after = connection->client->stalls_after;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, stalls_after ? stalls_after : WINDOW_SIZE}};
    if (nghttp2_session_callbacks_new(&callbacks) || nghttp2_option_new(&option))
        die("out of memory");
    nghttp2_option_set_no_auto_window_update(option, stalls_after > 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new2(&session, callbacks, connection, option) ||
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2) ||
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, WINDOW_SIZE))
        die("cannot open a session");
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void open_connection(struct client *client, struct connection *connection) {
    size_t streams = (size_t)client->streams;
    connection->client = client;
    connection->open = true;
    connection->fd = connect_to(client);
    connection->session = new_session(connection);
    connection->calls = allocate(streams, sizeof *connection->calls);
    for (size_t i = 0; i < streams; i++) {
        connection->calls[i].next = connection->free;
        connection->free = &connection->calls[i];
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event))
        die_of("epoll");
    client->open_connections++;
}

/* Calls that were in flight stay without an answer; they are never sent a second time. */
static void close_connection(struct connection *connection) {
    if (!connection->open)
        return;
    connection->open = false;
    connection->client->open_connections--;
    connection->client->broken += connection->in_flight;
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
    if (epoll_ctl(connection->client->epoll, EPOLL_CTL_MOD, connection->fd, &event))
        die_of("epoll");
}

/* Gathers the frames of many calls into one system call. */
void flush_connection(struct connection *connection) {
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

/* ---- the client ---- */

void turn(struct client *client) {
    turn_for(client, 100000000);
}

void turn_for(struct client *client, uint64_t nanoseconds) {
    struct epoll_event events[64];
    /* epoll_wait would count in milliseconds, which is longer than a call takes. */
    struct pollfd any = {.fd = client->epoll, .events = POLLIN};
    struct timespec wait = {.tv_sec = (time_t)(nanoseconds / 1000000000u),
                            .tv_nsec = (long)(nanoseconds % 1000000000u)};
    ppoll(&any, 1, &wait, NULL);
    int count = epoll_wait(client->epoll, events, 64, 0);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            receive(connection);
        if (connection->open && connection->ready && client->on_turn)
            client->on_turn(connection);
        if (connection->open)
            flush_connection(connection);
    }
}

static bool all_ready(const struct client *client) {
    for (int i = 0; i < client->connection_count; i++)
        if (!client->connections[i].ready)
            return false;
    return true;
}

void open_client(struct client *client, uint64_t deadline) {
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    client->frames = read_frames(client->bodies);
    client->connections = allocate((size_t)client->connection_count, sizeof *client->connections);
    prepare_headers(client);
    for (int i = 0; i < client->connection_count; i++) {
        open_connection(client, &client->connections[i]);
        flush_connection(&client->connections[i]);
    }
    void (*on_turn)(struct connection *) = client->on_turn;
    client->on_turn = NULL; /* nothing is sent before all are ready */
    while (!all_ready(client)) {
        turn(client);
        if (client->open_connections < client->connection_count)
            die("the server closed a connection");
        if (now(CLOCK_MONOTONIC) > deadline)
            die("the server sent no SETTINGS");
    }
    client->on_turn = on_turn;
}
